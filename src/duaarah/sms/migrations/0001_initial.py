# SPDX-License-Identifier: Apache-2.0
"""First schema."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("people", "0001_initial"),
        ("registry", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Bind",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=40, unique=True)),
                ("host", models.CharField(max_length=120)),
                ("port", models.PositiveIntegerField()),
                ("tls", models.BooleanField(default=False)),
                ("system_id", models.CharField(max_length=15)),
                ("password_wrapped", models.BinaryField(max_length=200)),
                ("address_range", models.CharField(blank=True, max_length=40)),
                (
                    "short_codes",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=8), size=None),
                ),
                ("window", models.PositiveSmallIntegerField(default=20)),
                ("tps_max", models.PositiveIntegerField(default=100)),
                ("enquire_link_s", models.PositiveSmallIntegerField(default=30)),
                ("response_timeout_s", models.PositiveSmallIntegerField(default=10)),
                ("active", models.BooleanField(default=True)),
                ("state", models.CharField(default="DOWN", max_length=20)),
                ("state_at", models.DateTimeField(null=True)),
                ("state_reason", models.CharField(blank=True, max_length=200)),
                ("operator", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="people.organisation")),
            ],
        ),
        migrations.CreateModel(
            name="InboundSms",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[("BINARY", "8-bit: a meter's frame"), ("TEXT", "Text: a person")], max_length=8
                    ),
                ),
                ("source", models.CharField(max_length=21)),
                ("destination", models.CharField(max_length=21)),
                ("data_coding", models.PositiveSmallIntegerField()),
                ("esm_class", models.PositiveSmallIntegerField()),
                ("payload", models.BinaryField(max_length=65536)),
                ("digest", models.BinaryField(help_text="Of everything that a redelivery repeats", max_length=32)),
                ("received_at", models.DateTimeField(help_text="Machine time")),
                ("arrived_at", models.DateTimeField(help_text="Business time")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("RECEIVED", "Waiting to be read"),
                            ("DONE", "Read and acted on"),
                            ("REFUSED", "Read and refused"),
                        ],
                        max_length=10,
                    ),
                ),
                ("lease_until_at", models.DateTimeField(help_text="Machine time", null=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("outcome", models.CharField(blank=True, max_length=60)),
                ("bind", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="sms.bind")),
            ],
        ),
        migrations.CreateModel(
            name="OutboundSegment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
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
                ("retry", models.BooleanField(default=False)),
                ("source", models.CharField(max_length=15)),
                ("destination", models.CharField(max_length=15)),
                ("data_coding", models.PositiveSmallIntegerField()),
                ("esm_class", models.PositiveSmallIntegerField(default=0)),
                ("payload", models.BinaryField(max_length=254)),
                ("validity_s", models.PositiveIntegerField()),
                ("registered", models.BooleanField()),
                ("correlation", models.UUIDField(null=True)),
                ("created_at", models.DateTimeField(help_text="Business time")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("QUEUED", "Waiting"),
                            ("SUBMITTING", "Handed to the link, no response yet"),
                            ("ACCEPTED", "Accepted by the SMSC"),
                            ("DELIVERED", "Delivered to the handset (network receipt)"),
                            ("FAILED", "Accepted, but the network could not deliver"),
                            ("REFUSED", "Refused by the SMSC for good"),
                            ("AMBIGUOUS", "Submitted, the response was lost"),
                            ("CANCELLED", "Given up before it was submitted"),
                        ],
                        max_length=12,
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("not_before_at", models.DateTimeField(help_text="Machine time")),
                ("lease_until_at", models.DateTimeField(help_text="Machine time", null=True)),
                ("submitted_at", models.DateTimeField(help_text="Machine time", null=True)),
                ("answered_at", models.DateTimeField(help_text="Machine time", null=True)),
                ("smsc_message_id", models.CharField(blank=True, max_length=65)),
                ("smsc_status", models.PositiveIntegerField(null=True)),
                ("bind", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="sms.bind")),
                (
                    "meter",
                    models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to="registry.meter"),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PackageEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("RESERVE", "Reserved at enqueue"),
                            ("SETTLE", "Accepted by the SMSC, or received from a handset"),
                            ("RELEASE", "Refused for good or cancelled: the reservation ends"),
                            ("HOLD", "Ambiguous: the reservation stays until it is decided"),
                        ],
                        max_length=8,
                    ),
                ),
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
                ("counts", models.BooleanField()),
                ("retry", models.BooleanField()),
                ("correlation", models.UUIDField(null=True)),
                ("at", models.DateTimeField(help_text="Business time")),
                ("month_date", models.DateField(help_text="First day of the package month, WIB")),
                (
                    "inbound",
                    models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to="sms.inboundsms"),
                ),
                (
                    "meter",
                    models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to="registry.meter"),
                ),
                (
                    "segment",
                    models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, to="sms.outboundsegment"),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PackageRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
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
                ("counts", models.BooleanField()),
                ("valid_from_date", models.DateField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("message_class", "valid_from_date"), name="sms_package_rule_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Receipt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "message_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=70), help_text="Canonical keys of the id", size=None
                    ),
                ),
                ("state", models.PositiveSmallIntegerField(help_text="SMPP message_state, 1 to 8")),
                ("error", models.CharField(blank=True, max_length=10)),
                ("text", models.CharField(blank=True, max_length=254)),
                ("received_at", models.DateTimeField(help_text="Machine time")),
                ("bind", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="sms.bind")),
                (
                    "segment",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="receipts",
                        to="sms.outboundsegment",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="inboundsms",
            index=models.Index(
                condition=models.Q(("state", "RECEIVED")), fields=["kind", "id"], name="sms_inbound_due"
            ),
        ),
        migrations.AddIndex(
            model_name="inboundsms",
            index=models.Index(fields=["bind", "digest"], name="sms_inbound_digest"),
        ),
        migrations.AddIndex(
            model_name="inboundsms",
            index=models.Index(fields=["source", "id"], name="sms_inbound_source"),
        ),
        migrations.AddIndex(
            model_name="outboundsegment",
            index=models.Index(
                condition=models.Q(("state", "QUEUED")), fields=["bind", "priority", "id"], name="sms_segment_due"
            ),
        ),
        migrations.AddIndex(
            model_name="outboundsegment",
            index=models.Index(
                condition=models.Q(("state", "SUBMITTING")), fields=["lease_until_at"], name="sms_segment_lease"
            ),
        ),
        migrations.AddIndex(
            model_name="outboundsegment",
            index=models.Index(
                condition=models.Q(("smsc_message_id", ""), _negated=True),
                fields=["bind", "smsc_message_id"],
                name="sms_segment_smsc_id",
            ),
        ),
        migrations.AddIndex(
            model_name="outboundsegment",
            index=models.Index(fields=["destination", "id"], name="sms_segment_destination"),
        ),
        migrations.AddIndex(
            model_name="packageentry",
            index=models.Index(fields=["meter", "month_date"], name="sms_package_meter_month"),
        ),
        migrations.AddConstraint(
            model_name="packageentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("segment", None), ("inbound", None), _connector="XOR"),
                name="sms_package_entry_one_source",
            ),
        ),
        migrations.AddConstraint(
            model_name="packageentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("segment", None), _negated=True),
                fields=("segment", "kind"),
                name="sms_package_segment_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="packageentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("inbound", None), _negated=True),
                fields=("inbound",),
                name="sms_package_inbound_once",
            ),
        ),
        migrations.AddIndex(
            model_name="receipt",
            index=models.Index(condition=models.Q(("segment", None)), fields=["bind", "id"], name="sms_receipt_parked"),
        ),
    ]
