# SPDX-License-Identifier: Apache-2.0
"""A state for SMS that were tried too often (choices only; the column does not change)."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sms", "0002_queues_and_package")]
    operations = [
        migrations.AlterField(
            model_name="inboundsms",
            name="state",
            field=models.CharField(
                choices=[
                    ("RECEIVED", "Waiting to be read"),
                    ("DONE", "Read and acted on"),
                    ("REFUSED", "Read and refused"),
                    ("FAILED", "Tried too often; a person looks"),
                ],
                max_length=10,
            ),
        )
    ]
