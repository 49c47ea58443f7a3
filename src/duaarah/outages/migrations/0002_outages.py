# SPDX-License-Identifier: Apache-2.0
"""Outages on the supply tree, customers' interruptions, the calendar of planned work."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("outages", "0001_initial"),
        ("registry", "0007_network_and_total_meters"),
    ]

    operations = [
        migrations.AlterField(
            model_name="metersupply",
            name="state",
            field=models.CharField(
                choices=[
                    ("NYALA", "Supply on"),
                    ("PADAM", "Grid outage"),
                    ("STROOM_HABIS", "Credit exhausted, relay open"),
                    ("MODEM_DIAM", "Silent: nothing is known of its supply"),
                ],
                max_length=20,
            ),
        ),
        migrations.CreateModel(
            name="PlannedOutage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("begin_at", models.DateTimeField(help_text="Business time")),
                ("end_at", models.DateTimeField(help_text="Business time")),
                ("reason", models.CharField(max_length=200)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("DRAFT", "Draft"),
                            ("ANNOUNCED", "Customers are told"),
                            ("CANCELLED", "Called off"),
                            ("DONE", "Over"),
                        ],
                        default="DRAFT",
                        max_length=10,
                    ),
                ),
                ("asked_by", models.CharField(help_text="Actor, as in the audit record", max_length=60)),
                ("asked_at", models.DateTimeField(help_text="Business time")),
                ("announced_at", models.DateTimeField(help_text="Business time", null=True)),
                ("told", models.PositiveIntegerField(default=0, help_text="Customers to whom a notice was queued")),
                (
                    "node",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="planned_outages",
                        to="registry.networknode",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Outage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "level",
                    models.CharField(
                        choices=[
                            ("METER", "One meter"),
                            ("TRANSFORMER", "Transformer"),
                            ("FEEDER", "Feeder"),
                            ("SUBSTATION", "Substation"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("SUSPECTED", "Suspected: silence alone"),
                            ("DECLARED", "Declared"),
                            ("CLOSED", "Supply is back"),
                            ("WITHDRAWN", "It was none, as later logs said"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("UNPLANNED", "Fault"),
                            ("PLANNED", "Planned work"),
                            ("SUPPLY", "Loss of supply from above"),
                            ("FORCE_MAJEURE", "Force majeure"),
                        ],
                        default="UNPLANNED",
                        max_length=14,
                    ),
                ),
                ("began_at", models.DateTimeField(help_text="Meters' time: the physical begin as best known")),
                ("ended_at", models.DateTimeField(help_text="Meters' time", null=True)),
                ("known_at", models.DateTimeField(help_text="Business time at which the first word of it was here")),
                ("declared_at", models.DateTimeField(help_text="Business time", null=True)),
                ("closed_at", models.DateTimeField(help_text="Business time", null=True)),
                (
                    "estimated_end_at",
                    models.DateTimeField(help_text="What customers are told, if an operator gave it", null=True),
                ),
                (
                    "affected",
                    models.PositiveIntegerField(default=0, help_text="Customers below it that are or were off"),
                ),
                ("evidence", models.JSONField(default=dict, help_text="Counts: gasps, silent, alive, restores, logs")),
                ("wide", models.BooleanField(default=False, help_text="Declared wide: notices are paced")),
                (
                    "meter",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="outages",
                        to="registry.meter",
                    ),
                ),
                (
                    "node",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="outages",
                        to="registry.networknode",
                    ),
                ),
                (
                    "planned",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="outages",
                        to="outages.plannedoutage",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Interruption",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("began_at", models.DateTimeField(help_text="Meter's time")),
                ("ended_at", models.DateTimeField(help_text="Meter's time; empty: still off", null=True)),
                (
                    "known_at",
                    models.DateTimeField(
                        help_text="Business time at which the utility knew of it (Permen ESDM 2/2025)"
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("MESSAGE", "Last gasp and restore"),
                            ("INFERRED", "Inferred from its node"),
                            ("LOG", "The meter's own log of power failures: final"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("UNPLANNED", "Fault"),
                            ("PLANNED", "Planned work"),
                            ("SUPPLY", "Loss of supply from above"),
                            ("FORCE_MAJEURE", "Force majeure"),
                        ],
                        default="UNPLANNED",
                        max_length=14,
                    ),
                ),
                (
                    "excluded",
                    models.CharField(
                        blank=True, default="", help_text="Why it is left out, by an audited deed", max_length=200
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1)),
                ("recorded_at", models.DateTimeField(help_text="Business time of this version")),
                (
                    "superseded_at",
                    models.DateTimeField(help_text="Business time; empty: this version counts", null=True),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="interruptions", to="registry.meter"
                    ),
                ),
                (
                    "outage",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="interruptions",
                        to="outages.outage",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["began_at"], name="outages_interruption_begin"),
                    models.Index(fields=["meter", "began_at"], name="outages_interruption_meter"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("superseded_at__isnull", True)),
                        fields=("meter", "began_at"),
                        name="outages_interruption_current",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("ended_at", None), ("ended_at__gte", models.F("began_at")), _connector="OR"
                        ),
                        name="outages_interruption_span",
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="plannedoutage",
            constraint=models.CheckConstraint(
                condition=models.Q(("end_at__gt", models.F("begin_at"))), name="outages_planned_span"
            ),
        ),
        migrations.AddIndex(
            model_name="outage",
            index=models.Index(fields=["state", "began_at"], name="outages_outage_state"),
        ),
        migrations.AddIndex(
            model_name="outage",
            index=models.Index(fields=["node", "began_at"], name="outages_outage_node"),
        ),
        migrations.AddConstraint(
            model_name="outage",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("level", "METER"), ("meter__isnull", False), ("node", None)),
                    models.Q(models.Q(("level", "METER"), _negated=True), ("meter", None), ("node__isnull", False)),
                    _connector="OR",
                ),
                name="outages_outage_of_one",
            ),
        ),
    ]
