# SPDX-License-Identifier: Apache-2.0
"""The manifest of the interval store's day files."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("readings", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="DayFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day_date", models.DateField(help_text="UTC day of the end of the intervals")),
                (
                    "layer",
                    models.CharField(
                        choices=[
                            ("RAW", "As it came"),
                            ("DAY", "One value a meter and interval"),
                            ("CHECKED", "Validated and estimated"),
                        ],
                        max_length=7,
                    ),
                ),
                ("name", models.CharField(help_text="Path in the readings folder", max_length=120, unique=True)),
                (
                    "landing",
                    models.CharField(
                        blank=True, default="", help_text="Of RAW: the landing table it came from", max_length=40
                    ),
                ),
                ("rows", models.BigIntegerField()),
                ("repeats", models.BigIntegerField(default=0, help_text="Of RAW: rows beyond one a meter and instant")),
                ("meters", models.IntegerField(help_text="Meters that are in it")),
                ("bytes", models.BigIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                ("newest_at", models.DateTimeField(help_text="End of its newest interval")),
                ("made_at", models.DateTimeField(help_text="Machine time")),
                ("superseded_at", models.DateTimeField(help_text="Machine time; empty: it is in force", null=True)),
                (
                    "removed_at",
                    models.DateTimeField(help_text="Machine time at which the file itself was deleted", null=True),
                ),
                (
                    "covers",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="checked",
                        to="readings.dayfile",
                    ),
                ),
            ],
            options={
                "db_table": "readings_dayfile",
                "indexes": [models.Index(fields=["day_date", "layer", "id"], name="readings_dayfile_day")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("superseded_at", None), models.Q(("layer", "RAW"), _negated=True)),
                        fields=("day_date", "layer"),
                        name="readings_dayfile_current",
                    )
                ],
            },
        ),
    ]
