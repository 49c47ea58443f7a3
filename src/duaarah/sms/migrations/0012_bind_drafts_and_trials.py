# SPDX-License-Identifier: Apache-2.0
"""Binds are set up by people: proposals, trials, and a tariff that does its work (the service_type of a short code)."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("people", "0003_operatorkey"), ("sms", "0011_invoices_files_and_month_index")]

    operations = [
        # What stood there did nothing, and is no service_type.
        migrations.RunSQL("UPDATE sms_bind SET tariffs = '{}' WHERE tariffs <> '{}'", migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="bind",
            name="tariffs",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="Short code: the service_type of what leaves by it; else the one above",
            ),
        ),
        migrations.CreateModel(
            name="BindDraft",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("values", models.JSONField(help_text="As sms.bind_rules.FIELDS; never the password")),
                (
                    "password_wrapped",
                    models.BinaryField(default=b"", help_text="Empty: as before, or used up", max_length=200),
                ),
                (
                    "seen",
                    models.CharField(blank=True, help_text="Fingerprint of the bind that was looked at", max_length=64),
                ),
                ("state", models.CharField(choices=[("OPEN", "Open"), ("USED", "Used")], default="OPEN", max_length=4)),
                ("asked_by", models.CharField(help_text="Actor, as in the audit record", max_length=60)),
                ("asked_at", models.DateTimeField(help_text="Business time")),
                ("kept_from_at", models.DateTimeField(help_text="Machine time")),
                (
                    "bind",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="sms.bind"
                    ),
                ),
                (
                    "operator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.organisation"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="BindTrial",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="The bind's name: its password is wrapped for it", max_length=40)),
                ("host", models.CharField(max_length=120)),
                ("system_id", models.CharField(max_length=15)),
                ("values", models.JSONField()),
                ("password_wrapped", models.BinaryField(help_text="Empty once it is done", max_length=200)),
                (
                    "state",
                    models.CharField(
                        choices=[("ASKED", "Asked"), ("RUNNING", "Running"), ("DONE", "Done")],
                        default="ASKED",
                        max_length=7,
                    ),
                ),
                ("asked_by", models.CharField(max_length=60)),
                ("asked_at", models.DateTimeField(help_text="Business time")),
                ("queued_at", models.DateTimeField(help_text="Machine time")),
                ("lease_until_at", models.DateTimeField(help_text="Machine time", null=True)),
                ("ended_at", models.DateTimeField(help_text="Machine time", null=True)),
                (
                    "outcome",
                    models.CharField(blank=True, help_text="A code of net.smpp_trial, or lost, unheard", max_length=20),
                ),
                ("status", models.BigIntegerField(help_text="command_status of the refusal", null=True)),
                (
                    "took_ms",
                    models.PositiveIntegerField(help_text="From connecting to the answer of enquire_link", null=True),
                ),
                (
                    "peer",
                    models.CharField(blank=True, help_text="The system_id that the SMSC answers with", max_length=40),
                ),
                (
                    "deferred",
                    models.PositiveIntegerField(default=0, help_text="Incoming SMS put off with 0x64: they come again"),
                ),
                (
                    "bind",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="sms.bind"
                    ),
                ),
                (
                    "draft",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="trials",
                        to="sms.binddraft",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "DONE"), _negated=True), fields=["id"], name="sms_trial_open"
                    ),
                    models.Index(fields=["host", "system_id", "queued_at"], name="sms_trial_account"),
                ],
            },
        ),
    ]
