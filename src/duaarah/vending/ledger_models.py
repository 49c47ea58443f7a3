# SPDX-License-Identifier: Apache-2.0
"""The ledger's own tables: settlement, a channel's file against the books, limits and closing of a till, arrears."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from duaarah.people.models import Approval, Customer
from duaarah.registry.models import Meter
from duaarah.vending.models import Channel, LedgerEntry, Payment, Vend


class LedgerPolicy(models.Model):
    """Dated data: when the day of money ends, and how much of a nominal must stay energy. Append-only (trigger)."""

    from_date = models.DateField(unique=True, help_text="In WIB, until the next row")
    cutoff_from = models.TimeField(help_text="WIB: what is booked later belongs to the next settlement day")
    cutoff_until = models.TimeField(help_text="WIB, of the next day where it is earlier: then the day is settled")
    energy_parts = models.PositiveSmallIntegerField(help_text="Of 10,000 of a nominal: what instalments leave at least")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(energy_parts__gt=0, energy_parts__lte=10_000), name="vending_policy_some_energy"
            )
        ]


class ChannelLimits(models.Model):
    """Dated data: how much a channel may sell at once and in a day (WIB). Append-only (trigger); null is no limit."""

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="limits")
    from_date = models.DateField(help_text="In WIB, until the next row")
    purchase_idr = models.PositiveBigIntegerField(null=True)
    day_idr = models.PositiveBigIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "from_date"], name="vending_channel_limits_once")]


class Settlement(models.Model):
    """
    One channel's day of money at cut-off. Append-only (trigger).

    `sold_sen` is what its deposit paid, less what came back: PLN's. `commission_sen` is the channel's own. Both are of
    the entries that no earlier settlement has, so that what came late is in the next one.
    """

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="settlements")
    day_date = models.DateField(help_text="Settlement day, WIB")
    entries = models.PositiveIntegerField()
    purchases = models.PositiveIntegerField(help_text="Payments taken among them")
    filled_sen = models.BigIntegerField(help_text="Paid into the deposit")
    sold_sen = models.BigIntegerField()
    commission_sen = models.BigIntegerField()
    deposit_sen = models.BigIntegerField(
        help_text="The deposit after it: that of the settlement before, filled less sold; negative: PLN lent it"
    )
    made_at = models.DateTimeField(help_text="Business time")
    entry = models.OneToOneField(LedgerEntry, null=True, on_delete=models.PROTECT, related_name="settlement")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "day_date"], name="vending_settled_once")]


class SettledEntry(models.Model):
    """That an entry is in a settlement: once, ever. Append-only (trigger)."""

    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, primary_key=True, related_name="settled")
    settlement = models.ForeignKey(Settlement, on_delete=models.PROTECT, related_name="+")


class ChannelFileFormat(models.Model):
    """How a channel writes its file of sales: columns by their names in its head."""

    channel = models.OneToOneField(Channel, on_delete=models.PROTECT, primary_key=True, related_name="file_format")
    delimiter = models.CharField(max_length=1, default=";")
    encoding = models.CharField(max_length=20, default="utf-8-sig")
    reference_column = models.CharField(max_length=40, default="reference")
    meter_column = models.CharField(max_length=40, default="meter", help_text="Meter number or idpel")
    amount_column = models.CharField(max_length=40, default="nominal")
    at_column = models.CharField(max_length=40, default="time")
    pln_ref_column = models.CharField(max_length=40, blank=True, default="", help_text="Empty: the file has none")
    at_format = models.CharField(max_length=40, default="%Y-%m-%d %H:%M:%S")
    zone = models.CharField(max_length=40, default="Asia/Jakarta")


class ChannelReconciliation(models.Model):
    """A channel's file of one day against the books, as it was compared. Append-only (trigger)."""

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="reconciliations")
    day_date = models.DateField(help_text="WIB")
    file_name = models.CharField(max_length=80, blank=True)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the file")
    matched = models.PositiveIntegerField()
    matched_idr = models.BigIntegerField()
    ours_only = models.PositiveIntegerField()
    ours_only_idr = models.BigIntegerField()
    theirs_only = models.PositiveIntegerField()
    theirs_only_idr = models.BigIntegerField()
    different = models.PositiveIntegerField()
    different_idr = models.BigIntegerField(help_text="Theirs less ours")
    errors = models.PositiveIntegerField(help_text="Lines that cannot be read")
    made_by = models.CharField(max_length=80)
    made_at = models.DateTimeField(help_text="Business time")


class ChannelReconciliationLine(models.Model):
    """A line that does not agree. Append-only (trigger): what was done about it is a row of its own."""

    class List(models.TextChoices):
        OURS_ONLY = "OURS_ONLY", "Ours only"
        THEIRS_ONLY = "THEIRS_ONLY", "Theirs only"
        DIFFERENT = "DIFFERENT", "Different"
        ERROR = "ERROR", "Not readable"

    reconciliation = models.ForeignKey(ChannelReconciliation, on_delete=models.PROTECT, related_name="lines")
    list = models.CharField(max_length=12, choices=List.choices)
    row = models.PositiveIntegerField(null=True, help_text="Line of the file; its head is 1")
    reference = models.CharField(max_length=64, blank=True)
    payment = models.ForeignKey(Payment, null=True, on_delete=models.PROTECT, related_name="+")
    codes = models.CharField(
        max_length=40, blank=True, help_text="amount, meter, date, refunded; or why it is unreadable"
    )
    ours_idr = models.BigIntegerField(null=True)
    theirs_idr = models.BigIntegerField(null=True)
    ours_meter = models.CharField(max_length=13, blank=True)
    theirs_meter = models.CharField(max_length=20, blank=True)
    ours_at = models.DateTimeField(null=True)
    theirs_at = models.DateTimeField(null=True)


class LineResolution(models.Model):
    """What was done about a line, once. Append-only (trigger)."""

    class How(models.TextChoices):
        EXPLAINED = "EXPLAINED", "Explained"
        REFUND = "REFUND", "Returned to the deposit"
        WRITE_OFF = "WRITE_OFF", "Written off"

    line = models.OneToOneField(ChannelReconciliationLine, on_delete=models.PROTECT, related_name="resolution")
    how = models.CharField(max_length=10, choices=How.choices)
    reason = models.CharField(max_length=400)
    approval = models.OneToOneField(Approval, null=True, on_delete=models.PROTECT, related_name="+")
    entry = models.OneToOneField(LedgerEntry, null=True, on_delete=models.PROTECT, related_name="+")
    by = models.CharField(max_length=80)
    at = models.DateTimeField(help_text="Business time")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(how="EXPLAINED", approval=None, entry=None)
                | (~Q(how="EXPLAINED") & Q(approval__isnull=False, entry__isnull=False)),
                name="vending_resolution_second_person",
            )
        ]


class TillClosing(models.Model):
    """A gerai's end of day: the cash that was counted against what was sold since the closing before. Append-only."""

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="closings")
    sequence = models.PositiveIntegerField(help_text="1, 2 ... of this till")
    sales = models.PositiveIntegerField()
    expected_idr = models.BigIntegerField()
    counted_idr = models.PositiveBigIntegerField()
    commission_idr = models.PositiveBigIntegerField()
    note = models.CharField(max_length=400, blank=True)
    signed_by = models.CharField(max_length=80)
    closed_at = models.DateTimeField(help_text="Business time")
    entry = models.OneToOneField(LedgerEntry, null=True, on_delete=models.PROTECT, related_name="closing")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["channel", "sequence"], name="vending_closing_once"),
            models.CheckConstraint(
                condition=Q(expected_idr=F("counted_idr")) | ~Q(note=""), name="vending_closing_difference_noted"
            ),
        ]


class ClosedEntry(models.Model):
    """That a sale or a refund is in a till's closing: once, ever. Append-only (trigger)."""

    entry = models.OneToOneField(LedgerEntry, on_delete=models.PROTECT, primary_key=True, related_name="closed")
    closing = models.ForeignKey(TillClosing, on_delete=models.PROTECT, related_name="+")


class Arrears(models.Model):
    """
    What a customer or a meter owes and pays off with each purchase: P2TL, migration, unpaid items.

    `reserved_idr` is taken by purchases that have no token yet; a token moves it to `paid_idr`, a refund releases it.
    """

    class Rule(models.TextChoices):
        FIXED = "FIXED", "A fixed amount each time"
        SHARE = "SHARE", "A share of the nominal"

    meter = models.ForeignKey(Meter, null=True, on_delete=models.PROTECT, related_name="arrears")
    customer = models.ForeignKey(Customer, null=True, on_delete=models.PROTECT, related_name="arrears")
    reference = models.CharField(max_length=64, unique=True, help_text="Of the decision that it comes from")
    title = models.CharField(max_length=80)
    total_idr = models.PositiveBigIntegerField()
    paid_idr = models.PositiveBigIntegerField(default=0, db_default=0)
    reserved_idr = models.PositiveBigIntegerField(default=0, db_default=0)
    rule = models.CharField(max_length=5, choices=Rule.choices)
    amount_idr = models.PositiveBigIntegerField(null=True, help_text="Of FIXED")
    parts = models.PositiveSmallIntegerField(null=True, help_text="Of SHARE: of 10,000 of the nominal")
    rank = models.PositiveSmallIntegerField(default=1, db_default=1, help_text="The smallest is collected first")
    from_date = models.DateField(help_text="WIB; collected from this day on")
    open = models.BooleanField(default=True, db_default=True, help_text="False: paid, or written off")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(meter__isnull=True, customer__isnull=False) | Q(meter__isnull=False, customer__isnull=True),
                name="vending_arrears_of_one",
            ),
            models.CheckConstraint(
                condition=Q(total_idr__gte=F("paid_idr") + F("reserved_idr")), name="vending_arrears_not_over"
            ),
            models.CheckConstraint(
                condition=Q(rule="FIXED", amount_idr__gt=0, parts=None)
                | Q(rule="SHARE", parts__gt=0, parts__lte=10_000, amount_idr=None),
                name="vending_arrears_rule",
            ),
        ]
        indexes = [
            models.Index(fields=["meter"], name="vending_arrears_meter", condition=Q(open=True)),
            models.Index(fields=["customer"], name="vending_arrears_customer", condition=Q(open=True)),
        ]


class Instalment(models.Model):
    """What one purchase takes for one arrears: reserved when the money is taken, collected when the token is issued."""

    class State(models.TextChoices):
        RESERVED = "RESERVED", "Reserved"
        COLLECTED = "COLLECTED", "Collected"
        RELEASED = "RELEASED", "Released"

    arrears = models.ForeignKey(Arrears, on_delete=models.PROTECT, related_name="instalments")
    vend = models.ForeignKey(Vend, on_delete=models.PROTECT, related_name="instalments")
    amount_idr = models.PositiveBigIntegerField()
    state = models.CharField(max_length=9, choices=State.choices)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["arrears", "vend"], name="vending_instalment_once")]
