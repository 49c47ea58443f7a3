# SPDX-License-Identifier: Apache-2.0
"""TMP: what a service unit declares, a month that is closed by two people, and each customer's compensation."""

from __future__ import annotations

from django.db import models

from duaarah.people.models import Approval, Unit
from duaarah.registry.models import Meter


class Indicator(models.TextChoices):
    HOURS = "HOURS", "Lama gangguan, hours a month"
    COUNT = "COUNT", "Jumlah gangguan, times a month"


class DeclaredLevel(models.Model):
    """A declared value from a day on; of two for one day the later row holds. Never changed, never deleted."""

    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="+")
    indicator = models.CharField(max_length=5, choices=Indicator.choices)
    value = models.DecimalField(max_digits=8, decimal_places=2, help_text="Hours or times a month")
    valid_from_date = models.DateField(help_text="First day, in the unit's zone")
    set_at = models.DateTimeField(help_text="Business time")
    set_by = models.CharField(max_length=60, help_text="Actor, as in the audit record")

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(value__gte=0), name="analytics_declared_not_negative")]
        indexes = [models.Index(fields=["unit", "indicator", "valid_from_date", "id"], name="analytics_declared")]


class TMPMonth(models.Model):
    """A unit's month: proposed by one person, approved by a second, then its compensations are given."""

    class State(models.TextChoices):
        PROPOSED = "PROPOSED", "Waits for a second person"
        APPROVED = "APPROVED", "Approved: compensations are being given"
        REFUSED = "REFUSED", "Refused"
        DONE = "DONE", "All compensations are given"

    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="+")
    month_date = models.DateField(help_text="The month's first day")
    state = models.CharField(max_length=8, choices=State.choices)
    approval = models.OneToOneField(Approval, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField(help_text="Business time")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["unit", "month_date"],
                condition=~models.Q(state="REFUSED"),
                name="analytics_tmp_month_once",
            )
        ]


class Compensation(models.Model):
    """What a customer's meter gets for a month; given once, whoever dies: its reference is the meter and the month."""

    month = models.ForeignKey(TMPMonth, on_delete=models.PROTECT, related_name="compensations")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="+")
    interrupted_s = models.BigIntegerField(help_text="Seconds that count")
    times = models.PositiveIntegerField()
    indicator = models.CharField(max_length=5, choices=Indicator.choices, help_text="The one that gave most")
    percent = models.PositiveSmallIntegerField(help_text="Of the base")
    base_idr = models.PositiveIntegerField(help_text="Rekening minimum: 40 hours of the contracted power")
    amount_idr = models.PositiveIntegerField()
    vend_id = models.BigIntegerField(null=True, help_text="The token's vend")
    given_at = models.DateTimeField(null=True, help_text="Business time; empty: not yet")
    refusal = models.CharField(max_length=60, blank=True, default="", help_text="Code of why it could not be given")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["month", "meter"], name="analytics_compensation_once")]
