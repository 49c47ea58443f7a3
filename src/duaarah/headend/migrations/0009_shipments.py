# SPDX-License-Identifier: Apache-2.0
"""Makers, shipments and their rows."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("headend", "0008_orders"),
    ]

    operations = [
        migrations.CreateModel(
            name="Maker",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=20, unique=True)),
                ("name", models.CharField(max_length=120)),
                ("transport_key_wrapped", models.BinaryField(blank=True, default=b"", max_length=200)),
                ("transport_key_at", models.DateTimeField(help_text="Business time", null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Shipment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("file_name", models.CharField(max_length=200)),
                ("digest", models.BinaryField(help_text="SHA-256 of the file", max_length=32)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("READ", "Read and checked, not taken up"),
                            ("TAKEN", "Taken up"),
                            ("DISCARDED", "Discarded"),
                        ],
                        max_length=10,
                    ),
                ),
                ("rows", models.PositiveIntegerField()),
                ("wrong", models.PositiveIntegerField(help_text="Rows with a fault")),
                ("taken", models.PositiveIntegerField(default=0, help_text="Meters that came of it")),
                ("keys_clear", models.BooleanField(help_text="Its keys came unwrapped")),
                ("read_at", models.DateTimeField(help_text="Business time")),
                ("read_by", models.CharField(help_text="Actor, as in the audit record", max_length=60)),
                ("closed_at", models.DateTimeField(help_text="Business time", null=True)),
                ("closed_by", models.CharField(blank=True, max_length=60)),
                (
                    "maker",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="shipments", to="headend.maker"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ShipmentRow",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("row", models.PositiveIntegerField(help_text="As a spreadsheet counts")),
                ("drn", models.CharField(blank=True, max_length=20)),
                ("fine", models.BooleanField()),
                ("faults", models.JSONField(default=list, help_text="[{column, code, message}]")),
                ("meter", models.JSONField(default=dict, help_text="What is no secret of the meter")),
                ("system_title", models.BinaryField(max_length=8, null=True)),
                ("keys_wrapped", models.BinaryField(default=b"", max_length=200)),
                (
                    "shipment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="lines", to="headend.shipment"
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="shipment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "DISCARDED"), _negated=True),
                fields=("maker", "digest"),
                name="headend_shipment_once",
            ),
        ),
        migrations.AddIndex(
            model_name="shipmentrow",
            index=models.Index(fields=["shipment", "fine", "row"], name="headend_shipment_fine"),
        ),
        migrations.AddConstraint(
            model_name="shipmentrow",
            constraint=models.UniqueConstraint(fields=("shipment", "row"), name="headend_shipment_row"),
        ),
    ]
