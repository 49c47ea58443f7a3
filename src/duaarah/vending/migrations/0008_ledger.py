# SPDX-License-Identifier: Apache-2.0
"""Settlement at cut-off, a channel's file against the books, limits and closing of tills, arrears; the day of money as data."""

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

# 23:30 to 00:30 WIB is P2APST's cut-off window; instalments leave half of a nominal to energy.
SQL = """
INSERT INTO vending_ledgerpolicy (from_date, cutoff_from, cutoff_until, energy_parts)
VALUES ('2013-01-01', '23:30', '00:30', 5000);
"""
APPEND_ONLY = (
    "ledgerpolicy",
    "channellimits",
    "settlement",
    "settledentry",
    "channelreconciliation",
    "channelreconciliationline",
    "lineresolution",
    "tillclosing",
    "closedentry",
)
SQL += "".join(
    f"""
CREATE TRIGGER vending_{table}_append_only BEFORE UPDATE OR DELETE ON vending_{table}
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER vending_{table}_no_truncate BEFORE TRUNCATE ON vending_{table}
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
"""
    for table in APPEND_ONLY
)
UNDO = "".join(
    f"""
DROP TRIGGER vending_{table}_append_only ON vending_{table};
DROP TRIGGER vending_{table}_no_truncate ON vending_{table};
"""
    for table in APPEND_ONLY
)


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0003_operatorkey"),
        ("registry", "0006_sim_expiry"),
        ("vending", "0008_arrears_and_files"),
    ]

    operations = [
        migrations.AlterField(
            model_name="ledgerentry",
            name="kind",
            field=models.CharField(
                choices=[
                    ("WALLET_FILLED", "Wallet filled"),
                    ("PAYMENT_TAKEN", "Payment taken, token pending"),
                    ("TOKEN_ISSUED", "Token issued"),
                    ("REFUND", "Payment returned"),
                    ("DEPOSIT_FILLED", "Deposit of a channel filled"),
                    ("REVERSAL", "Booking reversed"),
                    ("CONNECTION_FEE", "Connection fee (BP) paid"),
                    ("COMPENSATION", "Compensation given as energy"),
                    ("WRITE_OFF", "Written off"),
                    ("SETTLEMENT", "Settled with a channel at cut-off"),
                    ("COMMISSION_PAID", "Commission paid out"),
                    ("TILL_CLOSED", "Till of a gerai closed"),
                    ("INVOICE", "Invoice of SMS packages"),
                    ("INVOICE_PAID", "Invoice of SMS packages paid"),
                    ("SHARE_PAID", "Share of SMS packages paid on"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddIndex(
            model_name="ledgerentry",
            index=models.Index(fields=["book", "at"], name="vending_entry_book_at"),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(fields=["channel", "taken_at"], name="vending_payment_day"),
        ),
        migrations.AddConstraint(
            model_name="deposit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "balance_sen__gte",
                        django.db.models.expressions.CombinedExpression(models.F("credit_sen"), "*", models.Value(-1)),
                    )
                ),
                name="vending_deposit_not_negative",
            ),
        ),
        migrations.AddField(
            model_name="arrears",
            name="customer",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="arrears", to="people.customer"
            ),
        ),
        migrations.AddField(
            model_name="arrears",
            name="meter",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="arrears", to="registry.meter"
            ),
        ),
        migrations.AddField(
            model_name="channellimits",
            name="channel",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="limits", to="vending.channel"
            ),
        ),
        migrations.AddField(
            model_name="channelreconciliation",
            name="channel",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="reconciliations", to="vending.channel"
            ),
        ),
        migrations.AddField(
            model_name="channelreconciliationline",
            name="payment",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="vending.payment"
            ),
        ),
        migrations.AddField(
            model_name="channelreconciliationline",
            name="reconciliation",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="lines", to="vending.channelreconciliation"
            ),
        ),
        migrations.AddField(
            model_name="instalment",
            name="arrears",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="instalments", to="vending.arrears"
            ),
        ),
        migrations.AddField(
            model_name="instalment",
            name="vend",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="instalments", to="vending.vend"
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("energy_parts__gt", 0), ("energy_parts__lte", 10000)),
                name="vending_policy_some_energy",
            ),
        ),
        migrations.AddField(
            model_name="lineresolution",
            name="approval",
            field=models.OneToOneField(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.approval"
            ),
        ),
        migrations.AddField(
            model_name="lineresolution",
            name="entry",
            field=models.OneToOneField(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="vending.ledgerentry"
            ),
        ),
        migrations.AddField(
            model_name="lineresolution",
            name="line",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="resolution",
                to="vending.channelreconciliationline",
            ),
        ),
        migrations.AddField(
            model_name="settlement",
            name="channel",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="settlements", to="vending.channel"
            ),
        ),
        migrations.AddField(
            model_name="settlement",
            name="entry",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="settlement",
                to="vending.ledgerentry",
            ),
        ),
        migrations.AddField(
            model_name="settledentry",
            name="settlement",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="vending.settlement"
            ),
        ),
        migrations.AddField(
            model_name="tillclosing",
            name="channel",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="closings", to="vending.channel"
            ),
        ),
        migrations.AddField(
            model_name="tillclosing",
            name="entry",
            field=models.OneToOneField(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="closing", to="vending.ledgerentry"
            ),
        ),
        migrations.AddField(
            model_name="closedentry",
            name="closing",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="vending.tillclosing"
            ),
        ),
        migrations.AddIndex(
            model_name="arrears",
            index=models.Index(condition=models.Q(("open", True)), fields=["meter"], name="vending_arrears_meter"),
        ),
        migrations.AddIndex(
            model_name="arrears",
            index=models.Index(
                condition=models.Q(("open", True)), fields=["customer"], name="vending_arrears_customer"
            ),
        ),
        migrations.AddConstraint(
            model_name="arrears",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("customer__isnull", False), ("meter__isnull", True)),
                    models.Q(("customer__isnull", True), ("meter__isnull", False)),
                    _connector="OR",
                ),
                name="vending_arrears_of_one",
            ),
        ),
        migrations.AddConstraint(
            model_name="arrears",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "total_idr__gte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("paid_idr"), "+", models.F("reserved_idr")
                        ),
                    )
                ),
                name="vending_arrears_not_over",
            ),
        ),
        migrations.AddConstraint(
            model_name="arrears",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("amount_idr__gt", 0), ("parts", None), ("rule", "FIXED")),
                    models.Q(("amount_idr", None), ("parts__gt", 0), ("parts__lte", 10000), ("rule", "SHARE")),
                    _connector="OR",
                ),
                name="vending_arrears_rule",
            ),
        ),
        migrations.AddConstraint(
            model_name="channellimits",
            constraint=models.UniqueConstraint(fields=("channel", "from_date"), name="vending_channel_limits_once"),
        ),
        migrations.AddConstraint(
            model_name="instalment",
            constraint=models.UniqueConstraint(fields=("arrears", "vend"), name="vending_instalment_once"),
        ),
        migrations.AddConstraint(
            model_name="lineresolution",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("approval", None), ("entry", None), ("how", "EXPLAINED")),
                    models.Q(
                        models.Q(("how", "EXPLAINED"), _negated=True),
                        ("approval__isnull", False),
                        ("entry__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="vending_resolution_second_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="settlement",
            constraint=models.UniqueConstraint(fields=("channel", "day_date"), name="vending_settled_once"),
        ),
        migrations.AddConstraint(
            model_name="tillclosing",
            constraint=models.UniqueConstraint(fields=("channel", "sequence"), name="vending_closing_once"),
        ),
        migrations.AddConstraint(
            model_name="tillclosing",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("expected_idr", models.F("counted_idr")), models.Q(("note", ""), _negated=True), _connector="OR"
                ),
                name="vending_closing_difference_noted",
            ),
        ),
        migrations.RunSQL(SQL, UNDO),
    ]
