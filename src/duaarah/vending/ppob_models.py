# SPDX-License-Identifier: Apache-2.0
"""The PPOB host's tables: partners, their rules, inquiries, bills and their payments, unsold tokens, the journal."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from duaarah.registry.models import Meter
from duaarah.vending.models import Channel, Payment, Vend


class PPOBPartner(models.Model):
    """A bank or switch that connects (field 33). Its channel stands for it in the books; an empty list allows all."""

    class State(models.TextChoices):
        ACTIVE = "ACTIVE", "Active"
        BLOCKED = "BLOCKED", "Blocked"

    channel = models.OneToOneField(Channel, on_delete=models.PROTECT, related_name="partner")
    code = models.CharField(max_length=11, unique=True, help_text="Field 33")
    switchers = ArrayField(
        models.CharField(max_length=7), default=list, blank=True, help_text="Of field 48, beside its own code"
    )
    banks = ArrayField(models.CharField(max_length=11), default=list, blank=True, help_text="Of field 32")
    products = ArrayField(models.CharField(max_length=3), help_text="501 postpaid, 502 prepaid, 504 non-taglis")
    networks = ArrayField(
        models.CharField(max_length=43), default=list, blank=True, help_text="Addresses it connects from, as CIDR"
    )
    state = models.CharField(max_length=7, choices=State.choices, default=State.ACTIVE)
    access_from = models.TimeField(null=True, help_text="WIB; null: the whole day")
    access_until = models.TimeField(null=True, help_text="WIB; earlier than access_from: of the next day")
    made_at = models.DateTimeField(help_text="Business time")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(access_from=None, access_until=None)
                | Q(access_from__isnull=False, access_until__isnull=False),
                name="vending_ppob_access_whole",
            )
        ]


class PPOBPolicy(models.Model):
    """Dated data of the host. Append-only (trigger). The cut-off window is the ledger's (LedgerPolicy)."""

    from_date = models.DateField(unique=True, help_text="In WIB, until the next row")
    inquiries_max = models.PositiveSmallIntegerField(help_text="In a row without a purchase; then a number is blocked")
    block_s = models.PositiveIntegerField(help_text="For so long; silence of this length also ends a row")
    inquiry_valid_s = models.PositiveIntegerField(help_text="How long a PLN reference may be paid")
    answer_s = models.DecimalField(max_digits=5, decimal_places=2, help_text="Slower than this is answered 0068")
    unit_phone = models.CharField(max_length=15, help_text="Field 62")
    footer = models.CharField(max_length=200, blank=True, help_text="Field 63 of a receipt; empty: none")
    network_codes = models.JSONField(help_text="Field 40: code to sign_on, sign_off, echo or cut_off")


class PPOBInquiry(models.Model):
    """
    What an inquiry was answered; its PLN reference names the one purchase or payment that may follow.

    `voided_at`: an advice or reversal was told that nothing was paid, so nothing may be paid under it any more.
    """

    class Product(models.TextChoices):
        POSTPAID = "501", "Postpaid"
        PREPAID = "502", "Prepaid"
        NONTAGLIS = "504", "Non-taglis"

    pln_ref = models.CharField(max_length=32, unique=True)
    switcher_ref = models.CharField(max_length=32)
    partner = models.ForeignKey(PPOBPartner, on_delete=models.PROTECT, db_index=False, related_name="+")
    bank = models.CharField(max_length=11)
    product = models.CharField(max_length=3, choices=Product.choices)
    meter = models.ForeignKey(Meter, null=True, on_delete=models.PROTECT, db_index=False, related_name="+")
    number = models.CharField(max_length=13, help_text="Meter, registration number or idpel, as it was answered")
    idpel = models.CharField(max_length=12)
    admin_idr = models.PositiveBigIntegerField()
    total_idr = models.PositiveBigIntegerField(null=True, help_text="Of bills, without the admin fee")
    max_kwh = models.PositiveIntegerField(null=True, help_text="Of a meter, this month")
    at = models.DateTimeField(help_text="Business time")
    voided_at = models.DateTimeField(null=True, help_text="Business time")


class PPOBNumber(models.Model):
    """A meter's inquiries in a row; its row is locked by a purchase, so that two of one meter do not pass the cap."""

    meter = models.OneToOneField(Meter, on_delete=models.PROTECT, primary_key=True, related_name="+")
    inquiries = models.PositiveIntegerField()
    last_at = models.DateTimeField(help_text="Business time")
    blocked_until_at = models.DateTimeField(null=True, help_text="Business time")


class UnsoldToken(models.Model):
    """A token that its channel did not hand out: the money went back, the token waits for this meter and nominal."""

    vend = models.ForeignKey(Vend, on_delete=models.PROTECT, related_name="unsold")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="unsold_tokens")
    nominal_idr = models.PositiveBigIntegerField()
    kept_at = models.DateTimeField(help_text="Business time")
    reason = models.CharField(max_length=400)
    payment = models.OneToOneField(
        Payment, null=True, on_delete=models.PROTECT, related_name="resold", help_text="Who bought it in the end"
    )
    sold_at = models.DateTimeField(null=True, help_text="Business time")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["vend"], name="vending_unsold_once", condition=Q(payment=None)),
            models.CheckConstraint(
                condition=Q(payment=None, sold_at=None) | Q(payment__isnull=False, sold_at__isnull=False),
                name="vending_unsold_sold_whole",
            ),
        ]
        indexes = [models.Index(fields=["meter"], name="vending_unsold_meter", condition=Q(payment=None))]


class BillPayment(models.Model):
    """One payment of bills, by the PLN reference of its inquiry; what field 56 of a reversal names is kept with it."""

    inquiry = models.OneToOneField(PPOBInquiry, on_delete=models.PROTECT, related_name="bill_payment")
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="bill_payments")
    amount_idr = models.PositiveBigIntegerField(help_text="To PLN")
    admin_idr = models.PositiveBigIntegerField()
    commission_idr = models.PositiveBigIntegerField()
    trace = models.CharField(max_length=12, help_text="Field 11")
    sent = models.CharField(max_length=14, help_text="Field 12")
    bank = models.CharField(max_length=11, help_text="Field 32")
    paid_at = models.DateTimeField(help_text="Business time")
    reversed_at = models.DateTimeField(null=True, help_text="Business time")


class Registration(models.Model):
    """A bill that is no electricity (non-taglis): BP of a new connection or of more power, by its registration number."""

    number = models.CharField(max_length=13, unique=True)
    transaction_code = models.CharField(max_length=3, default="000")
    kind = models.CharField(max_length=4, help_text="PB, PD ...")
    transaction_name = models.CharField(max_length=25)
    registered_date = models.DateField()
    expires_date = models.DateField(help_text="The last day (WIB) on which it can be paid")
    idpel = models.CharField(max_length=12)
    name = models.CharField(max_length=25)
    unit = models.CharField(max_length=5)
    unit_address = models.CharField(max_length=35, blank=True)
    unit_phone = models.CharField(max_length=15, blank=True)
    details_idr = ArrayField(models.PositiveBigIntegerField(), help_text="Field 62; they make the bill")
    counter_only = models.BooleanField(default=False, help_text="Payable only at the utility's counter")
    paid = models.ForeignKey(BillPayment, null=True, on_delete=models.PROTECT, related_name="registrations")


class PostpaidBill(models.Model):
    """One month's bill of a postpaid customer."""

    idpel = models.CharField(max_length=12)
    period = models.CharField(max_length=6, help_text="YYYYMM")
    name = models.CharField(max_length=25)
    unit = models.CharField(max_length=5)
    segment = models.CharField(max_length=4)
    contracted_va = models.PositiveIntegerField()
    due_date = models.DateField()
    read_date = models.DateField()
    bill_idr = models.PositiveBigIntegerField()
    incentive_idr = models.BigIntegerField(default=0, help_text="Negative: taken off the bill")
    vat_idr = models.PositiveBigIntegerField(default=0)
    penalty_idr = models.PositiveBigIntegerField(default=0)
    reads = ArrayField(models.PositiveIntegerField(), help_text="Three pairs: previous and current")
    paid = models.ForeignKey(BillPayment, null=True, on_delete=models.PROTECT, related_name="bills")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["idpel", "period"], name="vending_postpaid_once")]

    @property
    def total_idr(self) -> int:
        """What is paid for it."""
        return self.bill_idr + self.incentive_idr + self.vat_idr + self.penalty_idr


class PPOBMessage(models.Model):
    """
    One message in or out, as it was on the wire but for the token's digits. Append-only (trigger).

    No answer leaves before its row is committed.
    """

    class Direction(models.TextChoices):
        IN = "IN", "Received"
        OUT = "OUT", "Sent"

    at = models.DateTimeField(help_text="Business time")
    partner = models.ForeignKey(PPOBPartner, null=True, on_delete=models.PROTECT, db_index=False, related_name="+")
    peer = models.CharField(max_length=60, help_text="Address and port")
    direction = models.CharField(max_length=3, choices=Direction.choices)
    kind = models.CharField(max_length=40, help_text="Or why it could not be read")
    trace = models.CharField(max_length=12, blank=True)
    pln_ref = models.CharField(max_length=32, blank=True)
    code = models.CharField(max_length=4, blank=True, help_text="Field 39 of an answer")
    text = models.CharField(max_length=2000)

    class Meta:
        indexes = [
            models.Index(fields=["partner", "-id"], name="vending_ppob_partner"),
            models.Index(fields=["pln_ref"], name="vending_ppob_ref", condition=~Q(pln_ref="")),
        ]
