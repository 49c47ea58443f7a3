# SPDX-License-Identifier: Apache-2.0
"""Campaigns and their meters."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("headend", "0010_pushes_over_ip"),
        ("registry", "0005_sim_shipments"),
    ]

    operations = [
        migrations.CreateModel(
            name="Campaign",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("title", models.CharField(max_length=80)),
                ("kind", models.CharField(help_text="An OrderKind, or the name of another deed", max_length=30)),
                ("values", models.JSONField(help_text="The order's fields")),
                ("chosen", models.JSONField(help_text="How its meters were chosen, as the form said it")),
                (
                    "unknown",
                    models.JSONField(
                        default=list, help_text="Numbers of the list that are no meter, the first hundred"
                    ),
                ),
                ("unknown_count", models.PositiveIntegerField(default=0)),
                ("reason", models.CharField(max_length=400)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("PLANNED", "Planned"),
                            ("RUNNING", "Running"),
                            ("PAUSED", "Paused"),
                            ("STOPPED", "Stopped"),
                            ("DONE", "Done"),
                        ],
                        max_length=8,
                    ),
                ),
                ("per_hour", models.PositiveIntegerField(help_text="Orders an hour at most")),
                ("in_flight_max", models.PositiveIntegerField(help_text="Orders without an outcome at most")),
                ("next_at", models.DateTimeField(help_text="Machine time before which no order may follow", null=True)),
                ("planned_at", models.DateTimeField(help_text="Business time")),
                ("planned_by", models.CharField(help_text="Actor, as in the audit record", max_length=60)),
                ("started_at", models.DateTimeField(help_text="Business time of the latest beginning", null=True)),
                ("closed_at", models.DateTimeField(help_text="Business time", null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "RUNNING")), fields=["id"], name="headend_campaign_running"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="CampaignItem",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("WAITING", "Waits for its turn"),
                            ("ORDERED", "Ordered, without an outcome"),
                            ("SETTLED", "Ordered, with an outcome"),
                            ("UNFIT", "Cannot be told this"),
                            ("LEFT", "Left out: the campaign was stopped"),
                        ],
                        max_length=7,
                    ),
                ),
                ("round", models.PositiveSmallIntegerField(default=0, help_text="How often it was tried again")),
                ("code", models.CharField(blank=True, help_text="Why it cannot be told", max_length=40)),
                (
                    "campaign",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="items",
                        to="headend.campaign",
                    ),
                ),
                (
                    "command",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="headend.command"
                    ),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="campaign_items", to="registry.meter"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["campaign", "state", "id"], name="headend_campaign_items")],
                "constraints": [
                    models.UniqueConstraint(fields=("campaign", "meter"), name="headend_campaign_meter_once")
                ],
            },
        ),
    ]
