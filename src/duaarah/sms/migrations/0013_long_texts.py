# SPDX-License-Identifier: Apache-2.0
"""A text longer than one SMS: in parts, or whole as message_payload where the operator wants that and no package counts it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sms", "0012_bind_drafts_and_trials")]
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
        migrations.AlterField(
            "bind",
            "attempts_max",
            models.PositiveSmallIntegerField(default=5, help_text="Of statuses 0x04, 0x08, 0x45 and 0x64"),
        ),
        migrations.AlterField(
            "bind",
            "bind_refusals_max",
            models.PositiveSmallIntegerField(
                default=5, help_text="0x0E or 0x0F one after another, then the bind stops"
            ),
        ),
        # Proposals that somebody looks at just now.
        migrations.RunSQL(
            """UPDATE sms_binddraft SET values = values || '{"long_text": "PARTS"}'""",
            "UPDATE sms_binddraft SET values = values - 'long_text'",
        ),
        migrations.AlterField("outboundsegment", "payload", models.BinaryField(max_length=4096)),
    ]
