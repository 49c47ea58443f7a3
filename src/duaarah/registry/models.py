# SPDX-License-Identifier: Apache-2.0
"""Things in the field and how they belong together in time."""

from __future__ import annotations

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models

from duaarah.people.models import AccountHolder, Customer, Organisation, Unit


class NetworkNode(models.Model):
    """A node of the supply tree: substation - feeder - transformer."""

    class Kind(models.TextChoices):
        SUBSTATION = "SUBSTATION", "Substation"
        FEEDER = "FEEDER", "Feeder"
        TRANSFORMER = "TRANSFORMER", "Transformer"

    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=120, blank=True, db_default="", default="")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="children")
    unit = models.ForeignKey(Unit, null=True, on_delete=models.PROTECT)
    latitude = models.FloatField(null=True, help_text="Degrees north, WGS 84")
    longitude = models.FloatField(null=True, help_text="Degrees east, WGS 84")
    rated_va = models.PositiveIntegerField(null=True, help_text="Of transformers: the name plate")
    no_load_w = models.FloatField(null=True, help_text="Of transformers: loss without load, as tested")
    load_loss_w = models.FloatField(null=True, help_text="Of transformers: loss at rated load, as tested")


class Meter(models.Model):
    """A prepaid meter: its STS identity (DRN, PAN, key configuration) and its DLMS identity (system title, keys)."""

    drn = models.CharField(max_length=13, unique=True)
    pan = models.CharField(max_length=18, unique=True)
    profile = models.CharField(max_length=40)
    customer = models.ForeignKey(Customer, null=True, on_delete=models.PROTECT, related_name="meters")
    transformer = models.ForeignKey(NetworkNode, null=True, on_delete=models.PROTECT, related_name="meters")
    zone = models.CharField(max_length=40, default="Asia/Jakarta")
    tariff_group = models.CharField(max_length=10)
    region = models.CharField(max_length=40)
    contracted_va = models.PositiveIntegerField()
    phase = models.CharField(
        max_length=2,
        blank=True,
        db_default="",
        default="",
        help_text="Of single-phase meters: L1, L2 or L3 as recorded; empty: not known",
    )
    low_credit_threshold_wh = models.PositiveIntegerField()
    reporting_plan = models.JSONField(
        null=True, help_text="core.smsplan.ReportingPlan as the meter confirmed it; null: none"
    )
    system_title = models.BinaryField(max_length=8, unique=True)
    dlms_keys_wrapped = models.BinaryField(max_length=200)
    sts_register = models.CharField(max_length=40)
    sgc = models.CharField(max_length=6)
    ti = models.CharField(max_length=2)
    krn = models.PositiveSmallIntegerField()
    kt = models.PositiveSmallIntegerField()
    ken = models.PositiveSmallIntegerField()
    base_date = models.PositiveSmallIntegerField(help_text="Year of the STS base date: 1993, 2014 or 2035")
    dkga = models.CharField(max_length=2)
    ea = models.CharField(max_length=2)


class NodeMeter(models.Model):
    """
    A meter that measures all that flows into a node of the supply tree (a total meter), over a span of time. Such a meter
    is nobody's: it has no customer and counts in no index.
    """

    node = models.ForeignKey(NetworkNode, on_delete=models.PROTECT, related_name="total_meters")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="measures")
    valid = DateTimeRangeField()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="registry_node_meter_once",
                expressions=[("meter", RangeOperators.EQUAL), ("valid", RangeOperators.OVERLAPS)],
            )
        ]


class Site(models.Model):
    """A place that its owner calls by a short alias, e.g. `BTS014`."""

    class Kind(models.TextChoices):
        HOME = "HOME", "Home"
        BTS = "BTS", "BTS tower"
        BILLBOARD = "BILLBOARD", "Billboard"
        ATM = "ATM", "ATM kiosk"

    holder = models.ForeignKey(AccountHolder, on_delete=models.PROTECT, related_name="sites")
    meter = models.OneToOneField(Meter, on_delete=models.PROTECT, related_name="site")
    alias = models.CharField(max_length=12)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=12, choices=Kind.choices)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["holder", "alias"], name="registry_site_alias")]


class Modem(models.Model):
    imei = models.CharField(max_length=16, unique=True)


class Sim(models.Model):
    """A SIM card by its ICCID; `msisdn` is canonical (62...). Its pairing says where it is, its state what it may do."""

    class State(models.TextChoices):
        IN_STOCK = "IN_STOCK", "In stock"
        IN_MODEM = "IN_MODEM", "In a modem, not yet active"
        ACTIVE = "ACTIVE", "Active"
        SUSPENDED = "SUSPENDED", "Suspended"
        ENDED = "ENDED", "Ended for good"

    iccid = models.CharField(max_length=20, unique=True)
    msisdn = models.CharField(max_length=15, unique=True)
    imsi = models.CharField(max_length=15, blank=True, default="", help_text="Empty: not known")
    operator = models.ForeignKey(Organisation, on_delete=models.PROTECT)
    shipment = models.ForeignKey("SimShipment", null=True, on_delete=models.PROTECT, related_name="sims")
    state = models.CharField(max_length=10, choices=State.choices, default=State.IN_STOCK)
    state_at = models.DateTimeField(null=True, help_text="Business time; empty: since before states were kept")
    expires_date = models.DateField(null=True, help_text="The last day on which it works; empty: not known")

    class Meta:
        indexes = [models.Index(fields=["state", "id"], name="registry_sim_state")]
        constraints = [models.UniqueConstraint(fields=["imsi"], name="registry_sim_imsi", condition=~models.Q(imsi=""))]


class SimShipment(models.Model):
    """SIM cards that a mobile operator delivered, as his list says; looked at first, then taken into stock once."""

    class State(models.TextChoices):
        PREVIEW = "PREVIEW", "Looked at"
        RECEIVED = "RECEIVED", "Taken into stock"

    operator = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    file_name = models.CharField(max_length=80, blank=True)
    text = models.TextField(help_text="The list as it came")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the text")
    state = models.CharField(max_length=8, choices=State.choices, default=State.PREVIEW)
    asked_by = models.CharField(max_length=60, help_text="Actor, as in the audit record")
    asked_at = models.DateTimeField(help_text="Business time")
    received_at = models.DateTimeField(null=True, help_text="Business time")
    added = models.PositiveIntegerField(default=0, help_text="SIMs that it brought into stock")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["operator", "digest"], name="registry_shipment_once")]


class NumberRange(models.Model):
    """Numbers that begin so are this mobile operator's; data, as the regulator gives them out."""

    prefix = models.CharField(max_length=10, unique=True, help_text="Canonical: 62...")
    operator = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")


def _once(name: str, field: str) -> ExclusionConstraint:
    """A meter, a SIM and a modem are each in one pairing at a time."""
    return ExclusionConstraint(
        name=name, expressions=[(field, RangeOperators.EQUAL), ("valid", RangeOperators.OVERLAPS)]
    )


class Pairing(models.Model):
    """Meter number, the meter's SIM and the customer's phone, over a span of time (the seed's pairing)."""

    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="pairings")
    sim = models.ForeignKey(Sim, on_delete=models.PROTECT, related_name="pairings")
    modem = models.ForeignKey(Modem, on_delete=models.PROTECT, related_name="pairings")
    phone = models.CharField(max_length=15)
    valid = DateTimeRangeField()

    class Meta:
        constraints = [
            _once("registry_pairing_meter", "meter"),
            _once("registry_pairing_sim", "sim"),
            _once("registry_pairing_modem", "modem"),
        ]
        indexes = [models.Index(fields=["phone"], name="registry_pairing_phone")]


class CatalogueItem(models.Model):
    """What the data operator sells: a modem, or a monthly SMS package. Its prices are dated rows."""

    class Kind(models.TextChoices):
        MODEM = "MODEM", "Modem"
        PACKAGE = "PACKAGE", "SMS package"

    code = models.CharField(max_length=20, unique=True)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=120)
    segments_monthly = models.PositiveSmallIntegerField(null=True, help_text="SMS segments a month; of packages only")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind="PACKAGE", segments_monthly__isnull=False)
                | models.Q(kind="MODEM", segments_monthly=None),
                name="registry_catalogue_segments",
            )
        ]


class CataloguePrice(models.Model):
    """A price from a WIB day on; append-only (trigger). Of two for one day the later row holds."""

    item = models.ForeignKey(CatalogueItem, on_delete=models.PROTECT, related_name="prices")
    amount_idr = models.PositiveIntegerField(help_text="Without VAT")
    valid_from_date = models.DateField(help_text="WIB")
    set_at = models.DateTimeField(help_text="Business time")
    set_by = models.CharField(max_length=60, help_text="Actor, as in the audit record")

    class Meta:
        indexes = [models.Index(fields=["item", "valid_from_date", "id"], name="registry_price_in_force")]


class Delegation(models.Model):
    """Another phone's right on a meter over a span of time; it ends with the holder who gave it."""

    class Right(models.TextChoices):
        READ = "READ", "May ask"
        BUY = "BUY", "May ask and buy"

    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="delegations")
    holder = models.ForeignKey(AccountHolder, on_delete=models.PROTECT, related_name="delegations")
    phone = models.CharField(max_length=15)
    right = models.CharField(max_length=4, choices=Right.choices)
    valid = DateTimeRangeField()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="registry_delegation_once",
                expressions=[
                    ("meter", RangeOperators.EQUAL),
                    ("phone", RangeOperators.EQUAL),
                    ("valid", RangeOperators.OVERLAPS),
                ],
            )
        ]
        indexes = [models.Index(fields=["phone"], name="registry_delegation_phone")]
