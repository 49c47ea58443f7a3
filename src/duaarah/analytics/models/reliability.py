# SPDX-License-Identifier: Apache-2.0
"""
Reliability a local day and scope: customers served, interruptions, the year's T_MED, and what is left out by a deed.

Rows are versions: late data writes a new one and the former stays, superseded. A day without a row of DailyReliability but
with one of ServedCustomers was counted and had no interruption.
"""

from __future__ import annotations

from django.db import models

from duaarah.outages.models import Cause
from duaarah.people.models import Approval


class Scope(models.TextChoices):
    TRANSFORMER = "TRANSFORMER", "Transformer"
    FEEDER = "FEEDER", "Feeder"
    SUBSTATION = "SUBSTATION", "Substation"
    UNIT = "UNIT", "Service unit"
    UTILITY = "UTILITY", "Whole utility"


class ServedCustomers(models.Model):
    """N_T of a day: customers with a meter in service on it. Meters are not customers, total meters are nobody's."""

    date = models.DateField(help_text="In the meter's zone")
    scope = models.CharField(max_length=11, choices=Scope.choices)
    scope_id = models.BigIntegerField(help_text="Node or unit; 0: the whole utility")
    served = models.PositiveIntegerField(help_text="Customers")
    how = models.CharField(
        max_length=20, default="day", help_text="day: while it was on; later: from the registry's spans"
    )
    version = models.PositiveIntegerField()
    counted_at = models.DateTimeField(help_text="Business time")
    superseded_at = models.DateTimeField(null=True, help_text="Business time; empty: this version counts")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "scope_id", "date"],
                condition=models.Q(superseded_at__isnull=True),
                name="analytics_served_current",
            )
        ]


class DailyReliability(models.Model):
    """
    Interruptions that began on a local day, with their whole duration, in one scope and of one cause.

    A customer counts once an event in `ci`, however many of his meters were off or steps it took; `interrupted_us` are his
    microseconds. Sustained is longer than 300 s. What is excluded by a deed is in columns of its own.
    """

    date = models.DateField(help_text="In the meter's zone")
    scope = models.CharField(max_length=11, choices=Scope.choices)
    scope_id = models.BigIntegerField(help_text="Node or unit; 0: the whole utility")
    cause = models.CharField(max_length=14, choices=Cause.choices)
    ci = models.PositiveIntegerField(help_text="Customers of sustained interruptions")
    interrupted_us = models.BigIntegerField(help_text="Customer microseconds of sustained interruptions")
    momentary = models.PositiveIntegerField(help_text="Customers of momentary operations")
    momentary_events = models.PositiveIntegerField(help_text="Customers of momentary events (IEEE 1366)")
    excluded_ci = models.PositiveIntegerField()
    excluded_us = models.BigIntegerField()
    open_ci = models.PositiveIntegerField(help_text="Of ci: still off, counted up to computed_at")
    version = models.PositiveIntegerField()
    computed_at = models.DateTimeField(help_text="Business time")
    superseded_at = models.DateTimeField(null=True, help_text="Business time; empty: this version counts")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "scope_id", "date", "cause"],
                condition=models.Q(superseded_at__isnull=True),
                name="analytics_daily_current",
            )
        ]


class MedYear(models.Model):
    """The threshold of major event days of a year, from the five years before it; fixed for the year."""

    year = models.PositiveSmallIntegerField(unique=True)
    alpha = models.FloatField()
    beta = models.FloatField()
    days = models.PositiveIntegerField(help_text="Days with SAIDI that were used")
    t_med_min = models.FloatField(help_text="Minutes")
    provisional = models.BooleanField(help_text="From fewer than five complete years")
    computed_at = models.DateTimeField(help_text="Business time")


class Exclusion(models.Model):
    """
    What two people left out, with their reason: a day from T_MED's sample, or one interruption from the indices.

    An interruption is named by its meter and begin, which all its versions share.
    """

    date = models.DateField(null=True, help_text="A day that is left out of T_MED's sample")
    meter_id = models.BigIntegerField(null=True)
    began_at = models.DateTimeField(null=True, help_text="Meter's time")
    reason = models.CharField(max_length=400)
    approval = models.OneToOneField(Approval, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(help_text="Business time")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(date__isnull=False, meter_id=None, began_at=None)
                | models.Q(date=None, meter_id__isnull=False, began_at__isnull=False),
                name="analytics_exclusion_of_one",
            ),
            models.UniqueConstraint(fields=["date"], name="analytics_exclusion_day"),
            models.UniqueConstraint(fields=["meter_id", "began_at"], name="analytics_exclusion_interruption"),
        ]
