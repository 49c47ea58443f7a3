# SPDX-License-Identifier: Apache-2.0
"""A kind of command for reporting plans from afar, and a kind of event for the daily summaries of the bought package."""

from django.db import migrations, models

COMMANDS = [
    ("LOAD_CREDIT", "Load a token"),
    ("LOAD_KEY", "Load a part of a new key"),
    ("SET_THRESHOLD", "Set the low-credit threshold"),
    ("SET_PLAN", "Set the reporting plan"),
]
EVENTS = [
    ("LOW_CREDIT", "Low credit"),
    ("CREDIT_EXHAUSTED", "Credit exhausted, relay open"),
    ("TOKEN_RESULT", "Result of a token"),
    ("SETTING_RESULT", "Answer to a setting"),
    ("LAST_GASP", "Supply lost"),
    ("POWER_RESTORED", "Supply restored"),
    ("DATA_BLOCK", "Register block"),
    ("DAILY_SUMMARY", "Summary of a day"),
    ("UNKNOWN", "A body that no profile describes"),
]


class Migration(migrations.Migration):
    dependencies = [("headend", "0006_data_blocks")]
    operations = [
        migrations.AlterField("command", "kind", models.CharField(choices=COMMANDS, max_length=20)),
        migrations.AlterField("meterevent", "kind", models.CharField(choices=EVENTS, max_length=20)),
    ]
