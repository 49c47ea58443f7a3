# SPDX-License-Identifier: Apache-2.0
"""Attempts over IP, what was read back and read."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("headend", "0012_paces_and_reach"),
        ("registry", "0005_sim_shipments"),
        ("sms", "0012_bind_drafts_and_trials"),
    ]

    operations = [
        migrations.AddField(
            model_name="attempt",
            name="bearer",
            field=models.CharField(
                choices=[
                    ("SMS", "SMS"),
                    ("WAKE", "Wake-up SMS"),
                    ("IP", "IP"),
                ],
                db_default="SMS",
                default="SMS",
                max_length=4,
            ),
        ),
        migrations.AddField(
            model_name="meterstate",
            name="read_back_at",
            field=models.DateTimeField(help_text="Business time at which the meter was asked how it is", null=True),
        ),
        migrations.AddField(
            model_name="meterstate",
            name="read_back_closed",
            field=models.BooleanField(help_text="The relay as the meter itself reads it", null=True),
        ),
        migrations.AddField(
            model_name="meterstate",
            name="read_back_limit_w",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name="attempt",
            name="counter",
            field=models.BigIntegerField(help_text="Of a session: the first that was kept for it"),
        ),
        # The table is partitioned: its foreign key stays as it is, only NOT NULL goes.
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "ALTER TABLE headend_attempt ALTER COLUMN segment_id DROP NOT NULL",
                    migrations.RunSQL.noop,
                )
            ],
            state_operations=[
                migrations.AlterField(
                    model_name="attempt",
                    name="segment",
                    field=models.ForeignKey(
                        db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, to="sms.outboundsegment"
                    ),
                )
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
                    ("READ_METER", "Read over IP"),
                    ("READ_PROFILE", "Read the load profile over IP"),
                ],
                max_length=20,
            ),
        ),
        migrations.CreateModel(
            name="MeterRead",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("read_at", models.DateTimeField(help_text="Business time")),
                ("values", models.JSONField(help_text="By name, whole numbers in the unit that ends it")),
                ("rows", models.JSONField(help_text="Of the load profile: [instant, {name: value}]")),
                (
                    "command",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="read", to="headend.command"
                    ),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reads",
                        to="registry.meter",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["meter", "id"], name="headend_read_meter")],
            },
        ),
    ]
