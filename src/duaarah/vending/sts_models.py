# SPDX-License-Identifier: Apache-2.0
"""Tokens asked for over the STS interface: the order, its outcome, TIDs of meters that are not ours, limits and their use."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from duaarah.people.models import OperatorKey, Organisation, Unit
from duaarah.registry.models import Meter


class PANSequence(models.Model):
    """The latest TID given for a PAN that is in no registry; a meter that is registered later goes on above it."""

    pan = models.CharField(max_length=18)
    base_date = models.PositiveSmallIntegerField()
    latest_tid = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pan", "base_date"], name="vending_pan_sequence_once")]


class STSOrder(models.Model):
    """
    One token to be, before it is made: everything that decides its 20 digits. Append-only.

    `payload48` holds the subclass and its fields (random number or sign and exponent, TID, amount) as they are sealed.
    A `message_id` is the caller's: of his unit, or of his organisation where the key has no unit.
    """

    request_id = models.UUIDField(unique=True)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    unit = models.ForeignKey(Unit, null=True, on_delete=models.PROTECT, related_name="+")
    key = models.ForeignKey(OperatorKey, on_delete=models.PROTECT, related_name="+")
    message_id = models.CharField(max_length=64)
    digest = models.BinaryField(max_length=32, help_text="SHA-256 of the canonical order")
    token_class = models.PositiveSmallIntegerField()
    subclass = models.PositiveSmallIntegerField()
    meter = models.ForeignKey(Meter, null=True, on_delete=models.PROTECT, related_name="+")
    pan = models.CharField(max_length=18, blank=True, help_text="Empty for class 1, which is for any meter")
    sts_register = models.CharField(max_length=40, blank=True)
    dkga = models.CharField(max_length=2, blank=True)
    ea = models.CharField(max_length=2, blank=True)
    sgc = models.CharField(max_length=6, blank=True)
    ti = models.CharField(max_length=2, blank=True)
    krn = models.PositiveSmallIntegerField(null=True)
    kt = models.PositiveSmallIntegerField(null=True)
    ken = models.PositiveSmallIntegerField(null=True)
    base_date = models.PositiveSmallIntegerField(null=True)
    tid = models.PositiveIntegerField(null=True)
    rnd = models.PositiveSmallIntegerField(null=True, help_text="Drawn once; none in currency tokens and class 1")
    payload48 = models.BigIntegerField()
    requested = models.CharField(max_length=60, blank=True, help_text="The amount as asked for, in the class's unit")
    encoded = models.CharField(max_length=60, blank=True, help_text="What the field says; never less than requested")
    energy_wh = models.BigIntegerField(help_text="Encoded energy of class 0.0, else 0")
    ordered_at = models.DateTimeField(help_text="Business time")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "unit", "message_id"], name="vending_sts_message_once", nulls_distinct=False
            ),
            models.UniqueConstraint(fields=["pan", "base_date", "tid"], name="vending_sts_tid_once"),
            models.CheckConstraint(
                condition=Q(token_class=1, tid=None, pan="") | Q(token_class__in=(0, 2), tid__isnull=False),
                name="vending_sts_tid_iff_keyed",
            ),
        ]


class STSOutcome(models.Model):
    """The token of an order, wrapped under the key store's master key. Append-only."""

    order = models.OneToOneField(STSOrder, on_delete=models.PROTECT, related_name="outcome")
    digits_wrapped = models.BinaryField(max_length=80)
    made_at = models.DateTimeField(help_text="Business time")


class STSLimit(models.Model):
    """
    What may be issued in a period. It applies to an order where everything that it names is the order's: a key register,
    an organisation, a unit, one key, or several of them. What is null is not limited.
    """

    class Period(models.TextChoices):
        DAY = "DAY", "A day (WIB)"
        MONTH = "MONTH", "A month (WIB)"
        TOTAL = "TOTAL", "Ever"

    register = models.CharField(max_length=40, blank=True)
    organisation = models.ForeignKey(Organisation, null=True, on_delete=models.PROTECT, related_name="+")
    unit = models.ForeignKey(Unit, null=True, on_delete=models.PROTECT, related_name="+")
    key = models.ForeignKey(OperatorKey, null=True, on_delete=models.PROTECT, related_name="+")
    period = models.CharField(max_length=10, choices=Period.choices)
    tokens_max = models.PositiveBigIntegerField(null=True)
    energy_wh_max = models.PositiveBigIntegerField(null=True, help_text="Electricity credit, class 0.0, as encoded")
    value_max = models.DecimalField(
        max_digits=45, decimal_places=5, null=True, help_text="Currency tokens, base currency units, sign left out"
    )
    active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["register", "organisation", "unit", "key", "period"],
                name="vending_sts_limit_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=~Q(register="")
                | Q(organisation__isnull=False)
                | Q(unit__isnull=False)
                | Q(key__isnull=False),
                name="vending_sts_limit_names",
            ),
        ]


class STSUsage(models.Model):
    """What was issued under a limit in one period: written only while the limit's row is locked."""

    limit = models.ForeignKey(STSLimit, on_delete=models.PROTECT, related_name="usages")
    period_date = models.DateField(help_text="Its first day; 1970-01-01 for ever")
    tokens = models.PositiveBigIntegerField()
    energy_wh = models.PositiveBigIntegerField()
    value = models.DecimalField(max_digits=45, decimal_places=5)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["limit", "period_date"], name="vending_sts_usage_once")]
