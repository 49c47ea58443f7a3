# SPDX-License-Identifier: Apache-2.0
"""New DLMS keys of meters, and which keys a counter and a frame belong to."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("headend", "0014_bundles"),
        ("people", "0003_operatorkey"),
        ("registry", "0005_sim_shipments"),
    ]

    operations = [
        migrations.AddField(
            model_name="attempt",
            name="key_number",
            field=models.PositiveSmallIntegerField(db_default=0, help_text="Of the keys that it was sealed with"),
        ),
        migrations.AddField(
            model_name="invocationcounter",
            name="key_number",
            field=models.PositiveSmallIntegerField(db_default=0, help_text="Of the keys that these counters belong to"),
        ),
        migrations.AddField(
            model_name="invocationcounter",
            name="keys_begin",
            field=models.BinaryField(
                help_text="How the wrapped keys begin, once they were changed here", max_length=12, null=True
            ),
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
                    ("ROTATE_KEYS", "Load new DLMS keys"),
                    ("PROVE_KEYS", "Ask under the new DLMS keys"),
                ],
                max_length=20,
            ),
        ),
        migrations.CreateModel(
            name="KeyRotation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("request_id", models.UUIDField(unique=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("ORDERED", "Ordered, nothing sent yet"),
                            ("SENDING", "Sent: the meter may have either key"),
                            ("TRANSFERRED", "The meter says it has the new keys"),
                            ("SILENT", "No answer: both keys are tried"),
                            ("PROVEN", "In force: the meter has used the new keys"),
                            ("REFUSED", "Refused by the meter, the old keys stay"),
                            ("WITHDRAWN", "Withdrawn before anything was sent"),
                        ],
                        max_length=12,
                    ),
                ),
                ("number", models.PositiveSmallIntegerField(help_text="Of the new keys; the factory's are 0")),
                ("keys_wrapped", models.BinaryField(default=b"", max_length=200)),
                (
                    "to_meter_latest",
                    models.BigIntegerField(default=0, help_text="Our counter under the new keys, until in force"),
                ),
                ("old_keys_wrapped", models.BinaryField(default=b"", max_length=200)),
                ("old_number", models.PositiveSmallIntegerField(default=0)),
                ("old_from_highest", models.BigIntegerField(default=0)),
                ("old_from_bitmap", models.BinaryField(default=b"\x00\x00\x00\x00\x00\x00\x00\x00", max_length=8)),
                ("old_until_at", models.DateTimeField(help_text="Business time", null=True)),
                ("reason", models.CharField(max_length=400)),
                ("ordered_by", models.CharField(help_text="Actor, as in the audit record", max_length=60)),
                ("ordered_at", models.DateTimeField(help_text="Business time")),
                ("closed_at", models.DateTimeField(help_text="Business time", null=True)),
                (
                    "result",
                    models.CharField(blank=True, help_text="The meter's word, by the standard's name", max_length=40),
                ),
                ("correlation", models.UUIDField()),
                (
                    "approval",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.approval"
                    ),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="key_rotations", to="registry.meter"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ["ORDERED", "SENDING", "TRANSFERRED", "SILENT"])),
                        fields=("meter",),
                        name="headend_rotation_one_open",
                    ),
                    models.UniqueConstraint(fields=("meter", "number"), name="headend_rotation_number"),
                ],
            },
        ),
    ]
