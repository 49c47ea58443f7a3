# SPDX-License-Identifier: Apache-2.0
"""Kinds of event for all that meters tell, the modem's own word, and the list of missing counters."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models

EVENTS = [
    ("LOW_CREDIT", "Low credit"),
    ("CREDIT_EXHAUSTED", "Credit exhausted, relay open"),
    ("TOKEN_RESULT", "Result of a token"),
    ("SETTING_RESULT", "Answer to a setting"),
    ("LAST_GASP", "Supply lost"),
    ("POWER_RESTORED", "Supply restored"),
    ("DATA_BLOCK", "Register block"),
    ("DAILY_SUMMARY", "Summary of a day"),
    ("RELAY_STATE", "Relay"),
    ("TAMPER", "Tamper"),
    ("OVERLOAD", "Overload"),
    ("VOLTAGE", "Voltage sag or swell"),
    ("POWER_LOG", "Log of power failures"),
    ("MODEM_STATUS", "Modem status"),
    ("LOAD_PROFILE", "Load profile"),
    ("UNKNOWN", "A body that no profile describes"),
]
METER: dict[str, Any] = {"on_delete": django.db.models.deletion.PROTECT, "to": "registry.meter"}


class Migration(migrations.Migration):
    dependencies = [("headend", "0016_lines_and_firmware"), ("readings", "0001_initial")]
    operations = [
        migrations.AlterField("meterevent", "kind", models.CharField(choices=EVENTS, max_length=20)),
        migrations.CreateModel(
            name="MeterStatus",
            fields=[
                (
                    "meter",
                    models.OneToOneField(primary_key=True, related_name="modem_status", serialize=False, **METER),
                ),
                ("signal_dbm", models.SmallIntegerField(null=True)),
                ("cell", models.CharField(max_length=40, null=True)),
                ("network", models.CharField(max_length=40, null=True)),
                ("firmware", models.CharField(max_length=40, null=True)),
                ("resets", models.BigIntegerField(null=True)),
                ("counter", models.BigIntegerField(help_text="The frame that said so")),
                ("reported_at", models.DateTimeField(help_text="Business time of its arrival")),
            ],
        ),
        migrations.CreateModel(
            name="CounterGap",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("first", models.BigIntegerField()),
                ("last", models.BigIntegerField()),
                ("noted_at", models.DateTimeField(help_text="Business time at which a later frame came")),
                (
                    "closed_at",
                    models.DateTimeField(help_text="Business time at which the late frame came", null=True),
                ),
                ("meter", models.ForeignKey(db_index=False, related_name="counter_gaps", **METER)),
            ],
            options={
                "indexes": [models.Index(fields=["meter", "first"], name="headend_gap_meter")],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(first__lte=models.F("last")), name="headend_gap_in_order")
                ],
            },
        ),
        migrations.AddField(
            "invocationcounter",
            "balance_counter",
            models.BigIntegerField(db_default=0, default=0, help_text="The frame of that report"),
        ),
        migrations.RunSQL(
            "UPDATE headend_invocationcounter SET balance_counter = from_meter_highest WHERE balance_wh IS NOT NULL",
            migrations.RunSQL.noop,
        ),
    ]
