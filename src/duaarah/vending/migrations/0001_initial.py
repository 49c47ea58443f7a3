# SPDX-License-Identifier: Apache-2.0
"""First schema."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("headend", "0001_initial"),
        ("people", "0001_initial"),
        ("registry", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Account",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=60, unique=True)),
            ],
        ),
        migrations.CreateModel(
            name="Channel",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=20, unique=True)),
                ("name", models.CharField(max_length=80)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("WALLET", "Paid from a wallet here"),
                            ("DEPOSIT", "Paid from a channel's deposit here"),
                            ("ELSEWHERE", "Sold elsewhere, notified to us"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "secret_wrapped",
                    models.BinaryField(help_text="HMAC secret of notifications", max_length=200, null=True),
                ),
                ("active", models.BooleanField(default=True)),
            ],
        ),
        migrations.CreateModel(
            name="Payment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reference", models.CharField(max_length=64)),
                ("amount_idr", models.PositiveBigIntegerField(help_text="The nominal")),
                ("admin_idr", models.PositiveBigIntegerField()),
                ("taken_at", models.DateTimeField()),
                ("channel", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="vending.channel")),
                (
                    "holder",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, to="people.accountholder"
                    ),
                ),
                ("meter", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="registry.meter")),
            ],
        ),
        migrations.CreateModel(
            name="Quote",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("tariff_group", models.CharField(max_length=10)),
                ("rate_idr_per_kwh", models.DecimalField(decimal_places=2, max_digits=10)),
                ("ppj_rate", models.DecimalField(decimal_places=4, max_digits=6)),
                ("ppn_rate", models.DecimalField(decimal_places=4, max_digits=6)),
                ("stamp_sen", models.BigIntegerField()),
                ("instalment_sen", models.BigIntegerField()),
                ("ppj_sen", models.BigIntegerField()),
                ("ppn_sen", models.BigIntegerField()),
                ("stroom_sen", models.BigIntegerField()),
                ("rounding_sen", models.BigIntegerField(help_text="Value of the rounding of energy, for the books")),
                ("energy_wh", models.BigIntegerField()),
                (
                    "payment",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="quote", to="vending.payment"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="TIDSequence",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("base_date", models.PositiveSmallIntegerField()),
                ("latest_tid", models.PositiveIntegerField()),
                ("meter", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="registry.meter")),
            ],
        ),
        migrations.CreateModel(
            name="Vend",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("request_id", models.UUIDField(help_text="Idempotency key towards the token source", unique=True)),
                (
                    "origin",
                    models.CharField(
                        choices=[("OURS", "Bought through us"), ("ELSEWHERE", "Bought elsewhere, notified")],
                        max_length=10,
                    ),
                ),
                ("phone", models.CharField(help_text="Who gets the receipt", max_length=15)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("PAID", "Money taken, no token yet"),
                            ("ISSUED", "Token exists, the meter has not answered"),
                            ("LOADED", "The meter accepted it"),
                            ("REJECTED", "The meter refused it"),
                            ("REFUNDED", "No token; the money went back"),
                        ],
                        max_length=10,
                    ),
                ),
                ("correlation", models.UUIDField(unique=True)),
                ("drn", models.CharField(max_length=13)),
                ("pan", models.CharField(max_length=18)),
                ("base_date", models.PositiveSmallIntegerField()),
                ("tid", models.PositiveIntegerField()),
                ("rnd", models.PositiveSmallIntegerField()),
                ("sts_register", models.CharField(max_length=40)),
                ("dkga", models.CharField(max_length=2)),
                ("ea", models.CharField(max_length=2)),
                ("sgc", models.CharField(max_length=6)),
                ("ti", models.CharField(max_length=2)),
                ("krn", models.PositiveSmallIntegerField()),
                ("kt", models.PositiveSmallIntegerField()),
                ("ken", models.PositiveSmallIntegerField()),
                ("requested_wh", models.BigIntegerField()),
                (
                    "encoded_wh",
                    models.BigIntegerField(
                        help_text="What the token's field says; never less than requested", null=True
                    ),
                ),
                ("paid_at", models.DateTimeField(help_text="Business time")),
                ("issued_at", models.DateTimeField(null=True)),
                (
                    "digits_sent_at",
                    models.DateTimeField(help_text="When the digits went to the customer instead", null=True),
                ),
                ("closed_at", models.DateTimeField(null=True)),
                (
                    "result",
                    models.CharField(blank=True, help_text="The meter's word, by the standard's name", max_length=20),
                ),
                ("obtain_attempts", models.PositiveSmallIntegerField(default=0)),
                (
                    "obtain_not_before_at",
                    models.DateTimeField(help_text="Machine time: when the sweeper may ask again"),
                ),
                (
                    "command",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="vend",
                        to="headend.command",
                    ),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="vends", to="registry.meter"
                    ),
                ),
                (
                    "payment",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="vend",
                        to="vending.payment",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Token",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digits", models.CharField(max_length=20, unique=True)),
                ("energy_wh", models.BigIntegerField()),
                ("created_at", models.DateTimeField()),
                (
                    "vend",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="token", to="vending.vend"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Notification",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("notification_id", models.CharField(max_length=64)),
                ("digest", models.BinaryField(help_text="SHA-256 of the signed body", max_length=32)),
                ("received_at", models.DateTimeField(help_text="Business time")),
                ("amount_idr", models.PositiveBigIntegerField()),
                ("channel", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="vending.channel")),
                (
                    "vend",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="notification", to="vending.vend"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="LedgerEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("WALLET_FILLED", "Wallet filled"),
                            ("PAYMENT_TAKEN", "Payment taken, token pending"),
                            ("TOKEN_ISSUED", "Token issued"),
                            ("REFUND", "Payment returned"),
                        ],
                        max_length=20,
                    ),
                ),
                ("at", models.DateTimeField()),
                (
                    "reference",
                    models.CharField(help_text="The deed that this entry books, once", max_length=80, unique=True),
                ),
                (
                    "vend",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="ledger_entries",
                        to="vending.vend",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Wallet",
            fields=[
                (
                    "holder",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="wallet",
                        serialize=False,
                        to="people.accountholder",
                    ),
                ),
                ("balance_sen", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("balance_sen__gte", 0)), name="vending_wallet_not_negative"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LedgerLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("amount_sen", models.BigIntegerField(help_text="Debit positive, credit negative")),
                ("account", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="vending.account")),
                (
                    "entry",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="lines", to="vending.ledgerentry"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("amount_sen", 0), _negated=True), name="vending_line_not_zero"
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.UniqueConstraint(fields=("channel", "reference"), name="vending_payment_once"),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_idr__gt", 0)), name="vending_payment_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="tidsequence",
            constraint=models.UniqueConstraint(fields=("meter", "base_date"), name="vending_tid_sequence_once"),
        ),
        migrations.AddIndex(
            model_name="vend",
            index=models.Index(
                condition=models.Q(("state", "PAID")), fields=["obtain_not_before_at"], name="vending_vend_paid"
            ),
        ),
        migrations.AddIndex(
            model_name="vend",
            index=models.Index(
                condition=models.Q(("digits_sent_at", None), ("state", "ISSUED")),
                fields=["issued_at"],
                name="vending_unconfirmed",
            ),
        ),
        migrations.AddIndex(
            model_name="vend",
            index=models.Index(fields=["meter", "id"], name="vending_vend_meter"),
        ),
        migrations.AddConstraint(
            model_name="vend",
            constraint=models.UniqueConstraint(fields=("drn", "base_date", "tid"), name="vending_tid_once"),
        ),
        migrations.AddConstraint(
            model_name="vend",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("origin", "OURS"), ("payment__isnull", False)),
                    models.Q(("origin", "ELSEWHERE"), ("payment", None)),
                    _connector="OR",
                ),
                name="vending_payment_iff_ours",
            ),
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.UniqueConstraint(fields=("channel", "notification_id"), name="vending_notification_once"),
        ),
    ]
