# SPDX-License-Identifier: Apache-2.0
"""The money protocol of a top-up: payment, quote, vend, token; and the books, in 1/100 rupiah (`_sen`)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from duaarah.headend.models import Command
from duaarah.people.models import AccountHolder, Approval, Organisation, Unit
from duaarah.registry.models import Meter


class Channel(models.Model):
    """Where money is taken: our wallet by SMS, web or API; a bank, switch or loket with a deposit; or elsewhere, notified."""

    class Kind(models.TextChoices):
        WALLET = "WALLET", "Paid from a wallet here"
        DEPOSIT = "DEPOSIT", "Paid from a channel's deposit here"
        ELSEWHERE = "ELSEWHERE", "Sold elsewhere, notified to us"
        COMPENSATION = "COMPENSATION", "Given by PLN, no money taken"

    code = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    secret_wrapped = models.BinaryField(max_length=200, null=True, help_text="HMAC secret of notifications")
    active = models.BooleanField(default=True)
    organisation = models.ForeignKey(Organisation, null=True, on_delete=models.PROTECT, related_name="channels")
    unit = models.ForeignKey(Unit, null=True, on_delete=models.PROTECT, related_name="channels", help_text="A gerai")


class ChannelTerms(models.Model):
    """Dated data: what a channel charges the customer on top, and what of it the channel keeps. Append-only (trigger)."""

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="terms")
    from_date = models.DateField(help_text="In WIB, until the next row")
    admin_idr = models.PositiveBigIntegerField()
    commission_idr = models.PositiveBigIntegerField(help_text="Of the admin fee")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["channel", "from_date"], name="vending_channel_terms_once"),
            models.CheckConstraint(
                condition=Q(commission_idr__lte=models.F("admin_idr")), name="vending_commission_within_admin"
            ),
        ]


class Deposit(models.Model):
    """What a channel has paid in advance; a balance that is a locked row instead of a sum, as a wallet is."""

    channel = models.OneToOneField(Channel, on_delete=models.PROTECT, primary_key=True, related_name="deposit")
    balance_sen = models.BigIntegerField()
    credit_sen = models.PositiveBigIntegerField(default=0, db_default=0, help_text="How far it may go below zero")
    day_date = models.DateField(null=True, help_text="WIB; the day that day_sen is of")
    day_sen = models.BigIntegerField(
        default=0, db_default=0, help_text="Taken on that day, refunds of that day left out"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(balance_sen__gte=-models.F("credit_sen")), name="vending_deposit_not_negative"
            )
        ]


class Payment(models.Model):
    """Money taken by us once: a channel's reference names one payment forever. No holder: it came from a deposit."""

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT)
    reference = models.CharField(max_length=64)
    holder = models.ForeignKey(AccountHolder, null=True, on_delete=models.PROTECT)
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT)
    amount_idr = models.PositiveBigIntegerField(help_text="The nominal")
    admin_idr = models.PositiveBigIntegerField()
    commission_idr = models.PositiveBigIntegerField(
        default=0, db_default=0, help_text="The channel's, of the admin fee"
    )
    taken_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["channel", "reference"], name="vending_payment_once"),
            models.CheckConstraint(condition=Q(amount_idr__gt=0), name="vending_payment_positive"),
        ]
        indexes = [models.Index(fields=["channel", "taken_at"], name="vending_payment_day")]


class Quote(models.Model):
    """How a nominal became energy: every line as it was known when the money was taken."""

    payment = models.OneToOneField(Payment, on_delete=models.PROTECT, related_name="quote")
    tariff_group = models.CharField(max_length=10)
    rate_idr_per_kwh = models.DecimalField(max_digits=10, decimal_places=2)
    ppj_rate = models.DecimalField(max_digits=6, decimal_places=4)
    ppn_rate = models.DecimalField(max_digits=6, decimal_places=4)
    stamp_sen = models.BigIntegerField()
    instalment_sen = models.BigIntegerField()
    ppj_sen = models.BigIntegerField()
    ppn_sen = models.BigIntegerField()
    stroom_sen = models.BigIntegerField()
    rounding_sen = models.BigIntegerField(help_text="Value of the rounding of energy, for the books")
    energy_wh = models.BigIntegerField()
    region = models.CharField(max_length=40, blank=True, db_default="", help_text="Whose PPJ; empty: not written down")
    contracted_va = models.PositiveIntegerField(null=True, help_text="On that day; NULL: not written down")
    discount_sen = models.BigIntegerField(db_default=0, help_text="What a programme paid on top of the nominal")


class TIDSequence(models.Model):
    """The latest TID given for a meter under a base date: row-locked, monotonic, shared by credit and engineering tokens."""

    meter = models.ForeignKey(Meter, on_delete=models.PROTECT)
    base_date = models.PositiveSmallIntegerField()
    latest_tid = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["meter", "base_date"], name="vending_tid_sequence_once")]


class KeyChange(models.Model):
    """One meter's way from one key to another: both configurations as they were approved, and what the meter said (ADR 7)."""

    class State(models.TextChoices):
        ORDERED = "ORDERED", "Approved, tokens to be made"
        LOADING = "LOADING", "Parts of the new key under way"
        CLOSING = "CLOSING", "Last part sent, the new key to be proven"
        CHANGED = "CHANGED", "The meter has proven its new key"
        FAILED = "FAILED", "The meter kept its old key"
        WITHDRAWN = "WITHDRAWN", "Withdrawn before the last part"

    request_id = models.UUIDField(unique=True, help_text="Idempotency key; the commands' ids grow from it")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="key_changes")
    approval = models.OneToOneField(Approval, on_delete=models.PROTECT)
    state = models.CharField(max_length=10, choices=State.choices)
    correlation = models.UUIDField(unique=True)
    old = models.JSONField(help_text="The key configuration before, every field of KeyTerms")
    new = models.JSONField(help_text="The key configuration after")
    rollover = models.BooleanField(help_text="RO: the meter clears its TID store")
    proof_tid = models.PositiveIntegerField(help_text="Of the token without energy that proves the new key")
    proof_rnd = models.PositiveSmallIntegerField()
    round = models.PositiveSmallIntegerField(default=1, help_text="How often the whole set was begun")
    ordered_at = models.DateTimeField(help_text="Business time")
    closed_at = models.DateTimeField(null=True, help_text="Business time")
    result = models.CharField(max_length=30, blank=True, help_text="Why it failed")
    obtain_attempts = models.PositiveSmallIntegerField(default=0)
    obtain_not_before_at = models.DateTimeField(help_text="Machine time: when the sweeper may ask for the tokens again")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["meter"],
                name="vending_one_key_change",
                condition=Q(state__in=["ORDERED", "LOADING", "CLOSING"]),
            )
        ]
        indexes = [models.Index(fields=["meter", "id"], name="vending_keychange_meter")]


class KeyChangePart(models.Model):
    """One token of a key change: a section by its class and subclass, or `proof`. The digits are never in a log."""

    PROOF, COMPLETING = "proof", "2.4"

    change = models.ForeignKey(KeyChange, on_delete=models.PROTECT, related_name="parts")
    step = models.CharField(max_length=5)
    digits = models.CharField(max_length=20)
    tries = models.PositiveSmallIntegerField(default=0, help_text="How many commands carried it")
    command = models.OneToOneField(Command, null=True, on_delete=models.PROTECT, related_name="key_part")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["change", "step"], name="vending_key_part_once")]


class Vend(models.Model):
    """One token to be, from the money to the meter's word. All that decides the 20 digits is stored before it is used."""

    class State(models.TextChoices):
        PAID = "PAID", "Money taken, no token yet"
        ISSUED = "ISSUED", "Token exists, the meter has not answered"
        LOADED = "LOADED", "The meter accepted it"
        REJECTED = "REJECTED", "The meter refused it"
        REFUNDED = "REFUNDED", "No token; the money went back"

    class Origin(models.TextChoices):
        OURS = "OURS", "Bought through us"
        ELSEWHERE = "ELSEWHERE", "Bought elsewhere, notified"

    request_id = models.UUIDField(unique=True, help_text="Idempotency key towards the token source")
    origin = models.CharField(max_length=10, choices=Origin.choices)
    payment = models.OneToOneField(Payment, null=True, on_delete=models.PROTECT, related_name="vend")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="vends")
    phone = models.CharField(max_length=15, help_text="Who gets the receipt")
    state = models.CharField(max_length=10, choices=State.choices)
    correlation = models.UUIDField(unique=True)
    drn = models.CharField(max_length=13)
    pan = models.CharField(max_length=18)
    base_date = models.PositiveSmallIntegerField()
    tid = models.PositiveIntegerField()
    rnd = models.PositiveSmallIntegerField()
    sts_register = models.CharField(max_length=40)
    dkga = models.CharField(max_length=2)
    ea = models.CharField(max_length=2)
    sgc = models.CharField(max_length=6)
    ti = models.CharField(max_length=2)
    krn = models.PositiveSmallIntegerField()
    kt = models.PositiveSmallIntegerField()
    ken = models.PositiveSmallIntegerField()
    requested_wh = models.BigIntegerField()
    encoded_wh = models.BigIntegerField(null=True, help_text="What the token's field says; never less than requested")
    paid_at = models.DateTimeField(help_text="Business time")
    issued_at = models.DateTimeField(null=True)
    digits_sent_at = models.DateTimeField(null=True, help_text="When the digits went to the customer instead")
    closed_at = models.DateTimeField(null=True)
    command = models.OneToOneField(Command, null=True, on_delete=models.PROTECT, related_name="vend")
    result = models.CharField(max_length=20, blank=True, help_text="The meter's word, by the standard's name")
    obtain_attempts = models.PositiveSmallIntegerField(default=0)
    obtain_not_before_at = models.DateTimeField(help_text="Machine time: when the sweeper may ask again")
    waits_for = models.ForeignKey(
        KeyChange,
        null=True,
        on_delete=models.PROTECT,
        db_index=False,
        help_text="No token before it is known which key the meter has",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["drn", "base_date", "tid"], name="vending_tid_once"),
            models.CheckConstraint(
                condition=Q(origin="OURS", payment__isnull=False) | Q(origin="ELSEWHERE", payment=None),
                name="vending_payment_iff_ours",
            ),
        ]
        indexes = [
            models.Index(fields=["obtain_not_before_at"], name="vending_vend_paid", condition=Q(state="PAID")),
            models.Index(
                fields=["issued_at"], name="vending_unconfirmed", condition=Q(state="ISSUED", digits_sent_at=None)
            ),
            models.Index(fields=["meter", "id"], name="vending_vend_meter"),
            models.Index(fields=["waits_for"], name="vending_waiting", condition=Q(waits_for__isnull=False)),
            models.Index(fields=["paid_at"], name="vending_open", condition=Q(state__in=["PAID", "ISSUED"])),
        ]


class Token(models.Model):
    """The 20 digits. Never in a log, never in the audit chain."""

    vend = models.OneToOneField(Vend, on_delete=models.PROTECT, related_name="token")
    digits = models.CharField(max_length=20, unique=True)
    energy_wh = models.BigIntegerField()
    created_at = models.DateTimeField()


class Notification(models.Model):
    """A signed word from elsewhere that a token was sold; the same notification id is the same sale."""

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT)
    notification_id = models.CharField(max_length=64)
    digest = models.BinaryField(max_length=32, help_text="SHA-256 of the signed body")
    received_at = models.DateTimeField(help_text="Business time")
    amount_idr = models.PositiveBigIntegerField()
    vend = models.OneToOneField(Vend, on_delete=models.PROTECT, related_name="notification")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "notification_id"], name="vending_notification_once")]


PLN_BOOK = "PLN"


class Account(models.Model):
    """
    A ledger account, by its code: `wallet:12`, `vending:pending`, `pln:stroom`, `pln:ppj` ...

    It stands in the books of one legal entity: `book` is PLN or the organisation's code.
    """

    code = models.CharField(max_length=60, unique=True)
    book = models.CharField(max_length=20, default=PLN_BOOK, db_default=PLN_BOOK)


class LedgerEntry(models.Model):
    """
    One booking in one entity's books; its lines sum to zero (deferred trigger). Append-only: a correction is a new entry.
    """

    class Kind(models.TextChoices):
        WALLET_FILLED = "WALLET_FILLED", "Wallet filled"
        PAYMENT_TAKEN = "PAYMENT_TAKEN", "Payment taken, token pending"
        TOKEN_ISSUED = "TOKEN_ISSUED", "Token issued"
        REFUND = "REFUND", "Payment returned"
        DEPOSIT_FILLED = "DEPOSIT_FILLED", "Deposit of a channel filled"
        REVERSAL = "REVERSAL", "Booking reversed"
        CONNECTION_FEE = "CONNECTION_FEE", "Connection fee (BP) paid"
        COMPENSATION = "COMPENSATION", "Compensation given as energy"
        WRITE_OFF = "WRITE_OFF", "Written off"
        SETTLEMENT = "SETTLEMENT", "Settled with a channel at cut-off"
        COMMISSION_PAID = "COMMISSION_PAID", "Commission paid out"
        TILL_CLOSED = "TILL_CLOSED", "Till of a gerai closed"
        BILL_PAID = "BILL_PAID", "Postpaid bill paid"
        INVOICE = "INVOICE", "Invoice of SMS packages"
        INVOICE_PAID = "INVOICE_PAID", "Invoice of SMS packages paid"
        SHARE_PAID = "SHARE_PAID", "Share of SMS packages paid on"

    book = models.CharField(max_length=20, default=PLN_BOOK, db_default=PLN_BOOK)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    at = models.DateTimeField()
    vend = models.ForeignKey(Vend, null=True, on_delete=models.PROTECT, related_name="ledger_entries")
    reference = models.CharField(max_length=80, unique=True, help_text="The deed that this entry books, once")

    class Meta:
        indexes = [models.Index(fields=["book", "at"], name="vending_entry_book_at")]


class LedgerLine(models.Model):
    entry = models.ForeignKey(LedgerEntry, on_delete=models.PROTECT, related_name="lines")
    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    amount_sen = models.BigIntegerField(help_text="Debit positive, credit negative")

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(amount_sen=0), name="vending_line_not_zero")]


class Wallet(models.Model):
    """A holder's prepaid money; one of the few balances that are a locked row instead of a sum."""

    holder = models.OneToOneField(AccountHolder, on_delete=models.PROTECT, primary_key=True, related_name="wallet")
    balance_sen = models.BigIntegerField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(balance_sen__gte=0), name="vending_wallet_not_negative")]


# The tables of the ledger, the sources and the interfaces are this feature's too; Django looks for models in this module only.
from duaarah.vending import ledger_models as ledger_models  # noqa: E402
from duaarah.vending import p2apst_models as p2apst_models  # noqa: E402
from duaarah.vending import ppob_models as ppob_models  # noqa: E402
from duaarah.vending import sts_models as sts_models  # noqa: E402
