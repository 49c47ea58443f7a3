# SPDX-License-Identifier: Apache-2.0
"""How much of a day's noise the next day repeats."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("analytics", "0003_losses"),
    ]

    operations = [
        migrations.AddField(
            model_name="dailyloss",
            name="ntl_memory",
            field=models.FloatField(default=0.0, help_text="How much of its noise the next day repeats"),
        ),
    ]
