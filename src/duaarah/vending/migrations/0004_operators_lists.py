# SPDX-License-Identifier: Apache-2.0
"""Indexes of what operators look at: open purchases, segments of unknown outcome, SMS that were given up."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("headend", "0003_no_truncate"),
        ("registry", "0001_initial"),
        ("vending", "0003_no_truncate"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="vend",
            index=models.Index(
                condition=models.Q(("state__in", ["PAID", "ISSUED"])), fields=["paid_at"], name="vending_open"
            ),
        ),
    ]
