# SPDX-License-Identifier: Apache-2.0
"""Reliability a day and scope, T_MED a year, exclusions, TMP's declared values, months and compensations."""

import django.db.models.deletion
from django.db import migrations, models

# IEEE 1366: operations within five minutes of the first are one event; none of its own when it ends in a lockout.
_MOMENTARY = """
CREATE FUNCTION analytics_momentary_events(begins timestamptz[], us bigint[]) RETURNS integer
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    events integer := 0;
    at integer := 1;
    first timestamptz;
    locked_out boolean;
BEGIN
    WHILE at <= cardinality(begins) LOOP
        first := begins[at];
        locked_out := false;
        WHILE at <= cardinality(begins) AND begins[at] <= first + interval '5 minutes' LOOP
            locked_out := locked_out OR us[at] > 300000000;
            at := at + 1;
        END LOOP;
        IF NOT locked_out THEN
            events := events + 1;
        END IF;
    END LOOP;
    RETURN events;
END $$
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("people", "0003_operatorkey"),
        ("registry", "0007_network_and_total_meters"),
    ]

    operations = [
        migrations.CreateModel(
            name="MedYear",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("year", models.PositiveSmallIntegerField(unique=True)),
                ("alpha", models.FloatField()),
                ("beta", models.FloatField()),
                ("days", models.PositiveIntegerField(help_text="Days with SAIDI that were used")),
                ("t_med_min", models.FloatField(help_text="Minutes")),
                ("provisional", models.BooleanField(help_text="From fewer than five complete years")),
                ("computed_at", models.DateTimeField(help_text="Business time")),
            ],
        ),
        migrations.CreateModel(
            name="DailyReliability",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("date", models.DateField(help_text="In the meter's zone")),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("TRANSFORMER", "Transformer"),
                            ("FEEDER", "Feeder"),
                            ("SUBSTATION", "Substation"),
                            ("UNIT", "Service unit"),
                            ("UTILITY", "Whole utility"),
                        ],
                        max_length=11,
                    ),
                ),
                ("scope_id", models.BigIntegerField(help_text="Node or unit; 0: the whole utility")),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("UNPLANNED", "Fault"),
                            ("PLANNED", "Planned work"),
                            ("SUPPLY", "Loss of supply from above"),
                            ("FORCE_MAJEURE", "Force majeure"),
                        ],
                        max_length=14,
                    ),
                ),
                ("ci", models.PositiveIntegerField(help_text="Customers of sustained interruptions")),
                (
                    "interrupted_us",
                    models.BigIntegerField(help_text="Customer microseconds of sustained interruptions"),
                ),
                ("momentary", models.PositiveIntegerField(help_text="Customers of momentary operations")),
                (
                    "momentary_events",
                    models.PositiveIntegerField(help_text="Customers of momentary events (IEEE 1366)"),
                ),
                ("excluded_ci", models.PositiveIntegerField()),
                ("excluded_us", models.BigIntegerField()),
                ("open_ci", models.PositiveIntegerField(help_text="Of ci: still off, counted up to computed_at")),
                ("version", models.PositiveIntegerField()),
                ("computed_at", models.DateTimeField(help_text="Business time")),
                (
                    "superseded_at",
                    models.DateTimeField(help_text="Business time; empty: this version counts", null=True),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("superseded_at__isnull", True)),
                        fields=("scope", "scope_id", "date", "cause"),
                        name="analytics_daily_current",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ServedCustomers",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("date", models.DateField(help_text="In the meter's zone")),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("TRANSFORMER", "Transformer"),
                            ("FEEDER", "Feeder"),
                            ("SUBSTATION", "Substation"),
                            ("UNIT", "Service unit"),
                            ("UTILITY", "Whole utility"),
                        ],
                        max_length=11,
                    ),
                ),
                ("scope_id", models.BigIntegerField(help_text="Node or unit; 0: the whole utility")),
                ("served", models.PositiveIntegerField(help_text="Customers")),
                (
                    "how",
                    models.CharField(
                        default="day", help_text="day: while it was on; later: from the registry's spans", max_length=20
                    ),
                ),
                ("version", models.PositiveIntegerField()),
                ("counted_at", models.DateTimeField(help_text="Business time")),
                (
                    "superseded_at",
                    models.DateTimeField(help_text="Business time; empty: this version counts", null=True),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("superseded_at__isnull", True)),
                        fields=("scope", "scope_id", "date"),
                        name="analytics_served_current",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="TMPMonth",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("month_date", models.DateField(help_text="The month's first day")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("PROPOSED", "Waits for a second person"),
                            ("APPROVED", "Approved: compensations are being given"),
                            ("REFUSED", "Refused"),
                            ("DONE", "All compensations are given"),
                        ],
                        max_length=8,
                    ),
                ),
                ("proposed_at", models.DateTimeField(help_text="Business time")),
                (
                    "approval",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.approval"
                    ),
                ),
                (
                    "unit",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.unit"),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Compensation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("interrupted_s", models.BigIntegerField(help_text="Seconds that count")),
                ("times", models.PositiveIntegerField()),
                (
                    "indicator",
                    models.CharField(
                        choices=[
                            ("HOURS", "Lama gangguan, hours a month"),
                            ("COUNT", "Jumlah gangguan, times a month"),
                        ],
                        help_text="The one that gave most",
                        max_length=5,
                    ),
                ),
                ("percent", models.PositiveSmallIntegerField(help_text="Of the base")),
                (
                    "base_idr",
                    models.PositiveIntegerField(help_text="Rekening minimum: 40 hours of the contracted power"),
                ),
                ("amount_idr", models.PositiveIntegerField()),
                ("vend_id", models.BigIntegerField(help_text="The token's vend", null=True)),
                ("given_at", models.DateTimeField(help_text="Business time; empty: not yet", null=True)),
                (
                    "refusal",
                    models.CharField(
                        blank=True, default="", help_text="Code of why it could not be given", max_length=60
                    ),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="registry.meter"
                    ),
                ),
                (
                    "month",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="compensations",
                        to="analytics.tmpmonth",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="DeclaredLevel",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "indicator",
                    models.CharField(
                        choices=[
                            ("HOURS", "Lama gangguan, hours a month"),
                            ("COUNT", "Jumlah gangguan, times a month"),
                        ],
                        max_length=5,
                    ),
                ),
                ("value", models.DecimalField(decimal_places=2, help_text="Hours or times a month", max_digits=8)),
                ("valid_from_date", models.DateField(help_text="First day, in the unit's zone")),
                ("set_at", models.DateTimeField(help_text="Business time")),
                ("set_by", models.CharField(help_text="Actor, as in the audit record", max_length=60)),
                (
                    "unit",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.unit"),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["unit", "indicator", "valid_from_date", "id"], name="analytics_declared")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("value__gte", 0)), name="analytics_declared_not_negative"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Exclusion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("date", models.DateField(help_text="A day that is left out of T_MED's sample", null=True)),
                ("meter_id", models.BigIntegerField(null=True)),
                ("began_at", models.DateTimeField(help_text="Meter's time", null=True)),
                ("reason", models.CharField(max_length=400)),
                ("made_at", models.DateTimeField(help_text="Business time")),
                (
                    "approval",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.approval"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("began_at", None), ("date__isnull", False), ("meter_id", None)),
                            models.Q(("began_at__isnull", False), ("date", None), ("meter_id__isnull", False)),
                            _connector="OR",
                        ),
                        name="analytics_exclusion_of_one",
                    ),
                    models.UniqueConstraint(fields=("date",), name="analytics_exclusion_day"),
                    models.UniqueConstraint(fields=("meter_id", "began_at"), name="analytics_exclusion_interruption"),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="tmpmonth",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "REFUSED"), _negated=True),
                fields=("unit", "month_date"),
                name="analytics_tmp_month_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="compensation",
            constraint=models.UniqueConstraint(fields=("month", "meter"), name="analytics_compensation_once"),
        ),
        migrations.RunSQL(_MOMENTARY, "DROP FUNCTION analytics_momentary_events(timestamptz[], bigint[])"),
    ]
