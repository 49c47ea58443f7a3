# SPDX-License-Identifier: Apache-2.0
"""Losses a local day and node, findings, indications, and what people decide."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("analytics", "0002_voltage_and_load"),
        ("registry", "0007_network_and_total_meters"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="LossDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("date", models.DateField(help_text="In the meters' zone", unique=True)),
                ("files", models.CharField(max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name="LossState",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("date", models.DateField(help_text="The newest local day within")),
                ("since_date", models.DateField(help_text="From this day on more is missing than before", null=True)),
                ("clean_days", models.PositiveIntegerField(default=0)),
                ("plate_known", models.BooleanField(default=False, help_text="The test sheet is in the registry")),
                (
                    "street_light_w",
                    models.FloatField(default=0.0, help_text="A constant load in the dark that nobody meters"),
                ),
                ("ranked", models.BooleanField(default=False, help_text="There was enough to look for meters")),
                (
                    "cannot_tell",
                    models.BooleanField(default=False, help_text="Energy is missing and no meter stands out"),
                ),
                ("feed_in", models.BooleanField(default=False, help_text="Somebody feeds in at noon")),
                ("source", models.CharField(max_length=32)),
                ("computed_at", models.DateTimeField(help_text="Business time")),
                (
                    "node",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.networknode"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="DailyLoss",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("date", models.DateField(help_text="In the meters' zone")),
                (
                    "kind",
                    models.CharField(
                        choices=[("SUBSTATION", "Substation"), ("FEEDER", "Feeder"), ("TRANSFORMER", "Transformer")],
                        max_length=20,
                    ),
                ),
                ("input_wh", models.FloatField(null=True)),
                ("delivered_wh", models.FloatField(null=True)),
                ("technical_wh", models.FloatField(help_text="By model", null=True)),
                ("technical_low_wh", models.FloatField(null=True)),
                ("technical_high_wh", models.FloatField(null=True)),
                ("ntl_wh", models.FloatField(help_text="Non-technical", null=True)),
                ("ntl_low_wh", models.FloatField(null=True)),
                ("ntl_high_wh", models.FloatField(null=True)),
                ("ntl_noise_wh", models.FloatField(null=True)),
                (
                    "completeness",
                    models.FloatField(help_text="Readings present of those due, total meter within; 0 to 1"),
                ),
                (
                    "refusal",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "A verdict is given"),
                            ("no_total", "No total meter"),
                            ("incomplete", "Too few readings"),
                            ("clocks", "Clocks disagree"),
                            ("negative", "More went out than came in"),
                        ],
                        default="",
                        max_length=10,
                    ),
                ),
                (
                    "meters",
                    models.PositiveIntegerField(
                        help_text="Customers' meters heard; of a feeder, transformers with an input"
                    ),
                ),
                ("meters_known", models.PositiveIntegerField(help_text="Due; of a feeder, its transformers")),
                (
                    "clean_days",
                    models.PositiveIntegerField(default=0, help_text="Days without loss that the model learned from"),
                ),
                (
                    "findings",
                    models.JSONField(default=list, help_text="[[word, meter's number or 0]] that touch this day"),
                ),
                ("source", models.CharField(help_text="Digest of all it was counted from", max_length=32)),
                ("version", models.PositiveIntegerField()),
                ("computed_at", models.DateTimeField(help_text="Business time")),
                (
                    "superseded_at",
                    models.DateTimeField(help_text="Business time; empty: this version counts", null=True),
                ),
                (
                    "node",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.networknode"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["date", "kind"], name="analytics_loss_date")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("superseded_at__isnull", True)),
                        fields=("node", "date"),
                        name="analytics_loss_current",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LossDecision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "about",
                    models.CharField(
                        choices=[("SUSPECT", "An indication"), ("PLACE", "A finding about its place")],
                        default="SUSPECT",
                        max_length=8,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("FOUND", "Inspected: found"),
                            ("NOTHING", "Inspected: nothing"),
                            ("DISMISSED", "Dismissed"),
                        ],
                        max_length=10,
                    ),
                ),
                ("note", models.CharField(max_length=400)),
                ("clean_first_date", models.DateField(null=True)),
                ("clean_last_date", models.DateField(null=True)),
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
                    "node",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.networknode"
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
                "indexes": [models.Index(fields=["meter"], name="analytics_loss_decision_meter")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("clean_first_date", None), ("clean_last_date", None)),
                            ("clean_first_date__lte", models.F("clean_last_date")),
                            _connector="OR",
                        ),
                        name="analytics_loss_decision_clean",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LossFinding",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("transformer", "Hangs at another transformer"),
                            ("phase", "Hangs on another phase"),
                            ("phase_unknown", "Phase was not known"),
                            ("reset", "Register began at zero"),
                            ("rollover", "Register passed its highest figure"),
                            ("swap", "Another meter's register"),
                            ("clock", "Clock is off"),
                            ("feed_in", "Feeds in"),
                            ("vacant", "Use fell to nothing, and nothing is missing"),
                        ],
                        max_length=16,
                    ),
                ),
                ("at", models.DateTimeField(help_text="Of registers: the end of the interval", null=True)),
                ("detail", models.JSONField(default=dict)),
                ("version", models.PositiveIntegerField()),
                ("computed_at", models.DateTimeField(help_text="Business time")),
                (
                    "superseded_at",
                    models.DateTimeField(help_text="Business time; empty: this version counts", null=True),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.meter"
                    ),
                ),
                (
                    "node",
                    models.ForeignKey(
                        help_text="As the registry says",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="registry.networknode",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("superseded_at__isnull", True)),
                        fields=("node", "meter", "kind", "at"),
                        name="analytics_loss_finding_current",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LossSource",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("date", models.DateField(help_text="In the meters' zone")),
                ("digest", models.CharField(max_length=40)),
                (
                    "node",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.networknode"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("node", "date"), name="analytics_loss_source")],
            },
        ),
        migrations.CreateModel(
            name="LossSuspect",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("date", models.DateField(help_text="The newest local day looked at")),
                ("rank", models.PositiveIntegerField()),
                ("case", models.BooleanField(help_text="By the regression")),
                ("score", models.FloatField()),
                ("mechanism", models.CharField(max_length=10)),
                ("share", models.FloatField(help_text="Hidden, of what it draws; 0 to 1")),
                ("hidden_wh_day", models.FloatField()),
                ("since_date", models.DateField(help_text="Empty: since before what was looked at", null=True)),
                (
                    "alike",
                    models.BooleanField(default=False, help_text="Its readings are too much like others' to tell"),
                ),
                ("rules", models.JSONField(default=list, help_text="[[code, weight, figure]], the weightiest first")),
                ("version", models.PositiveIntegerField()),
                ("computed_at", models.DateTimeField(help_text="Business time")),
                (
                    "superseded_at",
                    models.DateTimeField(help_text="Business time; empty: this version counts", null=True),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.meter"
                    ),
                ),
                (
                    "node",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.networknode"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["meter"], name="analytics_loss_suspect_meter")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("superseded_at__isnull", True)),
                        fields=("node", "meter"),
                        name="analytics_loss_suspect_current",
                    )
                ],
            },
        ),
    ]
