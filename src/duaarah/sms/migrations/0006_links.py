# SPDX-License-Identifier: Apache-2.0
"""A bind's whole configuration as data, ids as receipts are matched, parts of long SMS, what ambiguity means per class."""

import django.db.models.deletion
from django.db import migrations, models

SQL = """
UPDATE sms_outboundsegment SET message_key = coalesce(nullif(ltrim(lower(smsc_message_id), '0'), ''), '0')
WHERE smsc_message_id <> '';
INSERT INTO sms_ambiguityrule (message_class, action) VALUES
    ('METER_FRAME', 'COMMAND'), ('RECEIPT', 'ONCE_MORE'), ('WARNING', 'LIST'), ('REPLY', 'LIST'), ('NOTICE', 'LIST');
"""


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0001_initial"),
        ("sms", "0005_operators_lists"),
    ]

    operations = [
        migrations.CreateModel(
            name="AmbiguityRule",
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
                        unique=True,
                    ),
                ),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("LIST", "A person decides"),
                            ("ONCE_MORE", "Sent once more, marked as a retry"),
                            ("COMMAND", "Its command sends a new frame under a new counter"),
                        ],
                        max_length=10,
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="bind",
            name="attempts_max",
            field=models.PositiveSmallIntegerField(default=5, help_text="Of statuses 0x08 and 0x45"),
        ),
        migrations.AddField(
            model_name="bind",
            name="bind_group",
            field=models.CharField(blank=True, help_text="Binds that share receipts; empty: by itself", max_length=40),
        ),
        migrations.AddField(
            model_name="bind",
            name="bind_refusals_max",
            field=models.PositiveSmallIntegerField(default=5, help_text="One after another, then the bind stops"),
        ),
        migrations.AddField(
            model_name="bind",
            name="default_alphabet",
            field=models.CharField(
                choices=[("GSM", "GSM 03.38, one octet a character"), ("LATIN1", "Latin-1 or ASCII")],
                default="GSM",
                max_length=6,
            ),
        ),
        migrations.AddField(
            model_name="bind",
            name="id_base",
            field=models.CharField(
                choices=[
                    ("NORMAL", "Letters' case and leading zeros do not matter"),
                    ("AS_IS", "Exactly as written"),
                    ("HEX_RESPONSE", "Hexadecimal in the response, decimal in the receipt"),
                    ("DEC_RESPONSE", "Decimal in the response, hexadecimal in the receipt"),
                    ("ANY", "Unknown: every spelling is tried, the exact one first"),
                ],
                default="NORMAL",
                max_length=12,
            ),
        ),
        migrations.AddField(
            model_name="bind",
            name="kind",
            field=models.CharField(
                choices=[("TRX", "Transceiver"), ("TX", "Transmitter"), ("RX", "Receiver")], default="TRX", max_length=3
            ),
        ),
        migrations.AddField(
            model_name="bind",
            name="msisdn_npi",
            field=models.PositiveSmallIntegerField(default=1),
        ),
        migrations.AddField(
            model_name="bind",
            name="msisdn_ton",
            field=models.PositiveSmallIntegerField(default=1),
        ),
        migrations.AddField(
            model_name="bind",
            name="receipt_dialect",
            field=models.CharField(
                choices=[("BOTH", "TLVs first, then the text"), ("TLV", "TLVs only"), ("TEXT", "Text only")],
                default="BOTH",
                max_length=4,
            ),
        ),
        migrations.AddField(
            model_name="bind",
            name="receipt_zone",
            field=models.CharField(default="Asia/Jakarta", max_length=40),
        ),
        migrations.AddField(
            model_name="bind",
            name="service_type",
            field=models.CharField(blank=True, max_length=5),
        ),
        migrations.AddField(
            model_name="bind",
            name="short_code_npi",
            field=models.PositiveSmallIntegerField(default=1),
        ),
        migrations.AddField(
            model_name="bind",
            name="short_code_ton",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="bind",
            name="system_type",
            field=models.CharField(blank=True, max_length=12),
        ),
        migrations.AddField(
            model_name="bind",
            name="tariffs",
            field=models.JSONField(
                blank=True, default=dict, help_text="Short code: its tariff class (PREMIUM, SOCIAL, ...)"
            ),
        ),
        migrations.AddField(
            model_name="bind",
            name="tls_ca",
            field=models.TextField(blank=True, help_text="PEM; empty: the system's own authorities"),
        ),
        migrations.AddField(
            model_name="bind",
            name="tls_pin",
            field=models.CharField(
                blank=True, help_text="SHA-256 of the certificate in hex; replaces the CA", max_length=64
            ),
        ),
        migrations.AddField(
            model_name="inboundsms",
            name="part_number",
            field=models.PositiveSmallIntegerField(help_text="From 1", null=True),
        ),
        migrations.AddField(
            model_name="inboundsms",
            name="part_reference",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="inboundsms",
            name="part_total",
            field=models.PositiveSmallIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="inboundsms",
            name="whole",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="parts", to="sms.inboundsms"
            ),
        ),
        migrations.AddField(
            model_name="outboundsegment",
            name="message_key",
            field=models.CharField(
                blank=True, db_default="", help_text="The id as receipts are matched", max_length=70
            ),
        ),
        migrations.AddField(
            model_name="receipt",
            name="done_at",
            field=models.DateTimeField(help_text="As the SMSC says; never ordered by", null=True),
        ),
        migrations.AddField(
            model_name="receipt",
            name="handset",
            field=models.CharField(blank=True, db_default="", max_length=21),
        ),
        migrations.AddField(
            model_name="receipt",
            name="short_code",
            field=models.CharField(blank=True, db_default="", max_length=21),
        ),
        migrations.AlterField(
            model_name="inboundsms",
            name="kind",
            field=models.CharField(
                choices=[
                    ("BINARY", "8-bit: a meter's frame"),
                    ("TEXT", "Text: a person"),
                    ("PART", "Part of a longer SMS"),
                ],
                max_length=8,
            ),
        ),
        migrations.AddIndex(
            model_name="outboundsegment",
            index=models.Index(
                condition=models.Q(("message_key", ""), _negated=True), fields=["message_key"], name="sms_segment_key"
            ),
        ),
        migrations.RunSQL(SQL, migrations.RunSQL.noop),
    ]
