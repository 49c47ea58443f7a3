# SPDX-License-Identifier: Apache-2.0
"""A text longer than one SMS: in parts, or whole as message_payload where the operator wants that and no package counts it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sms", "0009_ambiguity_of_package_classes")]
    operations = [
        migrations.AddField(
            "bind",
            "long_text",
            models.CharField(
                choices=[
                    ("PARTS", "Parts with a user data header"),
                    ("PAYLOAD", "One message_payload, where no package counts it"),
                ],
                default="PARTS",
                max_length=7,
            ),
        ),
        migrations.AlterField("outboundsegment", "payload", models.BinaryField(max_length=4096)),
    ]
