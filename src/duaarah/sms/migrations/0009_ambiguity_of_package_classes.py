# SPDX-License-Identifier: Apache-2.0
"""The rule of lost responses names the classes that packages brought."""

from django.db import migrations, models

CLASSES = [
    ("METER_FRAME", "Frame to a meter"),
    ("METER_PUSH", "Credit push from a meter"),
    ("METER_FAULT", "A meter's word on its supply"),
    ("METER_DATA", "A meter's data"),
    ("METER_ANSWER", "A meter's answer to a frame"),
    ("WARNING", "Low-credit or empty-credit warning"),
    ("RECEIPT", "Receipt of a top-up, or its digits"),
    ("REPLY", "Answer to a customer's question"),
    ("NOTICE", "Outage or public-service notice"),
    ("CUSTOMER_MO", "A customer's own SMS, charged to his phone"),
    ("FAULT_MO", "A customer's fault report or question after it"),
    ("UNKNOWN_MO", "SMS that belongs to nobody we know"),
]


class Migration(migrations.Migration):
    dependencies = [("sms", "0008_reconciliation")]
    operations = [
        migrations.AlterField(
            "ambiguityrule", "message_class", models.CharField(choices=CLASSES, max_length=20, unique=True)
        ),
    ]
