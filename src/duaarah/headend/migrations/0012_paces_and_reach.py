# SPDX-License-Identifier: Apache-2.0
"""Paces of networks and cells, and meters' addresses."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("headend", "0011_campaigns"),
        ("people", "0003_operatorkey"),
        ("registry", "0005_sim_shipments"),
    ]

    operations = [
        migrations.CreateModel(
            name="MeterReach",
            fields=[
                (
                    "meter",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="reach",
                        serialize=False,
                        to="registry.meter",
                    ),
                ),
                ("cell", models.CharField(blank=True, max_length=40)),
                ("host", models.CharField(blank=True, help_text="Empty: it has no IP", max_length=120)),
                ("port", models.PositiveIntegerField(default=4059)),
                ("wakes", models.BooleanField(default=False, help_text="Listens only after a wake-up SMS")),
                ("woken_at", models.DateTimeField(help_text="Machine time of the latest wake-up", null=True)),
                (
                    "sms_tries",
                    models.PositiveSmallIntegerField(
                        default=2, help_text="Frames by SMS before a command goes over IP"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("cell", ""), _negated=True), fields=["cell"], name="headend_reach_cell"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="NetworkPace",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "cell",
                    models.CharField(
                        blank=True, help_text="As the modem names it; empty: the whole network", max_length=40
                    ),
                ),
                ("frames_per_minute", models.PositiveIntegerField()),
                ("next_at", models.DateTimeField(help_text="Machine time up to which it is used", null=True)),
                (
                    "operator",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="people.organisation",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("operator", "cell"), name="headend_pace_once")],
            },
        ),
    ]
