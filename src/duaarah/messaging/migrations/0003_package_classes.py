# SPDX-License-Identifier: Apache-2.0
"""The classes of the SMS package's buckets."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0002_wake"),
    ]

    operations = [
        migrations.AlterField(
            model_name="message",
            name="message_class",
            field=models.CharField(
                choices=[
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
                ],
                max_length=20,
            ),
        ),
    ]
