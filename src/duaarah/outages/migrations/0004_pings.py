# SPDX-License-Identifier: Apache-2.0
"""Questions to meters whether they have supply."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("headend", "0018_kinds"),
        ("outages", "0003_evidence"),
        ("registry", "0007_network_and_total_meters"),
    ]

    operations = [
        migrations.CreateModel(
            name="Ping",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("why", models.CharField(help_text="core.outage.Ask: lone_gasp, silent", max_length=12)),
                ("about_at", models.DateTimeField(help_text="Meter's time of the gasp, or since when it is quiet")),
                ("wanted_at", models.DateTimeField(help_text="Business time")),
                ("asked_at", models.DateTimeField(help_text="Business time", null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("WANTED", "To be asked"),
                            ("ASKED", "Asked, no outcome yet"),
                            ("ANSWERED", "It answered: it has supply"),
                            ("LOST", "Its frame went out, no answer came"),
                            ("UNASKED", "Never sent: it says nothing"),
                        ],
                        max_length=8,
                    ),
                ),
                ("closed_at", models.DateTimeField(help_text="Business time", null=True)),
                (
                    "command",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="headend.command",
                    ),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="pings",
                        to="registry.meter",
                    ),
                ),
                (
                    "node",
                    models.ForeignKey(
                        help_text="Its transformer",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="registry.networknode",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["WANTED", "ASKED"])),
                        fields=["state", "id"],
                        name="outages_ping_open",
                    ),
                    models.Index(fields=["meter", "id"], name="outages_ping_meter"),
                    models.Index(fields=["closed_at"], name="outages_ping_closed"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ["WANTED", "ASKED"])),
                        fields=("meter",),
                        name="outages_one_ping_open",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "ASKED"), _negated=True),
                            models.Q(("asked_at__isnull", False), ("command__isnull", False)),
                            _connector="OR",
                        ),
                        name="outages_ping_asked_by_command",
                    ),
                ],
            },
        ),
    ]
