# SPDX-License-Identifier: Apache-2.0
"""A kind of command for the tokens of a key change."""

from django.db import migrations, models

COMMANDS = [
    ("LOAD_CREDIT", "Load a token"),
    ("LOAD_KEY", "Load a part of a new key"),
    ("SET_THRESHOLD", "Set the low-credit threshold"),
]


class Migration(migrations.Migration):
    dependencies = [("headend", "0004_setting_commands")]
    operations = [migrations.AlterField("command", "kind", models.CharField(choices=COMMANDS, max_length=20))]
