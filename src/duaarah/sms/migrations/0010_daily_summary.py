# SPDX-License-Identifier: Apache-2.0
"""Whether a package has its meters tell a summary of each day."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sms", "0009_ambiguity_of_package_classes")]
    operations = [
        migrations.AddField(
            "packageterms",
            "daily_summary",
            models.BooleanField(default=False, help_text="The meter tells a summary of each day"),
        ),
    ]
