# SPDX-License-Identifier: Apache-2.0
"""Orders to meters, and what a meter has confirmed of its relay and limits."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("headend", "0007_reporting_plans"),
        ("registry", "0003_delegations"),
    ]

    operations = [
        migrations.CreateModel(
            name="MeterState",
            fields=[
                (
                    "meter",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="ordered_state",
                        serialize=False,
                        to="registry.meter",
                    ),
                ),
                (
                    "held_open",
                    models.BooleanField(default=False, help_text="The relay as ordered from afar, whatever the credit"),
                ),
                (
                    "held_open_until_at",
                    models.DateTimeField(help_text="Business time; empty: until it is ordered closed", null=True),
                ),
                ("limit_w", models.PositiveIntegerField(null=True)),
                ("temporary_limit_w", models.PositiveIntegerField(null=True)),
                ("temporary_until_at", models.DateTimeField(help_text="Business time", null=True)),
                ("tariff", models.PositiveSmallIntegerField(null=True)),
                ("confirmed_at", models.DateTimeField(help_text="Business time of the latest confirmation")),
            ],
        ),
        migrations.AlterField(
            model_name="command",
            name="kind",
            field=models.CharField(
                choices=[
                    ("LOAD_CREDIT", "Load a token"),
                    ("LOAD_KEY", "Load a part of a new key"),
                    ("SET_THRESHOLD", "Set the low-credit threshold"),
                    ("SET_PLAN", "Set the reporting plan"),
                    ("RELAY_OPEN", "Switch off"),
                    ("RELAY_CLOSE", "Switch on"),
                    ("POWER_LIMIT", "Set the power limit"),
                    ("TEMPORARY_SUPPLY", "Temporary supply"),
                    ("TEMPORARY_DISCONNECT", "Switch off for a time"),
                    ("CLEAR_TAMPER", "Clear tamper"),
                    ("CLEAR_CREDIT", "Clear the credit"),
                    ("TARIFF", "Set the tariff index"),
                    ("CLOCK", "Set the clock"),
                    ("PUSH_NOW", "Read now"),
                ],
                max_length=20,
            ),
        ),
    ]
