# SPDX-License-Identifier: Apache-2.0
"""Pushes over IP: a row each, refusals as counts; an event names the SMS or the frame that carried it."""

import django.db.models.deletion
from django.db import migrations, models

SQL = """
ALTER TABLE headend_inboundframe ALTER COLUMN raw SET STORAGE EXTERNAL, ALTER COLUMN apdu SET STORAGE EXTERNAL;
CREATE TRIGGER headend_frame_wake AFTER INSERT ON headend_inboundframe
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_wake('push');
"""


class Migration(migrations.Migration):
    dependencies = [
        ("headend", "0009_shipments"),
        ("registry", "0005_sim_shipments"),
        ("sms", "0012_bind_drafts_and_trials"),
    ]

    operations = [
        migrations.AlterField(
            model_name="meterevent",
            name="inbound",
            field=models.ForeignKey(
                db_index=False,
                help_text="The SMS that carried it, or",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="sms.inboundsms",
            ),
        ),
        migrations.CreateModel(
            name="GatewayRefusal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("hour_at", models.DateTimeField(help_text="Machine time, the hour's begin")),
                ("bearer", models.CharField(choices=[("TCP", "TCP"), ("UDP", "UDP")], max_length=4)),
                (
                    "address",
                    models.CharField(help_text="Without port; `*` for those past the hour's limit", max_length=45),
                ),
                ("code", models.CharField(max_length=40)),
                ("count", models.PositiveIntegerField()),
                ("latest_at", models.DateTimeField(help_text="Machine time")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("hour_at", "bearer", "address", "code"), name="headend_refusal_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="InboundFrame",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("bearer", models.CharField(choices=[("TCP", "TCP"), ("UDP", "UDP")], max_length=4)),
                ("framing", models.CharField(help_text="wrapper or hdlc", max_length=8)),
                (
                    "peer",
                    models.CharField(
                        help_text="Address and port it came from; says nothing about whose it is", max_length=60
                    ),
                ),
                ("raw", models.BinaryField(help_text="As it came, framing and all")),
                (
                    "apdu",
                    models.BinaryField(
                        help_text="The ciphered APDU in it; empty where `raw` ends with it, from `apdu_at` on"
                    ),
                ),
                ("apdu_at", models.PositiveSmallIntegerField(null=True)),
                ("digest", models.BinaryField(help_text="Of the ciphered APDU", max_length=16)),
                (
                    "confirm_counter",
                    models.BigIntegerField(help_text="Ours, under which it was confirmed", null=True),
                ),
                ("received_at", models.DateTimeField(help_text="Machine time")),
                ("arrived_at", models.DateTimeField(help_text="Business time")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("RECEIVED", "Waiting to be read"),
                            ("DONE", "Read and acted on"),
                            ("REFUSED", "Read and refused"),
                            ("FAILED", "Tried too often; a person looks"),
                        ],
                        max_length=10,
                    ),
                ),
                ("lease_until_at", models.DateTimeField(help_text="Machine time", null=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("outcome", models.CharField(blank=True, max_length=60)),
                (
                    "meter",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="registry.meter"),
                ),
            ],
        ),
        migrations.AddField(
            model_name="meterevent",
            name="frame",
            field=models.ForeignKey(
                db_index=False,
                help_text="the frame over IP",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="headend.inboundframe",
            ),
        ),
        migrations.AddConstraint(
            model_name="meterevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("frame__isnull", False), ("inbound__isnull", True)),
                    models.Q(("frame__isnull", True), ("inbound__isnull", False)),
                    _connector="OR",
                ),
                name="headend_event_one_bearer",
            ),
        ),
        migrations.AddIndex(
            model_name="inboundframe",
            index=models.Index(condition=models.Q(("state", "RECEIVED")), fields=["id"], name="headend_frame_due"),
        ),
        migrations.AddIndex(
            model_name="inboundframe",
            index=models.Index(fields=["meter", "id"], name="headend_frame_meter"),
        ),
        migrations.AddIndex(
            model_name="inboundframe",
            index=models.Index(condition=models.Q(("state", "FAILED")), fields=["id"], name="headend_frame_failed"),
        ),
        migrations.AddConstraint(
            model_name="inboundframe",
            constraint=models.UniqueConstraint(fields=("meter", "digest"), name="headend_frame_once"),
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
                    ("DAY_SUMMARY", "Send a day's summary again"),
                ],
                max_length=20,
            ),
        ),
        # What is ciphered does not compress.
        migrations.RunSQL(SQL, "DROP TRIGGER headend_frame_wake ON headend_inboundframe"),
    ]
