# SPDX-License-Identifier: Apache-2.0
"""The PPOB host: partners, inquiries, bills, unsold tokens."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0006_sim_expiry"),
        ("vending", "0012_prices"),
    ]

    operations = [
        migrations.CreateModel(
            name="PPOBNumber",
            fields=[
                (
                    "meter",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="registry.meter",
                    ),
                ),
                ("inquiries", models.PositiveIntegerField()),
                ("last_at", models.DateTimeField(help_text="Business time")),
                ("blocked_until_at", models.DateTimeField(help_text="Business time", null=True)),
            ],
        ),
        migrations.CreateModel(
            name="PPOBPolicy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("from_date", models.DateField(help_text="In WIB, until the next row", unique=True)),
                (
                    "inquiries_max",
                    models.PositiveSmallIntegerField(help_text="In a row without a purchase; then a number is blocked"),
                ),
                (
                    "block_s",
                    models.PositiveIntegerField(help_text="For so long; silence of this length also ends a row"),
                ),
                ("inquiry_valid_s", models.PositiveIntegerField(help_text="How long a PLN reference may be paid")),
                (
                    "answer_s",
                    models.DecimalField(decimal_places=2, help_text="Slower than this is answered 0068", max_digits=5),
                ),
                ("unit_phone", models.CharField(help_text="Field 62", max_length=15)),
                (
                    "footer",
                    models.CharField(blank=True, help_text="Field 63 of a receipt; empty: none", max_length=200),
                ),
                ("network_codes", models.JSONField(help_text="Field 40: code to sign_on, sign_off, echo or cut_off")),
            ],
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
                    ("REVERSAL", "Booking reversed"),
                    ("CONNECTION_FEE", "Connection fee (BP) paid"),
                    ("COMPENSATION", "Compensation given as energy"),
                    ("WRITE_OFF", "Written off"),
                    ("SETTLEMENT", "Settled with a channel at cut-off"),
                    ("COMMISSION_PAID", "Commission paid out"),
                    ("TILL_CLOSED", "Till of a gerai closed"),
                    ("BILL_PAID", "Postpaid bill paid"),
                    ("INVOICE", "Invoice of SMS packages"),
                    ("INVOICE_PAID", "Invoice of SMS packages paid"),
                    ("SHARE_PAID", "Share of SMS packages paid on"),
                ],
                max_length=20,
            ),
        ),
        migrations.CreateModel(
            name="PPOBInquiry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("pln_ref", models.CharField(max_length=32, unique=True)),
                ("switcher_ref", models.CharField(max_length=32)),
                ("bank", models.CharField(max_length=11)),
                (
                    "product",
                    models.CharField(
                        choices=[("501", "Postpaid"), ("502", "Prepaid"), ("504", "Non-taglis")], max_length=3
                    ),
                ),
                (
                    "number",
                    models.CharField(
                        help_text="Meter, registration number or idpel, as it was answered", max_length=13
                    ),
                ),
                ("idpel", models.CharField(max_length=12)),
                ("admin_idr", models.PositiveBigIntegerField()),
                ("total_idr", models.PositiveBigIntegerField(help_text="Of bills, without the admin fee", null=True)),
                ("max_kwh", models.PositiveIntegerField(help_text="Of a meter, this month", null=True)),
                ("at", models.DateTimeField(help_text="Business time")),
                ("voided_at", models.DateTimeField(help_text="Business time", null=True)),
                (
                    "meter",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="registry.meter",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="BillPayment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("amount_idr", models.PositiveBigIntegerField(help_text="To PLN")),
                ("admin_idr", models.PositiveBigIntegerField()),
                ("commission_idr", models.PositiveBigIntegerField()),
                ("trace", models.CharField(help_text="Field 11", max_length=12)),
                ("sent", models.CharField(help_text="Field 12", max_length=14)),
                ("bank", models.CharField(help_text="Field 32", max_length=11)),
                ("paid_at", models.DateTimeField(help_text="Business time")),
                ("reversed_at", models.DateTimeField(help_text="Business time", null=True)),
                (
                    "channel",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="bill_payments", to="vending.channel"
                    ),
                ),
                (
                    "inquiry",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="bill_payment",
                        to="vending.ppobinquiry",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PPOBPartner",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(help_text="Field 33", max_length=11, unique=True)),
                (
                    "switchers",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=7),
                        blank=True,
                        default=list,
                        help_text="Of field 48, beside its own code",
                        size=None,
                    ),
                ),
                (
                    "banks",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=11),
                        blank=True,
                        default=list,
                        help_text="Of field 32",
                        size=None,
                    ),
                ),
                (
                    "products",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=3),
                        help_text="501 postpaid, 502 prepaid, 504 non-taglis",
                        size=None,
                    ),
                ),
                (
                    "networks",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=43),
                        blank=True,
                        default=list,
                        help_text="Addresses it connects from, as CIDR",
                        size=None,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("ACTIVE", "Active"), ("BLOCKED", "Blocked")], default="ACTIVE", max_length=7
                    ),
                ),
                ("access_from", models.TimeField(help_text="WIB; null: the whole day", null=True)),
                (
                    "access_until",
                    models.TimeField(help_text="WIB; earlier than access_from: of the next day", null=True),
                ),
                ("made_at", models.DateTimeField(help_text="Business time")),
                (
                    "channel",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="partner", to="vending.channel"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PPOBMessage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(help_text="Business time")),
                ("peer", models.CharField(help_text="Address and port", max_length=60)),
                ("direction", models.CharField(choices=[("IN", "Received"), ("OUT", "Sent")], max_length=3)),
                ("kind", models.CharField(help_text="Or why it could not be read", max_length=40)),
                ("trace", models.CharField(blank=True, max_length=12)),
                ("pln_ref", models.CharField(blank=True, max_length=32)),
                ("code", models.CharField(blank=True, help_text="Field 39 of an answer", max_length=4)),
                ("text", models.CharField(max_length=2000)),
                (
                    "partner",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="vending.ppobpartner",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="ppobinquiry",
            name="partner",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="vending.ppobpartner"
            ),
        ),
        migrations.CreateModel(
            name="Registration",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.CharField(max_length=13, unique=True)),
                ("transaction_code", models.CharField(default="000", max_length=3)),
                ("kind", models.CharField(help_text="PB, PD ...", max_length=4)),
                ("transaction_name", models.CharField(max_length=25)),
                ("registered_date", models.DateField()),
                ("expires_date", models.DateField(help_text="The last day (WIB) on which it can be paid")),
                ("idpel", models.CharField(max_length=12)),
                ("name", models.CharField(max_length=25)),
                ("unit", models.CharField(max_length=5)),
                ("unit_address", models.CharField(blank=True, max_length=35)),
                ("unit_phone", models.CharField(blank=True, max_length=15)),
                (
                    "details_idr",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveBigIntegerField(), help_text="Field 62; they make the bill", size=None
                    ),
                ),
                ("counter_only", models.BooleanField(default=False, help_text="Payable only at the utility's counter")),
                (
                    "paid",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="registrations",
                        to="vending.billpayment",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="UnsoldToken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("nominal_idr", models.PositiveBigIntegerField()),
                ("kept_at", models.DateTimeField(help_text="Business time")),
                ("reason", models.CharField(max_length=400)),
                ("sold_at", models.DateTimeField(help_text="Business time", null=True)),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="unsold_tokens", to="registry.meter"
                    ),
                ),
                (
                    "payment",
                    models.OneToOneField(
                        help_text="Who bought it in the end",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="resold",
                        to="vending.payment",
                    ),
                ),
                (
                    "vend",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="unsold", to="vending.vend"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PostpaidBill",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("idpel", models.CharField(max_length=12)),
                ("period", models.CharField(help_text="YYYYMM", max_length=6)),
                ("name", models.CharField(max_length=25)),
                ("unit", models.CharField(max_length=5)),
                ("segment", models.CharField(max_length=4)),
                ("contracted_va", models.PositiveIntegerField()),
                ("due_date", models.DateField()),
                ("read_date", models.DateField()),
                ("bill_idr", models.PositiveBigIntegerField()),
                ("incentive_idr", models.BigIntegerField(default=0, help_text="Negative: taken off the bill")),
                ("vat_idr", models.PositiveBigIntegerField(default=0)),
                ("penalty_idr", models.PositiveBigIntegerField(default=0)),
                (
                    "reads",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveIntegerField(),
                        help_text="Three pairs: previous and current",
                        size=None,
                    ),
                ),
                (
                    "paid",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="bills",
                        to="vending.billpayment",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("idpel", "period"), name="vending_postpaid_once")],
            },
        ),
        migrations.AddConstraint(
            model_name="ppobpartner",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("access_from", None), ("access_until", None)),
                    models.Q(("access_from__isnull", False), ("access_until__isnull", False)),
                    _connector="OR",
                ),
                name="vending_ppob_access_whole",
            ),
        ),
        migrations.AddIndex(
            model_name="ppobmessage",
            index=models.Index(fields=["partner", "-id"], name="vending_ppob_partner"),
        ),
        migrations.AddIndex(
            model_name="ppobmessage",
            index=models.Index(
                condition=models.Q(("pln_ref", ""), _negated=True), fields=["pln_ref"], name="vending_ppob_ref"
            ),
        ),
        migrations.AddIndex(
            model_name="unsoldtoken",
            index=models.Index(condition=models.Q(("payment", None)), fields=["meter"], name="vending_unsold_meter"),
        ),
        migrations.AddConstraint(
            model_name="unsoldtoken",
            constraint=models.UniqueConstraint(
                condition=models.Q(("payment", None)), fields=("vend",), name="vending_unsold_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="unsoldtoken",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("payment", None), ("sold_at", None)),
                    models.Q(("payment__isnull", False), ("sold_at__isnull", False)),
                    _connector="OR",
                ),
                name="vending_unsold_sold_whole",
            ),
        ),
    ]
