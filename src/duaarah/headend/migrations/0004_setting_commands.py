# SPDX-License-Identifier: Apache-2.0
"""A kind of command, and a kind of event, for settings from afar."""

from django.db import migrations, models

COMMANDS = [("LOAD_CREDIT", "Load a token"), ("SET_THRESHOLD", "Set the low-credit threshold")]
EVENTS = [
    ("LOW_CREDIT", "Low credit"),
    ("CREDIT_EXHAUSTED", "Credit exhausted, relay open"),
    ("TOKEN_RESULT", "Result of a token"),
    ("SETTING_RESULT", "Answer to a setting"),
    ("LAST_GASP", "Supply lost"),
    ("POWER_RESTORED", "Supply restored"),
    ("UNKNOWN", "A body that no profile describes"),
]


class Migration(migrations.Migration):
    dependencies = [("headend", "0003_no_truncate")]
    operations = [
        migrations.AlterField("command", "kind", models.CharField(choices=COMMANDS, max_length=20)),
        migrations.AlterField("meterevent", "kind", models.CharField(choices=EVENTS, max_length=20)),
    ]
