# SPDX-License-Identifier: Apache-2.0
"""A kind of event for the register blocks of a reporting plan."""

from django.db import migrations, models

EVENTS = [
    ("LOW_CREDIT", "Low credit"),
    ("CREDIT_EXHAUSTED", "Credit exhausted, relay open"),
    ("TOKEN_RESULT", "Result of a token"),
    ("SETTING_RESULT", "Answer to a setting"),
    ("LAST_GASP", "Supply lost"),
    ("POWER_RESTORED", "Supply restored"),
    ("DATA_BLOCK", "Register block"),
    ("UNKNOWN", "A body that no profile describes"),
]


class Migration(migrations.Migration):
    dependencies = [("headend", "0005_key_commands")]
    operations = [migrations.AlterField("meterevent", "kind", models.CharField(choices=EVENTS, max_length=20))]
