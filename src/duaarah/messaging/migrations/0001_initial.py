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
            name="Message",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "dedupe",
                    models.CharField(help_text="What makes this message the same message", max_length=80, unique=True),
                ),
                ("phone", models.CharField(max_length=15)),
                ("source", models.CharField(help_text="Short code it comes from", max_length=15)),
                ("template", models.CharField(max_length=40)),
                ("language", models.CharField(choices=[("id", "Bahasa Indonesia"), ("en", "English")], max_length=2)),
                ("text", models.CharField(help_text="One GSM 03.38 segment, checked when it is built", max_length=320)),
                (
                    "message_class",
                    models.CharField(
                        choices=[
                            ("METER_FRAME", "Frame to a meter"),
                            ("METER_PUSH", "Push from a meter"),
                            ("METER_ANSWER", "A meter's answer to a frame"),
                            ("WARNING", "Low-credit or empty-credit warning"),
                            ("RECEIPT", "Receipt of a top-up, or its digits"),
                            ("REPLY", "Answer to a customer's question"),
                            ("NOTICE", "Outage or public-service notice"),
                            ("CUSTOMER_MO", "A customer's own SMS, charged to his phone"),
                            ("UNKNOWN_MO", "SMS that belongs to nobody we know"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "priority",
                    models.PositiveSmallIntegerField(
                        choices=[(0, "Token"), (1, "Reply"), (2, "Fault"), (3, "Low Credit"), (4, "Data")]
                    ),
                ),
                (
                    "bind_name",
                    models.CharField(
                        blank=True, help_text="The bind that brought the question, if one did", max_length=40
                    ),
                ),
                ("correlation", models.UUIDField(null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("QUEUED", "Waiting until it is due"),
                            ("HANDED", "A segment carries it"),
                            ("DROPPED", "No longer worth sending"),
                        ],
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField(help_text="Business time")),
                ("due_at", models.DateTimeField(help_text="Business time")),
                (
                    "meter",
                    models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to="registry.meter"),
                ),
                (
                    "segment",
                    models.OneToOneField(
                        null=True, on_delete=django.db.models.deletion.PROTECT, to="sms.outboundsegment"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "QUEUED")), fields=["priority", "id"], name="messaging_due"
                    ),
                    models.Index(fields=["phone", "id"], name="messaging_phone"),
                ],
            },
        ),
    ]
