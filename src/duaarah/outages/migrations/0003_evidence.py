# SPDX-License-Identifier: Apache-2.0
"""The words of meters that matter for outages, and when a tree is looked at again."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("outages", "0002_outages"),
        ("registry", "0007_network_and_total_meters"),
    ]

    operations = [
        migrations.CreateModel(
            name="Watch",
            fields=[
                (
                    "root",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="registry.networknode",
                    ),
                ),
                ("due_at", models.DateTimeField(help_text="Business time")),
            ],
        ),
        migrations.CreateModel(
            name="MeterWord",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(help_text="core.outage.Kind", max_length=14)),
                ("meter_at", models.DateTimeField(help_text="Meter's time: when it happened")),
                ("end_at", models.DateTimeField(help_text="Meter's time; of entries of its log", null=True)),
                ("arrived_at", models.DateTimeField(help_text="Business time")),
                ("seen", models.BooleanField(default=False, help_text="Whether the inference has had it")),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.meter"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(condition=models.Q(("seen", False)), fields=["id"], name="outages_word_new"),
                    models.Index(fields=["meter", "meter_at"], name="outages_word_meter"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("meter", "kind", "meter_at", "end_at"), name="outages_word_once", nulls_distinct=False
                    )
                ],
            },
        ),
    ]
