# SPDX-License-Identifier: Apache-2.0
"""Deposits of channels, what they charge by date, and books per legal entity: no entry reaches into other books."""

import django.db.models.deletion
from django.db import migrations, models

SQL = """
CREATE OR REPLACE FUNCTION vending_entry_sums_to_zero() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    total numeric;
    own boolean;
BEGIN
    SELECT coalesce(sum(l.amount_sen), 0), bool_and(a.book = e.book) INTO total, own
    FROM vending_ledgerline l JOIN vending_account a ON a.id = l.account_id
        JOIN vending_ledgerentry e ON e.id = l.entry_id
    WHERE l.entry_id = NEW.entry_id;
    IF total <> 0 THEN
        RAISE EXCEPTION 'ledger entry % does not sum to zero', NEW.entry_id USING ERRCODE = 'check_violation';
    END IF;
    IF NOT own THEN
        RAISE EXCEPTION 'ledger entry % has accounts of other books', NEW.entry_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER vending_channelterms_append_only BEFORE UPDATE OR DELETE ON vending_channelterms
    FOR EACH ROW EXECUTE FUNCTION duaarah_refuse_change();
CREATE TRIGGER vending_channelterms_no_truncate BEFORE TRUNCATE ON vending_channelterms
    FOR EACH STATEMENT EXECUTE FUNCTION duaarah_refuse_change();
"""

UNDO = """
DROP TRIGGER vending_channelterms_append_only ON vending_channelterms;
DROP TRIGGER vending_channelterms_no_truncate ON vending_channelterms;
CREATE OR REPLACE FUNCTION vending_entry_sums_to_zero() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT coalesce(sum(amount_sen), 0) FROM vending_ledgerline WHERE entry_id = NEW.entry_id) <> 0 THEN
        RAISE EXCEPTION 'ledger entry % does not sum to zero', NEW.entry_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0003_operatorkey"),
        ("vending", "0006_sts_interface"),
        ("audit", "0002_append_only"),
    ]

    operations = [
        migrations.AddField(
            model_name="account",
            name="book",
            field=models.CharField(db_default="PLN", default="PLN", max_length=20),
        ),
        migrations.AddField(
            model_name="channel",
            name="organisation",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="channels",
                to="people.organisation",
            ),
        ),
        migrations.AddField(
            model_name="channel",
            name="unit",
            field=models.ForeignKey(
                help_text="A gerai",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="channels",
                to="people.unit",
            ),
        ),
        migrations.AddField(
            model_name="ledgerentry",
            name="book",
            field=models.CharField(db_default="PLN", default="PLN", max_length=20),
        ),
        migrations.AddField(
            model_name="payment",
            name="commission_idr",
            field=models.PositiveBigIntegerField(db_default=0, default=0, help_text="The channel's, of the admin fee"),
        ),
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
                ],
                max_length=20,
            ),
        ),
        migrations.CreateModel(
            name="Deposit",
            fields=[
                (
                    "channel",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="deposit",
                        serialize=False,
                        to="vending.channel",
                    ),
                ),
                ("balance_sen", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("balance_sen__gte", 0)), name="vending_deposit_not_negative"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ChannelTerms",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("from_date", models.DateField(help_text="In WIB, until the next row")),
                ("admin_idr", models.PositiveBigIntegerField()),
                ("commission_idr", models.PositiveBigIntegerField(help_text="Of the admin fee")),
                (
                    "channel",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="terms", to="vending.channel"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("channel", "from_date"), name="vending_channel_terms_once"),
                    models.CheckConstraint(
                        condition=models.Q(("commission_idr__lte", models.F("admin_idr"))),
                        name="vending_commission_within_admin",
                    ),
                ],
            },
        ),
        migrations.RunSQL(SQL, UNDO),
    ]
