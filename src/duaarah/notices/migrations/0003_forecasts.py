# SPDX-License-Identifier: Apache-2.0
"""Days left of each meter, computed anew on every reading."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notices", "0002_opt_outs_and_askers"),
        ("registry", "0006_sim_expiry"),
    ]

    operations = [
        migrations.CreateModel(
            name="Forecast",
            fields=[
                (
                    "meter",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="forecast",
                        serialize=False,
                        to="registry.meter",
                    ),
                ),
                ("due", models.BooleanField(db_default=False, default=False, help_text="The meter has spoken since")),
                ("days_left", models.FloatField(help_text="From as_of_at", null=True)),
                ("low_days", models.FloatField(null=True)),
                ("high_days", models.FloatField(null=True)),
                ("balance_wh", models.BigIntegerField(help_text="The credit it was computed from", null=True)),
                (
                    "as_of_at",
                    models.DateTimeField(help_text="Business time of that credit's report", null=True),
                ),
                (
                    "ends_at",
                    models.DateTimeField(help_text="as_of_at + days_left, ten years ahead at most", null=True),
                ),
                ("ends_low_at", models.DateTimeField(null=True)),
                (
                    "daily_wh",
                    models.BigIntegerField(help_text="Expected use a day, the mean of the next seven", null=True),
                ),
                (
                    "days_known",
                    models.PositiveSmallIntegerField(default=0, help_text="Days of use that it learnt from"),
                ),
                ("computed_at", models.DateTimeField(help_text="Business time", null=True)),
                (
                    "warned_at",
                    models.DateTimeField(help_text="Business time of the latest low-credit warning", null=True),
                ),
                (
                    "days_warned_at",
                    models.DateTimeField(help_text="Of the latest that followed from days left", null=True),
                ),
            ],
            options={
                "indexes": [
                    models.Index(condition=models.Q(("due", True)), fields=["meter"], name="notices_forecast_due")
                ],
            },
        ),
    ]
