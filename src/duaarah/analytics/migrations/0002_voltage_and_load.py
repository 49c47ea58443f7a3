# SPDX-License-Identifier: Apache-2.0
"""Voltage and load a local day, the quality of a UTC day, and values set by hand."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("analytics", "0001_reliability"),
        ("registry", "0007_network_and_total_meters"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="QualityDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("date", models.DateField(help_text="UTC", unique=True)),
                ("judged_at", models.DateTimeField(help_text="Business time")),
                ("source", models.CharField(blank=True, default="", max_length=64)),
                ("intervals", models.PositiveIntegerField(help_text="Told or estimated")),
                ("validated", models.PositiveIntegerField()),
                ("estimated", models.PositiveIntegerField()),
                ("raw", models.PositiveIntegerField(help_text="Did not pass, and nothing better is known")),
                ("edited", models.PositiveIntegerField()),
                ("absent", models.PositiveIntegerField(help_text="Of meters in service: nothing can be said")),
                ("faults", models.JSONField(help_text="Fault's word to intervals")),
            ],
        ),
        migrations.CreateModel(
            name="VoltageRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("valid_from_date", models.DateField(unique=True)),
                ("from_hour", models.PositiveSmallIntegerField(default=18)),
                ("to_hour", models.PositiveSmallIntegerField(default=22)),
                ("low_v", models.FloatField(default=198.0)),
                ("high_v", models.FloatField(default=231.0)),
            ],
        ),
        migrations.CreateModel(
            name="DailyLoad",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("date", models.DateField(help_text="In the meter's zone")),
                (
                    "scope",
                    models.CharField(
                        choices=[("TRANSFORMER", "Transformer"), ("FEEDER", "Feeder"), ("TARIFF", "Tariff group")],
                        max_length=11,
                    ),
                ),
                ("key", models.CharField(help_text="The node's number, or the tariff group", max_length=20)),
                ("energy_wh", models.FloatField()),
                ("peak_w", models.FloatField()),
                (
                    "peak_minute",
                    models.PositiveSmallIntegerField(help_text="End of the peak interval, minutes of the local day"),
                ),
                ("load_factor", models.FloatField(null=True)),
                ("coincidence", models.FloatField(null=True)),
                ("diversity", models.FloatField(null=True)),
                (
                    "peak_va",
                    models.FloatField(help_text="By voltage and current; empty: not told by every meter", null=True),
                ),
                (
                    "utilisation",
                    models.FloatField(
                        help_text="Of transformers: the peak's share of the rating, in VA or else in W", null=True
                    ),
                ),
                ("period_s", models.PositiveIntegerField()),
                ("curve_w", models.JSONField(help_text="Mean power of each interval; null: nothing told")),
                ("duration_w", models.JSONField()),
                ("meters", models.PositiveIntegerField(help_text="Heard")),
                ("meters_known", models.PositiveIntegerField(help_text="In the registry")),
                ("intervals", models.PositiveIntegerField(help_text="Of all meters, estimated ones too")),
                ("estimated", models.PositiveIntegerField(help_text="Of intervals")),
                ("version", models.PositiveIntegerField()),
                ("computed_at", models.DateTimeField(help_text="Business time")),
                (
                    "superseded_at",
                    models.DateTimeField(help_text="Business time; empty: this version counts", null=True),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["date", "scope"], name="analytics_load_date")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("superseded_at__isnull", True)),
                        fields=("scope", "key", "date"),
                        name="analytics_load_current",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="DailyVoltage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("date", models.DateField(help_text="In the meter's zone")),
                (
                    "phase",
                    models.CharField(blank=True, default="", help_text="L1, L2, L3; empty: not known", max_length=2),
                ),
                ("meters", models.PositiveIntegerField(help_text="Heard with a voltage")),
                ("meters_known", models.PositiveIntegerField(help_text="In the registry")),
                ("intervals", models.PositiveIntegerField()),
                ("below", models.PositiveIntegerField()),
                ("above", models.PositiveIntegerField()),
                ("low_meters", models.PositiveIntegerField(help_text="With an interval below")),
                ("evening_intervals", models.PositiveIntegerField()),
                ("evening_min_v", models.FloatField(null=True)),
                ("evening_p1_v", models.FloatField(null=True)),
                ("evening_p5_v", models.FloatField(null=True)),
                ("evening_median_v", models.FloatField(null=True)),
                (
                    "lowest",
                    models.JSONField(
                        help_text="[{meter_id, v_min, at, below, intervals}] of the evening, lowest first"
                    ),
                ),
                ("version", models.PositiveIntegerField()),
                ("computed_at", models.DateTimeField(help_text="Business time")),
                (
                    "superseded_at",
                    models.DateTimeField(help_text="Business time; empty: this version counts", null=True),
                ),
                (
                    "transformer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.networknode"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["date"], name="analytics_voltage_date")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("superseded_at__isnull", True)),
                        fields=("transformer", "phase", "date"),
                        name="analytics_voltage_current",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ReadingEdit",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("ends_at", models.DateTimeField(help_text="Interval end")),
                ("period_s", models.PositiveIntegerField()),
                ("former_energy_wh", models.FloatField(help_text="What counted before; empty: nothing did", null=True)),
                ("energy_wh", models.FloatField()),
                ("reason", models.CharField(max_length=200)),
                ("made_at", models.DateTimeField(help_text="Business time")),
                ("undone_at", models.DateTimeField(help_text="Business time; empty: it counts", null=True)),
                (
                    "made_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.meter"
                    ),
                ),
                (
                    "undone_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["ends_at"], name="analytics_reading_edit_end")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("undone_at__isnull", True)),
                        fields=("meter", "ends_at"),
                        name="analytics_reading_edit_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("energy_wh__gte", 0)), name="analytics_reading_edit_energy"
                    ),
                ],
            },
        ),
    ]
