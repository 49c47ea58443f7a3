# SPDX-License-Identifier: Apache-2.0
"""SMPP links and every segment that crosses them. The row an operator sees is the queue itself."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from duaarah.people.models import Organisation
from duaarah.registry.models import Meter
from duaarah.sms.bind_models import BindDraft, BindTrial
from duaarah.sms.invoice_models import IssuedInvoice, IssuedLine, IssuedShare
from duaarah.sms.package_models import (
    PackageBucket,
    PackageOverflow,
    PackagePlan,
    PackageTerms,
    RevenueShare,
    Subscription,
)
from duaarah.sms.reconciliation_models import Reconciliation, ReconciliationLine, RecordFile, RecordFormat

__all__ = [
    "Bind",
    "BindDraft",
    "BindTrial",
    "InboundSms",
    "IssuedInvoice",
    "IssuedLine",
    "IssuedShare",
    "MessageClass",
    "OutboundSegment",
    "PackageBucket",
    "PackageEntry",
    "PackageOverflow",
    "PackagePlan",
    "PackageRule",
    "PackageTerms",
    "Priority",
    "Receipt",
    "Reconciliation",
    "ReconciliationLine",
    "RecordFile",
    "RecordFormat",
    "RevenueShare",
    "Subscription",
]


class MessageClass(models.TextChoices):
    """Why a segment crosses the network; the dated package rules say which of them count."""

    METER_FRAME = "METER_FRAME", "Frame to a meter"
    METER_PUSH = "METER_PUSH", "Credit push from a meter"
    METER_FAULT = "METER_FAULT", "A meter's word on its supply"
    METER_DATA = "METER_DATA", "A meter's data"
    METER_ANSWER = "METER_ANSWER", "A meter's answer to a frame"
    WARNING = "WARNING", "Low-credit or empty-credit warning"
    RECEIPT = "RECEIPT", "Receipt of a top-up, or its digits"
    REPLY = "REPLY", "Answer to a customer's question"
    NOTICE = "NOTICE", "Outage or public-service notice"
    CUSTOMER_MO = "CUSTOMER_MO", "A customer's own SMS, charged to his phone"
    FAULT_MO = "FAULT_MO", "A customer's fault report or question after it"
    UNKNOWN_MO = "UNKNOWN_MO", "SMS that belongs to nobody we know"


class Priority(models.IntegerChoices):
    """Lower goes first: token and switching before fault, before low credit, before data."""

    TOKEN = 0
    REPLY = 1
    FAULT = 2
    LOW_CREDIT = 3
    DATA = 4


class Bind(models.Model):
    """One SMPP bind to a mobile operator's SMSC, all of it data; one worker at a time holds it by an advisory lock."""

    class Kind(models.TextChoices):
        TRX = "TRX", "Transceiver"
        TX = "TX", "Transmitter"
        RX = "RX", "Receiver"

    class IdBase(models.TextChoices):
        NORMAL = "NORMAL", "Letters' case and leading zeros do not matter"
        AS_IS = "AS_IS", "Exactly as written"
        HEX_RESPONSE = "HEX_RESPONSE", "Hexadecimal in the response, decimal in the receipt"
        DEC_RESPONSE = "DEC_RESPONSE", "Decimal in the response, hexadecimal in the receipt"
        ANY = "ANY", "Unknown: every spelling is tried, the exact one first"

    class Dialect(models.TextChoices):
        BOTH = "BOTH", "TLVs first, then the text"
        TLV = "TLV", "TLVs only"
        TEXT = "TEXT", "Text only"

    class Alphabet(models.TextChoices):
        GSM = "GSM", "GSM 03.38, one octet a character"
        LATIN1 = "LATIN1", "Latin-1 or ASCII"

    class LongText(models.TextChoices):
        PARTS = "PARTS", "Parts with a user data header"
        PAYLOAD = "PAYLOAD", "One message_payload, where no package counts it"

    name = models.CharField(max_length=40, unique=True)
    kind = models.CharField(max_length=3, choices=Kind.choices, default=Kind.TRX)
    bind_group = models.CharField(max_length=40, blank=True, help_text="Binds that share receipts; empty: by itself")
    operator = models.ForeignKey(Organisation, on_delete=models.PROTECT)
    host = models.CharField(max_length=120)
    port = models.PositiveIntegerField()
    tls = models.BooleanField(default=False)
    tls_ca = models.TextField(blank=True, help_text="PEM; empty: the system's own authorities")
    tls_pin = models.CharField(
        max_length=64, blank=True, help_text="SHA-256 of the certificate in hex; replaces the CA"
    )
    system_id = models.CharField(max_length=15)
    system_type = models.CharField(max_length=12, blank=True)
    service_type = models.CharField(max_length=5, blank=True)
    password_wrapped = models.BinaryField(max_length=200)
    address_range = models.CharField(max_length=40, blank=True)
    short_codes = ArrayField(models.CharField(max_length=8))
    tariffs = models.JSONField(
        default=dict, blank=True, help_text="Short code: the service_type of what leaves by it; else the one above"
    )
    short_code_ton = models.PositiveSmallIntegerField(default=0)
    short_code_npi = models.PositiveSmallIntegerField(default=1)
    msisdn_ton = models.PositiveSmallIntegerField(default=1)
    msisdn_npi = models.PositiveSmallIntegerField(default=1)
    id_base = models.CharField(max_length=12, choices=IdBase.choices, default=IdBase.NORMAL)
    receipt_dialect = models.CharField(max_length=4, choices=Dialect.choices, default=Dialect.BOTH)
    receipt_zone = models.CharField(max_length=40, default="Asia/Jakarta")
    default_alphabet = models.CharField(max_length=6, choices=Alphabet.choices, default=Alphabet.GSM)
    long_text = models.CharField(max_length=7, choices=LongText.choices, default=LongText.PARTS)
    attempts_max = models.PositiveSmallIntegerField(default=5, help_text="Of statuses 0x04, 0x08, 0x45 and 0x64")
    bind_refusals_max = models.PositiveSmallIntegerField(
        default=5, help_text="0x0E or 0x0F one after another, then the bind stops"
    )
    window = models.PositiveSmallIntegerField(default=20)
    tps_max = models.PositiveIntegerField(default=100)
    enquire_link_s = models.PositiveSmallIntegerField(default=30)
    response_timeout_s = models.PositiveSmallIntegerField(default=10)
    active = models.BooleanField(default=True)
    # What the links worker last saw; machine time, for the operator's eyes.
    state = models.CharField(max_length=20, default="DOWN")
    state_at = models.DateTimeField(null=True)
    state_reason = models.CharField(max_length=200, blank=True)


class OutboundSegment(models.Model):
    """One SMS segment to submit: a row, then an attempt, then an outcome."""

    class State(models.TextChoices):
        QUEUED = "QUEUED", "Waiting"
        SUBMITTING = "SUBMITTING", "Handed to the link, no response yet"
        ACCEPTED = "ACCEPTED", "Accepted by the SMSC"
        DELIVERED = "DELIVERED", "Delivered to the handset (network receipt)"
        FAILED = "FAILED", "Accepted, but the network could not deliver"
        REFUSED = "REFUSED", "Refused by the SMSC for good"
        AMBIGUOUS = "AMBIGUOUS", "Submitted, the response was lost"
        CANCELLED = "CANCELLED", "Given up before it was submitted"

    bind = models.ForeignKey(Bind, on_delete=models.PROTECT)
    meter = models.ForeignKey(Meter, null=True, on_delete=models.PROTECT)
    message_class = models.CharField(max_length=20, choices=MessageClass.choices)
    priority = models.PositiveSmallIntegerField(choices=Priority.choices)
    retry = models.BooleanField(default=False)
    source = models.CharField(max_length=15)
    destination = models.CharField(max_length=15)
    data_coding = models.PositiveSmallIntegerField()
    esm_class = models.PositiveSmallIntegerField(default=0)
    payload = models.BinaryField(max_length=4096)
    validity_s = models.PositiveIntegerField()
    registered = models.BooleanField()
    correlation = models.UUIDField(null=True)
    created_at = models.DateTimeField(help_text="Business time")
    state = models.CharField(max_length=12, choices=State.choices)
    attempts = models.PositiveSmallIntegerField(default=0)
    not_before_at = models.DateTimeField(help_text="Machine time")
    lease_until_at = models.DateTimeField(null=True, help_text="Machine time")
    submitted_at = models.DateTimeField(null=True, help_text="Machine time")
    answered_at = models.DateTimeField(null=True, help_text="Machine time")
    smsc_message_id = models.CharField(max_length=65, blank=True)
    message_key = models.CharField(max_length=70, blank=True, db_default="", help_text="The id as receipts are matched")
    smsc_status = models.PositiveIntegerField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["bind", "priority", "id"], name="sms_segment_due", condition=models.Q(state="QUEUED")),
            models.Index(fields=["lease_until_at"], name="sms_segment_lease", condition=models.Q(state="SUBMITTING")),
            models.Index(
                fields=["bind", "smsc_message_id"],
                name="sms_segment_smsc_id",
                condition=~models.Q(smsc_message_id=""),
            ),
            models.Index(fields=["message_key"], name="sms_segment_key", condition=~models.Q(message_key="")),
            models.Index(fields=["destination", "id"], name="sms_segment_destination"),
            models.Index(fields=["id"], name="sms_segment_ambiguous", condition=models.Q(state="AMBIGUOUS")),
        ]


class InboundSms(models.Model):
    """One SMS from a handset or a meter, committed before it is acknowledged to the SMSC."""

    class Kind(models.TextChoices):
        BINARY = "BINARY", "8-bit: a meter's frame"
        TEXT = "TEXT", "Text: a person"
        PART = "PART", "Part of a longer SMS"

    class State(models.TextChoices):
        RECEIVED = "RECEIVED", "Waiting to be read"
        DONE = "DONE", "Read and acted on"
        REFUSED = "REFUSED", "Read and refused"
        FAILED = "FAILED", "Tried too often; a person looks"

    bind = models.ForeignKey(Bind, on_delete=models.PROTECT)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    source = models.CharField(max_length=21)
    destination = models.CharField(max_length=21)
    data_coding = models.PositiveSmallIntegerField()
    esm_class = models.PositiveSmallIntegerField()
    payload = models.BinaryField(max_length=65536)
    digest = models.BinaryField(max_length=32, help_text="Of everything that a redelivery repeats")
    received_at = models.DateTimeField(help_text="Machine time")
    arrived_at = models.DateTimeField(help_text="Business time")
    state = models.CharField(max_length=10, choices=State.choices)
    lease_until_at = models.DateTimeField(null=True, help_text="Machine time")
    attempts = models.PositiveSmallIntegerField(default=0)
    outcome = models.CharField(max_length=60, blank=True)
    part_reference = models.PositiveIntegerField(null=True)
    part_total = models.PositiveSmallIntegerField(null=True)
    part_number = models.PositiveSmallIntegerField(null=True, help_text="From 1")
    whole = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="parts")

    class Meta:
        indexes = [
            models.Index(fields=["kind", "id"], name="sms_inbound_due", condition=models.Q(state="RECEIVED")),
            models.Index(fields=["bind", "digest"], name="sms_inbound_digest"),
            models.Index(fields=["source", "id"], name="sms_inbound_source"),
            models.Index(fields=["id"], name="sms_inbound_failed", condition=models.Q(state="FAILED")),
        ]


class Receipt(models.Model):
    """A delivery receipt; parked (segment empty) until the response with its message id is committed."""

    bind = models.ForeignKey(Bind, on_delete=models.PROTECT)
    segment = models.ForeignKey(OutboundSegment, null=True, on_delete=models.PROTECT, related_name="receipts")
    message_ids = ArrayField(models.CharField(max_length=70), help_text="Canonical keys of the id")
    state = models.PositiveSmallIntegerField(help_text="SMPP message_state, 1 to 8")
    error = models.CharField(max_length=10, blank=True)
    handset = models.CharField(max_length=21, blank=True, db_default="")
    short_code = models.CharField(max_length=21, blank=True, db_default="")
    done_at = models.DateTimeField(null=True, help_text="As the SMSC says; never ordered by")
    text = models.CharField(max_length=254, blank=True)
    received_at = models.DateTimeField(help_text="Machine time")

    class Meta:
        indexes = [models.Index(fields=["bind", "id"], name="sms_receipt_parked", condition=models.Q(segment=None))]


class AmbiguityRule(models.Model):
    """Data: what becomes of a segment of this class that was submitted and never answered."""

    class Action(models.TextChoices):
        LIST = "LIST", "A person decides"
        ONCE_MORE = "ONCE_MORE", "Sent once more, marked as a retry"
        COMMAND = "COMMAND", "Its command sends a new frame under a new counter"

    message_class = models.CharField(max_length=20, choices=MessageClass.choices, unique=True)
    action = models.CharField(max_length=10, choices=Action.choices)


class PackageRule(models.Model):
    """Dated data: which class of segment counts against the monthly package, and in which bucket. Append-only (trigger)."""

    message_class = models.CharField(max_length=20, choices=MessageClass.choices)
    counts = models.BooleanField()
    bucket = models.CharField(max_length=5, choices=PackageBucket.choices, blank=True)
    valid_from_date = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["message_class", "valid_from_date"], name="sms_package_rule_once")
        ]


class PackageEntry(models.Model):
    """The SMS package ledger: append-only (trigger). A segment is settled once, whatever became of it."""

    class Kind(models.TextChoices):
        RESERVE = "RESERVE", "Reserved at enqueue"
        SETTLE = "SETTLE", "Accepted by the SMSC, or received from a handset"
        RELEASE = "RELEASE", "Refused for good or cancelled: the reservation ends"
        HOLD = "HOLD", "Ambiguous: the reservation stays until it is decided"

    kind = models.CharField(max_length=8, choices=Kind.choices)
    segment = models.ForeignKey(OutboundSegment, null=True, on_delete=models.PROTECT)
    inbound = models.ForeignKey(InboundSms, null=True, on_delete=models.PROTECT)
    meter = models.ForeignKey(Meter, null=True, on_delete=models.PROTECT)
    message_class = models.CharField(max_length=20, choices=MessageClass.choices)
    counts = models.BooleanField()
    retry = models.BooleanField()
    correlation = models.UUIDField(null=True)
    at = models.DateTimeField(help_text="Business time")
    month_date = models.DateField(help_text="First day of the package month, WIB")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(segment=None) ^ models.Q(inbound=None), name="sms_package_entry_one_source"
            ),
            models.UniqueConstraint(
                fields=["segment", "kind"], name="sms_package_segment_once", condition=~models.Q(segment=None)
            ),
            models.UniqueConstraint(
                fields=["inbound"], name="sms_package_inbound_once", condition=~models.Q(inbound=None)
            ),
            # A segment is paid or not: whoever says it first is right, a late response changes nothing.
            models.UniqueConstraint(
                fields=["segment"],
                name="sms_package_outcome_once",
                condition=models.Q(kind__in=["SETTLE", "RELEASE"]) & ~models.Q(segment=None),
            ),
        ]
        indexes = [
            models.Index(fields=["meter", "month_date"], name="sms_package_meter_month"),
            models.Index(fields=["kind", "month_date"], name="sms_package_kind_month"),
            # The sums of a whole fleet or operator are read from the index alone.
            models.Index(
                fields=["month_date", "meter"],
                name="sms_package_month_meter",
                include=["message_class", "kind", "counts", "retry", "inbound"],
            ),
        ]
