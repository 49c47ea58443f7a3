# SPDX-License-Identifier: Apache-2.0
"""Issued invoices, written once; files of records that wait to be compared; traffic by month reads an index."""

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

_TABLES = ("issuedinvoice", "issuedline", "issuedshare")
SQL = "".join(
    f"""
CREATE TRIGGER sms_{table}_append_only BEFORE UPDATE OR DELETE ON sms_{table}
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER sms_{table}_no_truncate BEFORE TRUNCATE ON sms_{table}
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
"""
    for table in _TABLES
)
UNDO = "".join(
    f"DROP TRIGGER sms_{table}_append_only ON sms_{table}; DROP TRIGGER sms_{table}_no_truncate ON sms_{table};"
    for table in _TABLES
)


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0003_operatorkey"),
        ("registry", "0003_delegations"),
        ("sms", "0010_daily_summary"),
    ]

    operations = [
        migrations.CreateModel(
            name="IssuedInvoice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "number",
                    models.CharField(help_text="Operator, month and the count within it", max_length=40, unique=True),
                ),
                ("month_date", models.DateField(help_text="First day of the package month, WIB")),
                ("sequence", models.PositiveSmallIntegerField(help_text="1, then its corrections")),
                ("reason", models.CharField(blank=True, help_text="Of a correction", max_length=400)),
                ("total_idr", models.BigIntegerField()),
                (
                    "open_sms",
                    models.PositiveIntegerField(help_text="Segments that nobody had decided; not charged here"),
                ),
                (
                    "digest",
                    models.CharField(
                        help_text="SHA-256 of lines and shares: what was looked at is what was issued", max_length=64
                    ),
                ),
                ("issued_by", models.CharField(max_length=80)),
                ("issued_at", models.DateTimeField(help_text="Business time")),
            ],
        ),
        migrations.CreateModel(
            name="IssuedLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("plan", models.CharField(max_length=20)),
                (
                    "of",
                    models.CharField(
                        choices=[
                            ("PACKAGE", "Packages sold"),
                            ("EXTRA", "SMS past the package"),
                            ("INQUIRY", "Premium inquiries"),
                        ],
                        max_length=8,
                    ),
                ),
                ("count", models.PositiveBigIntegerField()),
                ("price_idr", models.PositiveIntegerField()),
                ("amount_idr", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="IssuedShare",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("plan", models.CharField(max_length=20)),
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
                ("amount_idr", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="RecordFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("month_date", models.DateField()),
                ("name", models.CharField(max_length=120)),
                ("content", models.BinaryField()),
                ("octets", models.PositiveIntegerField()),
                ("rows", models.PositiveIntegerField(help_text="Lines of the file, its head too")),
                ("actor", models.CharField(max_length=80)),
                ("at", models.DateTimeField(help_text="Business time")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("WAITING", "Waits for its turn"),
                            ("RUNNING", "Is being compared"),
                            ("DONE", "Compared"),
                            ("FAILED", "Not compared"),
                        ],
                        default="WAITING",
                        max_length=8,
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("lease_until_at", models.DateTimeField(help_text="Machine time", null=True)),
                ("code", models.CharField(blank=True, max_length=40)),
                ("why", models.CharField(blank=True, max_length=200)),
            ],
        ),
        migrations.AddIndex(
            model_name="packageentry",
            index=models.Index(fields=["kind", "month_date"], name="sms_package_kind_month"),
        ),
        migrations.AddField(
            model_name="issuedinvoice",
            name="corrects",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="corrected_by",
                to="sms.issuedinvoice",
            ),
        ),
        migrations.AddField(
            model_name="issuedinvoice",
            name="operator",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.organisation"
            ),
        ),
        migrations.AddField(
            model_name="issuedline",
            name="invoice",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="lines", to="sms.issuedinvoice"
            ),
        ),
        migrations.AddField(
            model_name="issuedline",
            name="terms",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="sms.packageterms"
            ),
        ),
        migrations.AddField(
            model_name="issuedshare",
            name="invoice",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="shares", to="sms.issuedinvoice"
            ),
        ),
        migrations.AddField(
            model_name="issuedshare",
            name="party",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.organisation"
            ),
        ),
        migrations.AddField(
            model_name="issuedshare",
            name="terms",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="sms.packageterms"
            ),
        ),
        migrations.AddField(
            model_name="recordfile",
            name="operator",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.organisation"
            ),
        ),
        migrations.AddField(
            model_name="recordfile",
            name="reconciliation",
            field=models.OneToOneField(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="file", to="sms.reconciliation"
            ),
        ),
        migrations.AddConstraint(
            model_name="issuedinvoice",
            constraint=models.UniqueConstraint(fields=("operator", "month_date", "sequence"), name="sms_invoice_once"),
        ),
        migrations.AddConstraint(
            model_name="issuedinvoice",
            constraint=models.CheckConstraint(condition=models.Q(("month_date__day", 1)), name="sms_invoice_month"),
        ),
        migrations.AddConstraint(
            model_name="issuedinvoice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("corrects", None), ("sequence", 1)),
                    models.Q(("corrects__isnull", False), ("sequence__gt", 1), models.Q(("reason", ""), _negated=True)),
                    _connector="OR",
                ),
                name="sms_invoice_correction",
            ),
        ),
        migrations.AddConstraint(
            model_name="issuedline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "amount_idr",
                        django.db.models.expressions.CombinedExpression(models.F("count"), "*", models.F("price_idr")),
                    )
                ),
                name="sms_invoice_line_sum",
            ),
        ),
        migrations.RunSQL(SQL, UNDO),
    ]
