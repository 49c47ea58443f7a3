# SPDX-License-Identifier: Apache-2.0
"""The STS interface: orders, outcomes, TIDs of meters that are not ours, limits and their use."""

import django.db.models.deletion
from django.db import migrations, models

APPEND_ONLY = """
CREATE TRIGGER vending_stsorder_append_only BEFORE UPDATE OR DELETE ON vending_stsorder
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER vending_stsoutcome_append_only BEFORE UPDATE OR DELETE ON vending_stsoutcome
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER vending_stsorder_no_truncate BEFORE TRUNCATE ON vending_stsorder
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER vending_stsoutcome_no_truncate BEFORE TRUNCATE ON vending_stsoutcome
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
"""

UNDO = """
DROP TRIGGER vending_stsorder_append_only ON vending_stsorder;
DROP TRIGGER vending_stsoutcome_append_only ON vending_stsoutcome;
DROP TRIGGER vending_stsorder_no_truncate ON vending_stsorder;
DROP TRIGGER vending_stsoutcome_no_truncate ON vending_stsoutcome;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0002_append_only"),
        ("people", "0003_operatorkey"),
        ("registry", "0001_initial"),
        ("vending", "0005_key_changes"),
    ]

    operations = [
        migrations.CreateModel(
            name="PANSequence",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("pan", models.CharField(max_length=18)),
                ("base_date", models.PositiveSmallIntegerField()),
                ("latest_tid", models.PositiveIntegerField()),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("pan", "base_date"), name="vending_pan_sequence_once")],
            },
        ),
        migrations.CreateModel(
            name="STSLimit",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("register", models.CharField(blank=True, max_length=40)),
                (
                    "period",
                    models.CharField(
                        choices=[("DAY", "A day (WIB)"), ("MONTH", "A month (WIB)"), ("TOTAL", "Ever")], max_length=10
                    ),
                ),
                ("tokens_max", models.PositiveBigIntegerField(null=True)),
                (
                    "energy_wh_max",
                    models.PositiveBigIntegerField(help_text="Electricity credit, class 0.0, as encoded", null=True),
                ),
                (
                    "value_max",
                    models.DecimalField(
                        decimal_places=5,
                        help_text="Currency tokens, base currency units, sign left out",
                        max_digits=45,
                        null=True,
                    ),
                ),
                ("active", models.BooleanField(default=True)),
                (
                    "key",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="people.operatorkey",
                    ),
                ),
                (
                    "organisation",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="people.organisation",
                    ),
                ),
                (
                    "unit",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.unit"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="STSOrder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("request_id", models.UUIDField(unique=True)),
                ("message_id", models.CharField(max_length=64)),
                ("digest", models.BinaryField(help_text="SHA-256 of the canonical order", max_length=32)),
                ("token_class", models.PositiveSmallIntegerField()),
                ("subclass", models.PositiveSmallIntegerField()),
                (
                    "pan",
                    models.CharField(blank=True, help_text="Empty for class 1, which is for any meter", max_length=18),
                ),
                ("sts_register", models.CharField(blank=True, max_length=40)),
                ("dkga", models.CharField(blank=True, max_length=2)),
                ("ea", models.CharField(blank=True, max_length=2)),
                ("sgc", models.CharField(blank=True, max_length=6)),
                ("ti", models.CharField(blank=True, max_length=2)),
                ("krn", models.PositiveSmallIntegerField(null=True)),
                ("kt", models.PositiveSmallIntegerField(null=True)),
                ("ken", models.PositiveSmallIntegerField(null=True)),
                ("base_date", models.PositiveSmallIntegerField(null=True)),
                ("tid", models.PositiveIntegerField(null=True)),
                (
                    "rnd",
                    models.PositiveSmallIntegerField(
                        help_text="Drawn once; none in currency tokens and class 1", null=True
                    ),
                ),
                ("payload48", models.BigIntegerField()),
                (
                    "requested",
                    models.CharField(
                        blank=True, help_text="The amount as asked for, in the class's unit", max_length=60
                    ),
                ),
                (
                    "encoded",
                    models.CharField(
                        blank=True, help_text="What the field says; never less than requested", max_length=60
                    ),
                ),
                ("energy_wh", models.BigIntegerField(help_text="Encoded energy of class 0.0, else 0")),
                ("ordered_at", models.DateTimeField(help_text="Business time")),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.operatorkey"
                    ),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.meter"
                    ),
                ),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.organisation"
                    ),
                ),
                (
                    "unit",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.unit"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="STSOutcome",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digits_wrapped", models.BinaryField(max_length=80)),
                ("made_at", models.DateTimeField(help_text="Business time")),
                (
                    "order",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="outcome", to="vending.stsorder"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="STSUsage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("period_date", models.DateField(help_text="Its first day; 1970-01-01 for ever")),
                ("tokens", models.PositiveBigIntegerField()),
                ("energy_wh", models.PositiveBigIntegerField()),
                ("value", models.DecimalField(decimal_places=5, max_digits=45)),
                (
                    "limit",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="usages", to="vending.stslimit"
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="stslimit",
            constraint=models.UniqueConstraint(
                fields=("register", "organisation", "unit", "key", "period"),
                name="vending_sts_limit_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="stslimit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("register", ""), _negated=True),
                    ("organisation__isnull", False),
                    ("unit__isnull", False),
                    ("key__isnull", False),
                    _connector="OR",
                ),
                name="vending_sts_limit_names",
            ),
        ),
        migrations.AddConstraint(
            model_name="stsorder",
            constraint=models.UniqueConstraint(
                fields=("organisation", "unit", "message_id"), name="vending_sts_message_once", nulls_distinct=False
            ),
        ),
        migrations.AddConstraint(
            model_name="stsorder",
            constraint=models.UniqueConstraint(fields=("pan", "base_date", "tid"), name="vending_sts_tid_once"),
        ),
        migrations.AddConstraint(
            model_name="stsorder",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("pan", ""), ("tid", None), ("token_class", 1)),
                    models.Q(("tid__isnull", False), ("token_class__in", (0, 2))),
                    _connector="OR",
                ),
                name="vending_sts_tid_iff_keyed",
            ),
        ),
        migrations.AddConstraint(
            model_name="stsusage",
            constraint=models.UniqueConstraint(fields=("limit", "period_date"), name="vending_sts_usage_once"),
        ),
        migrations.RunSQL(APPEND_ONLY, UNDO),
    ]
