# SPDX-License-Identifier: Apache-2.0
"""Automatic top-up: rules, their append-only versions, the meters of each, and its purchases."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

APPEND_ONLY = """
CREATE TRIGGER notices_autoruleversion_append_only BEFORE UPDATE OR DELETE ON notices_autoruleversion
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER notices_autoruleversion_no_truncate BEFORE TRUNCATE ON notices_autoruleversion
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
"""

UNDO = """
DROP TRIGGER notices_autoruleversion_append_only ON notices_autoruleversion;
DROP TRIGGER notices_autoruleversion_no_truncate ON notices_autoruleversion;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0003_no_truncate"),
        ("notices", "0003_forecasts"),
        ("people", "0003_operatorkey"),
        ("registry", "0006_sim_expiry"),
        ("vending", "0006_sts_interface"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AutoRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=40)),
                (
                    "state",
                    models.CharField(
                        choices=[("ACTIVE", "Active"), ("PAUSED", "Paused"), ("OFF", "Off")], max_length=8
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1)),
                ("nominal_idr", models.PositiveIntegerField()),
                ("budget_idr", models.PositiveBigIntegerField(help_text="Plafon: what it may spend in a WIB month")),
                ("threshold_wh", models.PositiveIntegerField(help_text="Buys below so much credit, or", null=True)),
                (
                    "threshold_days",
                    models.PositiveSmallIntegerField(
                        help_text="when the credit may end within so many days", null=True
                    ),
                ),
                (
                    "quiet_from_min",
                    models.PositiveSmallIntegerField(help_text="Minutes of the meter's local day", null=True),
                ),
                ("quiet_until_min", models.PositiveSmallIntegerField(null=True)),
                (
                    "approval_above_idr",
                    models.PositiveBigIntegerField(
                        help_text="A second person agrees to what exceeds this sum in a WIB day", null=True
                    ),
                ),
                (
                    "pause_code",
                    models.CharField(blank=True, help_text="Why it is paused: wallet, no_price", max_length=20),
                ),
                (
                    "pauses",
                    models.PositiveIntegerField(default=0, help_text="How often it was paused; each is told once"),
                ),
                ("changed_at", models.DateTimeField(help_text="Business time")),
                ("next_look_at", models.DateTimeField(help_text="Business time of the next look at its meters")),
                (
                    "holder",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="auto_rules",
                        to="people.accountholder",
                    ),
                ),
                (
                    "login",
                    models.ForeignKey(
                        help_text="Who asks for that second person",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AutoRuleMeter",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("word", models.CharField(blank=True, max_length=20)),
                ("word_at", models.DateTimeField(help_text="Business time since when it says so", null=True)),
                (
                    "meter",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="auto_member", to="registry.meter"
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="members", to="notices.autorule"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AutoRuleVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.PositiveIntegerField()),
                ("terms", models.JSONField(help_text="State and terms, and the numbers of its meters")),
                ("at", models.DateTimeField(help_text="Business time")),
                ("actor", models.CharField(max_length=80)),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="versions", to="notices.autorule"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="TopUpRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("NEEDS_APPROVAL", "A second person is to be asked"),
                            ("WAITING", "Waiting for a second person"),
                            ("DUE", "To be bought"),
                            ("BOUGHT", "Bought"),
                            ("FAILED", "Not bought"),
                        ],
                        max_length=16,
                    ),
                ),
                ("nominal_idr", models.PositiveIntegerField()),
                ("cost_idr", models.PositiveIntegerField(help_text="What the wallet pays")),
                ("month_date", models.DateField(help_text="First day of the WIB month whose budget it takes from")),
                ("why", models.JSONField(help_text="What was known: credit, days left, threshold, budget before")),
                ("made_at", models.DateTimeField(help_text="Business time")),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("lease_until_at", models.DateTimeField(help_text="Machine time", null=True)),
                ("closed_at", models.DateTimeField(help_text="Business time", null=True)),
                ("result", models.CharField(blank=True, help_text="Why it was not bought", max_length=30)),
                (
                    "approval",
                    models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, to="people.approval"),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="auto_requests", to="registry.meter"
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="requests", to="notices.autorule"
                    ),
                ),
                (
                    "vend",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="auto_request",
                        to="vending.vend",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="autorule",
            index=models.Index(
                condition=models.Q(("state", "OFF"), _negated=True), fields=["next_look_at"], name="notices_auto_look"
            ),
        ),
        migrations.AddConstraint(
            model_name="autorule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("threshold_days", None), ("threshold_wh__isnull", False)),
                    models.Q(("threshold_days__isnull", False), ("threshold_wh", None)),
                    _connector="OR",
                ),
                name="notices_auto_one_threshold",
            ),
        ),
        migrations.AddConstraint(
            model_name="autorule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("quiet_from_min", None), ("quiet_until_min", None)),
                    models.Q(("quiet_from_min__lt", 1440), ("quiet_until_min__lt", 1440)),
                    _connector="OR",
                ),
                name="notices_auto_quiet",
            ),
        ),
        migrations.AddConstraint(
            model_name="autoruleversion",
            constraint=models.UniqueConstraint(fields=("rule", "version"), name="notices_auto_version_once"),
        ),
        migrations.AddIndex(
            model_name="topuprequest",
            index=models.Index(condition=models.Q(("state", "DUE")), fields=["id"], name="notices_auto_due"),
        ),
        migrations.AddIndex(
            model_name="topuprequest",
            index=models.Index(
                condition=models.Q(("state__in", ["NEEDS_APPROVAL", "WAITING"])),
                fields=["id"],
                name="notices_auto_waiting",
            ),
        ),
        migrations.AddIndex(
            model_name="topuprequest",
            index=models.Index(fields=["rule", "month_date"], name="notices_auto_month"),
        ),
        migrations.AddIndex(
            model_name="topuprequest",
            index=models.Index(fields=["meter", "id"], name="notices_auto_meter"),
        ),
        migrations.AddConstraint(
            model_name="topuprequest",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["NEEDS_APPROVAL", "WAITING", "DUE"])),
                fields=("meter",),
                name="notices_auto_one_in_flight",
            ),
        ),
        migrations.AddConstraint(
            model_name="topuprequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "BOUGHT"), _negated=True), ("vend__isnull", False), _connector="OR"
                ),
                name="notices_auto_bought_has_vend",
            ),
        ),
        migrations.RunSQL(APPEND_ONLY, UNDO),
    ]
