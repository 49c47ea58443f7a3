# SPDX-License-Identifier: Apache-2.0
"""What a meter sends on its own, as it has confirmed it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("registry", "0003_delegations")]
    operations = [
        migrations.AddField(
            "meter",
            "reporting_plan",
            models.JSONField(null=True, help_text="core.smsplan.ReportingPlan as the meter confirmed it; null: none"),
        ),
    ]
