# SPDX-License-Identifier: Apache-2.0
"""First schema."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("registry", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="MeterSupply",
            fields=[
                (
                    "meter",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="supply",
                        serialize=False,
                        to="registry.meter",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("NYALA", "Supply on"),
                            ("PADAM", "Grid outage"),
                            ("STROOM_HABIS", "Credit exhausted, relay open"),
                        ],
                        max_length=20,
                    ),
                ),
                ("since_at", models.DateTimeField(help_text="Business time")),
            ],
        ),
    ]
