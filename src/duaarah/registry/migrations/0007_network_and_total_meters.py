# SPDX-License-Identifier: Apache-2.0
"""What the network tree says for analysis, total meters, phases."""

import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0006_sim_expiry"),
    ]

    operations = [
        migrations.AddField(
            model_name="meter",
            name="phase",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Of single-phase meters: L1, L2 or L3 as recorded; empty: not known",
                max_length=2,
            ),
        ),
        migrations.AddField(
            model_name="networknode",
            name="latitude",
            field=models.FloatField(help_text="Degrees north, WGS 84", null=True),
        ),
        migrations.AddField(
            model_name="networknode",
            name="load_loss_w",
            field=models.FloatField(help_text="Of transformers: loss at rated load, as tested", null=True),
        ),
        migrations.AddField(
            model_name="networknode",
            name="longitude",
            field=models.FloatField(help_text="Degrees east, WGS 84", null=True),
        ),
        migrations.AddField(
            model_name="networknode",
            name="name",
            field=models.CharField(blank=True, db_default="", default="", max_length=120),
        ),
        migrations.AddField(
            model_name="networknode",
            name="no_load_w",
            field=models.FloatField(help_text="Of transformers: loss without load, as tested", null=True),
        ),
        migrations.AddField(
            model_name="networknode",
            name="rated_va",
            field=models.PositiveIntegerField(help_text="Of transformers: the name plate", null=True),
        ),
        migrations.CreateModel(
            name="NodeMeter",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("valid", django.contrib.postgres.fields.ranges.DateTimeRangeField()),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="measures", to="registry.meter"
                    ),
                ),
                (
                    "node",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="total_meters",
                        to="registry.networknode",
                    ),
                ),
            ],
            options={
                "constraints": [
                    django.contrib.postgres.constraints.ExclusionConstraint(
                        expressions=[("meter", "="), ("valid", "&&")], name="registry_node_meter_once"
                    )
                ],
            },
        ),
    ]
