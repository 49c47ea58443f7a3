# SPDX-License-Identifier: Apache-2.0
"""Notices of outages: one row each, written before it is sent."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notices", "0004_auto_top_up"),
        ("outages", "0003_evidence"),
        ("people", "0003_operatorkey"),
        ("registry", "0007_network_and_total_meters"),
    ]

    operations = [
        migrations.CreateModel(
            name="OutageNotice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("phone", models.CharField(max_length=15)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("PADAM", "The supply is off"),
                            ("NYALA", "The supply is back"),
                            ("PLANNED", "Work is planned"),
                            ("CANCELLED", "Planned work is called off"),
                        ],
                        max_length=9,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("WAITING", "Waits for its turn"),
                            ("SENT", "Handed to the messenger"),
                            ("DROPPED", "Not sent: it was not true any more"),
                        ],
                        default="WAITING",
                        max_length=7,
                    ),
                ),
                ("created_at", models.DateTimeField(help_text="Business time")),
                ("due_at", models.DateTimeField(help_text="Business time")),
                ("sent_at", models.DateTimeField(help_text="Business time", null=True)),
                ("over_at", models.DateTimeField(help_text="Business time", null=True)),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.meter"
                    ),
                ),
                (
                    "operator",
                    models.ForeignKey(
                        help_text="Its pace is kept",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="people.organisation",
                    ),
                ),
                (
                    "outage",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notices",
                        to="outages.outage",
                    ),
                ),
                (
                    "planned",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notices",
                        to="outages.plannedoutage",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "WAITING")), fields=["due_at"], name="notices_outage_due"
                    ),
                    models.Index(fields=["meter", "id"], name="notices_outage_meter"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("outage__isnull", False), ("planned", None)),
                            models.Q(("outage", None), ("planned__isnull", False)),
                            _connector="OR",
                        ),
                        name="notices_outage_notice_of_one",
                    ),
                    models.UniqueConstraint(
                        fields=("outage", "planned", "meter", "phone", "kind"),
                        name="notices_outage_notice_once",
                        nulls_distinct=False,
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("kind", "PADAM"), ("over_at", None)),
                        fields=("meter", "phone"),
                        name="notices_padam_one_open",
                    ),
                ],
            },
        ),
    ]
