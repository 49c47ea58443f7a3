# SPDX-License-Identifier: Apache-2.0
"""Tasks of the P2APST client: a row stands before a purchase leaves."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("vending", "0008_ledger"),
    ]

    operations = [
        migrations.CreateModel(
            name="P2APSTTask",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("request_id", models.UUIDField(unique=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("OPEN", "No purchase was sent"),
                            ("SENT", "A purchase may have been sent, its end is unknown"),
                            ("ISSUED", "P2APST has sold the token"),
                            ("REFUSED", "P2APST has said that there is no token"),
                        ],
                        default="OPEN",
                        max_length=8,
                    ),
                ),
                ("local_time", models.CharField(help_text="Field 12 of purchase and advices, WIB", max_length=14)),
                ("purchase", models.TextField(blank=True, help_text="The 2200 as it leaves; it names no token")),
                (
                    "code",
                    models.CharField(
                        blank=True, help_text="The last response code, or why there is none", max_length=40
                    ),
                ),
                ("advices", models.PositiveIntegerField(default=0, help_text="Advices and repeats that gave no end")),
                ("opened_at", models.DateTimeField(help_text="Business time")),
                ("sent_at", models.DateTimeField(help_text="Business time of the row, before the message", null=True)),
                ("closed_at", models.DateTimeField(help_text="Business time", null=True)),
                (
                    "busy_until_at",
                    models.DateTimeField(help_text="Machine time: one process asks at a time", null=True),
                ),
                (
                    "vend",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="vending.vend"
                    ),
                ),
            ],
            options={
                "db_table": "vending_p2apstask",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "SENT")), fields=["advices"], name="vending_p2apst_unknown"
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state__in", ["SENT", "ISSUED"]), _negated=True),
                            models.Q(models.Q(("purchase", ""), _negated=True), ("sent_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="vending_p2apst_row_before_send",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("closed_at", None), ("state__in", ["OPEN", "SENT"])),
                            models.Q(("closed_at__isnull", False), ("state__in", ["ISSUED", "REFUSED"])),
                            _connector="OR",
                        ),
                        name="vending_p2apst_closed_iff_ended",
                    ),
                ],
            },
        ),
    ]
