# SPDX-License-Identifier: Apache-2.0
"""The last day on which a SIM works, as its operator's list says."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("registry", "0005_sim_shipments")]
    operations = [
        migrations.AddField(
            "sim",
            "expires_date",
            models.DateField(help_text="The last day on which it works; empty: not known", null=True),
        )
    ]
