# SPDX-License-Identifier: Apache-2.0
"""All kinds of command that there are."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("headend", "0017_reports"),
    ]

    operations = [
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
                    ("DAY_SUMMARY", "Send a day's summary again"),
                    ("ROTATE_KEYS", "Load new DLMS keys"),
                    ("PROVE_KEYS", "Ask under the new DLMS keys"),
                    ("READ_METER", "Read over IP"),
                    ("READ_PROFILE", "Read the load profile over IP"),
                ],
                max_length=20,
            ),
        ),
    ]
