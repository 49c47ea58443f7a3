# SPDX-License-Identifier: Apache-2.0
"""First schema."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("registry", "0001_initial"),
        ("sms", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="InvocationCounter",
            fields=[
                (
                    "meter",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="invocation_counter",
                        serialize=False,
                        to="registry.meter",
                    ),
                ),
                ("to_meter_latest", models.BigIntegerField(default=0)),
                ("from_meter_highest", models.BigIntegerField(default=0)),
                (
                    "from_meter_bitmap",
                    models.BinaryField(
                        default=b"\x00\x00\x00\x00\x00\x00\x00\x00",
                        help_text="The 64 counters below, big-endian",
                        max_length=8,
                    ),
                ),
                ("gaps", models.PositiveIntegerField(default=0)),
                ("latest_contact_at", models.DateTimeField(help_text="Business time", null=True)),
                ("balance_wh", models.BigIntegerField(help_text="Credit as last reported", null=True)),
                ("balance_at", models.DateTimeField(help_text="Business time of that report's arrival", null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Command",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("request_id", models.UUIDField(unique=True)),
                ("kind", models.CharField(choices=[("LOAD_CREDIT", "Load a token")], max_length=20)),
                ("payload", models.JSONField(help_text="The intent's fields")),
                ("priority", models.PositiveSmallIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("QUEUED", "Waiting for its turn"),
                            ("SENT", "Frame under way, lease open"),
                            ("ACKED", "Executed: the meter said so"),
                            ("REJECTED", "Refused by the meter"),
                            ("EXPIRED", "Given up: no answer in time"),
                            ("CANCELLED", "Withdrawn before it was sent"),
                        ],
                        max_length=10,
                    ),
                ),
                ("correlation", models.UUIDField()),
                ("created_at", models.DateTimeField(help_text="Business time")),
                ("expires_at", models.DateTimeField(help_text="Business time")),
                ("closed_at", models.DateTimeField(help_text="Business time", null=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("attempts_max", models.PositiveSmallIntegerField()),
                ("not_before_at", models.DateTimeField(help_text="Machine time")),
                ("leased_at", models.DateTimeField(help_text="Machine time", null=True)),
                ("lease_until_at", models.DateTimeField(help_text="Machine time", null=True)),
                (
                    "result",
                    models.CharField(blank=True, help_text="The meter's word, by the standard's name", max_length=20),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="commands", to="registry.meter"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("counter", models.BigIntegerField()),
                ("started_at", models.DateTimeField(help_text="Machine time; the partition key")),
                (
                    "meter",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="registry.meter"),
                ),
                (
                    "segment",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="sms.outboundsegment"
                    ),
                ),
                (
                    "command",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attempt_rows",
                        to="headend.command",
                    ),
                ),
            ],
            options={
                "managed": True,
            },
        ),
        migrations.CreateModel(
            name="MeterEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("LOW_CREDIT", "Low credit"),
                            ("CREDIT_EXHAUSTED", "Credit exhausted, relay open"),
                            ("TOKEN_RESULT", "Result of a token"),
                            ("LAST_GASP", "Supply lost"),
                            ("POWER_RESTORED", "Supply restored"),
                            ("UNKNOWN", "A body that no profile describes"),
                        ],
                        max_length=20,
                    ),
                ),
                ("counter", models.BigIntegerField(help_text="The meter's invocation counter, authenticated")),
                ("meter_at", models.DateTimeField(help_text="The meter's clock", null=True)),
                ("arrived_at", models.DateTimeField(help_text="Business time")),
                ("recorded_at", models.DateTimeField(help_text="Machine time; the partition key")),
                ("data", models.JSONField()),
                (
                    "inbound",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="sms.inboundsms"),
                ),
                (
                    "meter",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, to="registry.meter"),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="command",
            index=models.Index(
                condition=models.Q(("state", "QUEUED")), fields=["priority", "id"], name="headend_command_due"
            ),
        ),
        migrations.AddIndex(
            model_name="command",
            index=models.Index(
                condition=models.Q(("state", "SENT")), fields=["lease_until_at"], name="headend_command_lease"
            ),
        ),
        migrations.AddIndex(
            model_name="command",
            index=models.Index(fields=["meter", "id"], name="headend_command_meter"),
        ),
        migrations.AddConstraint(
            model_name="command",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "SENT")), fields=("meter",), name="headend_one_in_flight"
            ),
        ),
        migrations.AddConstraint(
            model_name="command",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("lease_until_at__isnull", False), ("state", "SENT")),
                    models.Q(models.Q(("state", "SENT"), _negated=True), ("lease_until_at", None)),
                    _connector="OR",
                ),
                name="headend_lease_only_while_sent",
            ),
        ),
        migrations.AddIndex(
            model_name="attempt",
            index=models.Index(fields=["meter", "counter"], name="headend_attempt_counter"),
        ),
        migrations.AddIndex(
            model_name="attempt",
            index=models.Index(fields=["command"], name="headend_attempt_command"),
        ),
        migrations.AddIndex(
            model_name="meterevent",
            index=models.Index(fields=["meter", "id"], name="headend_event_meter"),
        ),
        migrations.AddIndex(
            model_name="meterevent",
            index=models.Index(fields=["kind", "id"], name="headend_event_kind"),
        ),
    ]
