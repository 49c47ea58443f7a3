# SPDX-License-Identifier: Apache-2.0
"""The ledger's own tables, first half: arrears, limits, a channel's file against the books; the rest is 0008_ledger."""

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0003_operatorkey"),
        ("registry", "0006_sim_expiry"),
        ("vending", "0007_deposits_and_books"),
    ]

    operations = [
        migrations.CreateModel(
            name="Arrears",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "reference",
                    models.CharField(help_text="Of the decision that it comes from", max_length=64, unique=True),
                ),
                ("title", models.CharField(max_length=80)),
                ("total_idr", models.PositiveBigIntegerField()),
                ("paid_idr", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("reserved_idr", models.PositiveBigIntegerField(db_default=0, default=0)),
                (
                    "rule",
                    models.CharField(
                        choices=[("FIXED", "A fixed amount each time"), ("SHARE", "A share of the nominal")],
                        max_length=5,
                    ),
                ),
                ("amount_idr", models.PositiveBigIntegerField(help_text="Of FIXED", null=True)),
                ("parts", models.PositiveSmallIntegerField(help_text="Of SHARE: of 10,000 of the nominal", null=True)),
                (
                    "rank",
                    models.PositiveSmallIntegerField(
                        db_default=1, default=1, help_text="The smallest is collected first"
                    ),
                ),
                ("from_date", models.DateField(help_text="WIB; collected from this day on")),
                ("open", models.BooleanField(db_default=True, default=True, help_text="False: paid, or written off")),
            ],
        ),
        migrations.CreateModel(
            name="ChannelFileFormat",
            fields=[
                (
                    "channel",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="file_format",
                        serialize=False,
                        to="vending.channel",
                    ),
                ),
                ("delimiter", models.CharField(default=";", max_length=1)),
                ("encoding", models.CharField(default="utf-8-sig", max_length=20)),
                ("reference_column", models.CharField(default="reference", max_length=40)),
                ("meter_column", models.CharField(default="meter", help_text="Meter number or idpel", max_length=40)),
                ("amount_column", models.CharField(default="nominal", max_length=40)),
                ("at_column", models.CharField(default="time", max_length=40)),
                (
                    "pln_ref_column",
                    models.CharField(blank=True, default="", help_text="Empty: the file has none", max_length=40),
                ),
                ("at_format", models.CharField(default="%Y-%m-%d %H:%M:%S", max_length=40)),
                ("zone", models.CharField(default="Asia/Jakarta", max_length=40)),
            ],
        ),
        migrations.CreateModel(
            name="ChannelLimits",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("from_date", models.DateField(help_text="In WIB, until the next row")),
                ("purchase_idr", models.PositiveBigIntegerField(null=True)),
                ("day_idr", models.PositiveBigIntegerField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="ChannelReconciliation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day_date", models.DateField(help_text="WIB")),
                ("file_name", models.CharField(blank=True, max_length=80)),
                ("digest", models.CharField(help_text="SHA-256 of the file", max_length=64)),
                ("matched", models.PositiveIntegerField()),
                ("matched_idr", models.BigIntegerField()),
                ("ours_only", models.PositiveIntegerField()),
                ("ours_only_idr", models.BigIntegerField()),
                ("theirs_only", models.PositiveIntegerField()),
                ("theirs_only_idr", models.BigIntegerField()),
                ("different", models.PositiveIntegerField()),
                ("different_idr", models.BigIntegerField(help_text="Theirs less ours")),
                ("errors", models.PositiveIntegerField(help_text="Lines that cannot be read")),
                ("made_by", models.CharField(max_length=80)),
                ("made_at", models.DateTimeField(help_text="Business time")),
            ],
        ),
        migrations.CreateModel(
            name="ChannelReconciliationLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "list",
                    models.CharField(
                        choices=[
                            ("OURS_ONLY", "Ours only"),
                            ("THEIRS_ONLY", "Theirs only"),
                            ("DIFFERENT", "Different"),
                            ("ERROR", "Not readable"),
                        ],
                        max_length=12,
                    ),
                ),
                ("row", models.PositiveIntegerField(help_text="Line of the file; its head is 1", null=True)),
                ("reference", models.CharField(blank=True, max_length=64)),
                (
                    "codes",
                    models.CharField(
                        blank=True, help_text="amount, meter, date, refunded; or why it is unreadable", max_length=40
                    ),
                ),
                ("ours_idr", models.BigIntegerField(null=True)),
                ("theirs_idr", models.BigIntegerField(null=True)),
                ("ours_meter", models.CharField(blank=True, max_length=13)),
                ("theirs_meter", models.CharField(blank=True, max_length=20)),
                ("ours_at", models.DateTimeField(null=True)),
                ("theirs_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="ClosedEntry",
            fields=[
                (
                    "entry",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="closed",
                        serialize=False,
                        to="vending.ledgerentry",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Instalment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("amount_idr", models.PositiveBigIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[("RESERVED", "Reserved"), ("COLLECTED", "Collected"), ("RELEASED", "Released")],
                        max_length=9,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="LedgerPolicy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("from_date", models.DateField(help_text="In WIB, until the next row", unique=True)),
                (
                    "cutoff_from",
                    models.TimeField(help_text="WIB: what is booked later belongs to the next settlement day"),
                ),
                (
                    "cutoff_until",
                    models.TimeField(help_text="WIB, of the next day where it is earlier: then the day is settled"),
                ),
                (
                    "energy_parts",
                    models.PositiveSmallIntegerField(
                        help_text="Of 10,000 of a nominal: what instalments leave at least"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="LineResolution",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "how",
                    models.CharField(
                        choices=[
                            ("EXPLAINED", "Explained"),
                            ("REFUND", "Returned to the deposit"),
                            ("WRITE_OFF", "Written off"),
                        ],
                        max_length=10,
                    ),
                ),
                ("reason", models.CharField(max_length=400)),
                ("by", models.CharField(max_length=80)),
                ("at", models.DateTimeField(help_text="Business time")),
            ],
        ),
        migrations.CreateModel(
            name="SettledEntry",
            fields=[
                (
                    "entry",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="settled",
                        serialize=False,
                        to="vending.ledgerentry",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Settlement",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day_date", models.DateField(help_text="Settlement day, WIB")),
                ("entries", models.PositiveIntegerField()),
                ("purchases", models.PositiveIntegerField(help_text="Payments taken among them")),
                ("filled_sen", models.BigIntegerField(help_text="Paid into the deposit")),
                ("sold_sen", models.BigIntegerField()),
                ("commission_sen", models.BigIntegerField()),
                (
                    "deposit_sen",
                    models.BigIntegerField(
                        help_text="The deposit after it: that of the settlement before, filled less sold; negative: PLN lent it"
                    ),
                ),
                ("made_at", models.DateTimeField(help_text="Business time")),
            ],
        ),
        migrations.CreateModel(
            name="TillClosing",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sequence", models.PositiveIntegerField(help_text="1, 2 ... of this till")),
                ("sales", models.PositiveIntegerField()),
                ("expected_idr", models.BigIntegerField()),
                ("counted_idr", models.PositiveBigIntegerField()),
                ("commission_idr", models.PositiveBigIntegerField()),
                ("note", models.CharField(blank=True, max_length=400)),
                ("signed_by", models.CharField(max_length=80)),
                ("closed_at", models.DateTimeField(help_text="Business time")),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="deposit",
            name="vending_deposit_not_negative",
        ),
        migrations.AddField(
            model_name="deposit",
            name="credit_sen",
            field=models.PositiveBigIntegerField(db_default=0, default=0, help_text="How far it may go below zero"),
        ),
        migrations.AddField(
            model_name="deposit",
            name="day_date",
            field=models.DateField(help_text="WIB; the day that day_sen is of", null=True),
        ),
        migrations.AddField(
            model_name="deposit",
            name="day_sen",
            field=models.BigIntegerField(
                db_default=0, default=0, help_text="Taken on that day, refunds of that day left out"
            ),
        ),
        migrations.AlterField(
            model_name="channel",
            name="kind",
            field=models.CharField(
                choices=[
                    ("WALLET", "Paid from a wallet here"),
                    ("DEPOSIT", "Paid from a channel's deposit here"),
                    ("ELSEWHERE", "Sold elsewhere, notified to us"),
                    ("COMPENSATION", "Given by PLN, no money taken"),
                ],
                max_length=12,
            ),
        ),
    ]
