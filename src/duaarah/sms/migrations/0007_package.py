# SPDX-License-Identifier: Apache-2.0
"""Packages with dated terms, shares and subscriptions; the buckets of the package rules."""

import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
from django.db import migrations, models

SQL = """
CREATE TRIGGER sms_terms_append_only BEFORE UPDATE OR DELETE ON sms_packageterms
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER sms_terms_no_truncate BEFORE TRUNCATE ON sms_packageterms
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER sms_share_append_only BEFORE UPDATE OR DELETE ON sms_revenueshare
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER sms_share_no_truncate BEFORE TRUNCATE ON sms_revenueshare
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
-- A package is bought by the month.
ALTER TABLE sms_subscription ADD CONSTRAINT sms_subscription_months CHECK (
    NOT isempty(valid) AND lower(valid) IS NOT NULL AND lower_inc(valid) AND extract(day FROM lower(valid)) = 1
    AND (upper(valid) IS NULL OR extract(day FROM upper(valid)) = 1));
-- The seed: 5 a top-up, faults by the meter and by its customer, the meter's data. A rule is dated: a change is a new row.
UPDATE sms_packagerule SET bucket = 'TOKEN'
    WHERE message_class IN ('METER_FRAME', 'METER_PUSH', 'METER_ANSWER', 'WARNING', 'RECEIPT');
INSERT INTO sms_packagerule (message_class, counts, bucket, valid_from_date) VALUES
    ('METER_FAULT', true, 'FAULT', '2014-01-01'), ('FAULT_MO', true, 'FAULT', '2014-01-01'),
    ('METER_DATA', true, 'DATA', '2014-01-01');
CREATE TRIGGER sms_packagerule_append_only BEFORE UPDATE OR DELETE ON sms_packagerule
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
"""

UNDO = """
DROP TRIGGER sms_packagerule_append_only ON sms_packagerule;
DELETE FROM sms_packagerule WHERE message_class IN ('METER_FAULT', 'FAULT_MO', 'METER_DATA');
ALTER TABLE sms_subscription DROP CONSTRAINT sms_subscription_months;
DROP TRIGGER sms_terms_append_only ON sms_packageterms;
DROP TRIGGER sms_terms_no_truncate ON sms_packageterms;
DROP TRIGGER sms_share_append_only ON sms_revenueshare;
DROP TRIGGER sms_share_no_truncate ON sms_revenueshare;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0003_operatorkey"),
        ("registry", "0001_initial"),
        ("sms", "0006_links"),
        ("audit", "0002_append_only"),
    ]

    operations = [
        migrations.CreateModel(
            name="PackagePlan",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=20, unique=True)),
                ("name", models.CharField(max_length=80)),
                (
                    "slot",
                    models.CharField(
                        choices=[("BASE", "The monthly package or a fleet plan"), ("DATA", "More data, on top")],
                        max_length=4,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PackageTerms",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("valid_from_date", models.DateField(help_text="First day of a month, WIB")),
                ("token_sms", models.PositiveSmallIntegerField()),
                ("sms_per_top_up", models.PositiveSmallIntegerField()),
                ("fault_sms", models.PositiveSmallIntegerField()),
                ("data_sms", models.PositiveSmallIntegerField()),
                ("block_days", models.JSONField(help_text="Days of the month on which a meter sends its block")),
                (
                    "meter_fault_sms",
                    models.PositiveSmallIntegerField(help_text="Of fault_sms: what the meter itself may send"),
                ),
                ("sms_price_idr", models.PositiveIntegerField()),
                ("package_price_idr", models.PositiveIntegerField(help_text="Nett, a month")),
                ("inquiry_price_idr", models.PositiveIntegerField(help_text="One premium SMS")),
                (
                    "token_overflow",
                    models.CharField(
                        choices=[
                            ("BORROW", "Take from another bucket"),
                            ("BLOCK", "Wait for the next month"),
                            ("BILL", "Pay for each SMS"),
                        ],
                        max_length=6,
                    ),
                ),
                (
                    "fault_overflow",
                    models.CharField(
                        choices=[
                            ("BORROW", "Take from another bucket"),
                            ("BLOCK", "Wait for the next month"),
                            ("BILL", "Pay for each SMS"),
                        ],
                        max_length=6,
                    ),
                ),
                (
                    "data_overflow",
                    models.CharField(
                        choices=[
                            ("BORROW", "Take from another bucket"),
                            ("BLOCK", "Wait for the next month"),
                            ("BILL", "Pay for each SMS"),
                        ],
                        max_length=6,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RevenueShare",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "of",
                    models.CharField(
                        choices=[
                            ("SMS", "The SMS of the package at the price of one"),
                            ("MARGIN", "What the package costs above its SMS"),
                            ("EXTRA", "SMS past the package"),
                            ("INQUIRY", "Premium inquiries"),
                        ],
                        max_length=8,
                    ),
                ),
                ("parts", models.PositiveSmallIntegerField(help_text="Of 10,000")),
            ],
        ),
        migrations.CreateModel(
            name="Subscription",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "slot",
                    models.CharField(
                        choices=[("BASE", "The monthly package or a fleet plan"), ("DATA", "More data, on top")],
                        max_length=4,
                    ),
                ),
                ("valid", django.contrib.postgres.fields.ranges.DateRangeField()),
            ],
        ),
        migrations.AddField(
            model_name="packagerule",
            name="bucket",
            field=models.CharField(
                blank=True, choices=[("TOKEN", "Top-ups"), ("FAULT", "Faults"), ("DATA", "Data")], max_length=5
            ),
        ),
        migrations.AlterField(
            model_name="outboundsegment",
            name="message_class",
            field=models.CharField(
                choices=[
                    ("METER_FRAME", "Frame to a meter"),
                    ("METER_PUSH", "Credit push from a meter"),
                    ("METER_FAULT", "A meter's word on its supply"),
                    ("METER_DATA", "A meter's data"),
                    ("METER_ANSWER", "A meter's answer to a frame"),
                    ("WARNING", "Low-credit or empty-credit warning"),
                    ("RECEIPT", "Receipt of a top-up, or its digits"),
                    ("REPLY", "Answer to a customer's question"),
                    ("NOTICE", "Outage or public-service notice"),
                    ("CUSTOMER_MO", "A customer's own SMS, charged to his phone"),
                    ("FAULT_MO", "A customer's fault report or question after it"),
                    ("UNKNOWN_MO", "SMS that belongs to nobody we know"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="packageentry",
            name="message_class",
            field=models.CharField(
                choices=[
                    ("METER_FRAME", "Frame to a meter"),
                    ("METER_PUSH", "Credit push from a meter"),
                    ("METER_FAULT", "A meter's word on its supply"),
                    ("METER_DATA", "A meter's data"),
                    ("METER_ANSWER", "A meter's answer to a frame"),
                    ("WARNING", "Low-credit or empty-credit warning"),
                    ("RECEIPT", "Receipt of a top-up, or its digits"),
                    ("REPLY", "Answer to a customer's question"),
                    ("NOTICE", "Outage or public-service notice"),
                    ("CUSTOMER_MO", "A customer's own SMS, charged to his phone"),
                    ("FAULT_MO", "A customer's fault report or question after it"),
                    ("UNKNOWN_MO", "SMS that belongs to nobody we know"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="packagerule",
            name="message_class",
            field=models.CharField(
                choices=[
                    ("METER_FRAME", "Frame to a meter"),
                    ("METER_PUSH", "Credit push from a meter"),
                    ("METER_FAULT", "A meter's word on its supply"),
                    ("METER_DATA", "A meter's data"),
                    ("METER_ANSWER", "A meter's answer to a frame"),
                    ("WARNING", "Low-credit or empty-credit warning"),
                    ("RECEIPT", "Receipt of a top-up, or its digits"),
                    ("REPLY", "Answer to a customer's question"),
                    ("NOTICE", "Outage or public-service notice"),
                    ("CUSTOMER_MO", "A customer's own SMS, charged to his phone"),
                    ("FAULT_MO", "A customer's fault report or question after it"),
                    ("UNKNOWN_MO", "SMS that belongs to nobody we know"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddIndex(
            model_name="packageentry",
            index=models.Index(
                fields=["month_date", "meter"],
                include=("message_class", "kind", "counts", "retry", "inbound"),
                name="sms_package_month_meter",
            ),
        ),
        migrations.AddConstraint(
            model_name="packageentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind__in", ["SETTLE", "RELEASE"]), models.Q(("segment", None), _negated=True)),
                fields=("segment",),
                name="sms_package_outcome_once",
            ),
        ),
        migrations.AddField(
            model_name="packageplan",
            name="data_operator",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.organisation"
            ),
        ),
        migrations.AddField(
            model_name="packageplan",
            name="operator",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.organisation"
            ),
        ),
        migrations.AddField(
            model_name="packageterms",
            name="plan",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="terms", to="sms.packageplan"
            ),
        ),
        migrations.AddField(
            model_name="revenueshare",
            name="party",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.organisation"
            ),
        ),
        migrations.AddField(
            model_name="revenueshare",
            name="terms",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="shares", to="sms.packageterms"
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="meter",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="sms_subscriptions", to="registry.meter"
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="plan",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="subscriptions", to="sms.packageplan"
            ),
        ),
        migrations.AddConstraint(
            model_name="packageterms",
            constraint=models.UniqueConstraint(fields=("plan", "valid_from_date"), name="sms_terms_once"),
        ),
        migrations.AddConstraint(
            model_name="packageterms",
            constraint=models.CheckConstraint(condition=models.Q(("valid_from_date__day", 1)), name="sms_terms_month"),
        ),
        migrations.AddConstraint(
            model_name="packageterms",
            constraint=models.CheckConstraint(
                condition=models.Q(("token_overflow", "BLOCK"), _negated=True), name="sms_terms_token_never_waits"
            ),
        ),
        migrations.AddConstraint(
            model_name="packageterms",
            constraint=models.CheckConstraint(
                condition=models.Q(("meter_fault_sms__lte", models.F("fault_sms"))), name="sms_terms_meter_faults"
            ),
        ),
        migrations.AddConstraint(
            model_name="revenueshare",
            constraint=models.UniqueConstraint(fields=("terms", "of", "party"), name="sms_share_once"),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                expressions=[("meter", "="), ("slot", "="), ("valid", "&&")], name="sms_subscription_once"
            ),
        ),
        migrations.RunSQL(SQL, UNDO),
    ]
