# SPDX-License-Identifier: Apache-2.0
"""What a package holds and costs, dated; who takes which part of its price; which meter bought it when."""

from __future__ import annotations

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models

from duaarah.people.models import Organisation
from duaarah.registry.models import Meter


class PackageBucket(models.TextChoices):
    """What a counted segment is spent on (core.smsplan.Bucket)."""

    TOKEN = "TOKEN", "Top-ups"
    FAULT = "FAULT", "Faults"
    DATA = "DATA", "Data"


class PackageOverflow(models.TextChoices):
    """What happens when a bucket is empty (core.smsplan.Overflow)."""

    BORROW = "BORROW", "Take from another bucket"
    BLOCK = "BLOCK", "Wait for the next month"
    BILL = "BILL", "Pay for each SMS"


class PackagePlan(models.Model):
    """A package that is sold: of a mobile operator, through a data operator."""

    class Slot(models.TextChoices):
        BASE = "BASE", "The monthly package or a fleet plan"
        DATA = "DATA", "More data, on top"

    code = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=80)
    slot = models.CharField(max_length=4, choices=Slot.choices)
    operator = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    data_operator = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")


class PackageTerms(models.Model):
    """Composition and prices of a plan from a month on. Append-only (trigger): a change is a new row."""

    plan = models.ForeignKey(PackagePlan, on_delete=models.PROTECT, related_name="terms")
    valid_from_date = models.DateField(help_text="First day of a month, WIB")
    token_sms = models.PositiveSmallIntegerField()
    sms_per_top_up = models.PositiveSmallIntegerField()
    fault_sms = models.PositiveSmallIntegerField()
    data_sms = models.PositiveSmallIntegerField()
    block_days = models.JSONField(help_text="Days of the month on which a meter sends its block")
    meter_fault_sms = models.PositiveSmallIntegerField(help_text="Of fault_sms: what the meter itself may send")
    daily_summary = models.BooleanField(default=False, help_text="The meter tells a summary of each day")
    sms_price_idr = models.PositiveIntegerField()
    package_price_idr = models.PositiveIntegerField(help_text="Nett, a month")
    inquiry_price_idr = models.PositiveIntegerField(help_text="One premium SMS")
    token_overflow = models.CharField(max_length=6, choices=PackageOverflow.choices)
    fault_overflow = models.CharField(max_length=6, choices=PackageOverflow.choices)
    data_overflow = models.CharField(max_length=6, choices=PackageOverflow.choices)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["plan", "valid_from_date"], name="sms_terms_once"),
            models.CheckConstraint(condition=models.Q(valid_from_date__day=1), name="sms_terms_month"),
            models.CheckConstraint(condition=~models.Q(token_overflow="BLOCK"), name="sms_terms_token_never_waits"),
            models.CheckConstraint(
                condition=models.Q(meter_fault_sms__lte=models.F("fault_sms")), name="sms_terms_meter_faults"
            ),
        ]


class RevenueShare(models.Model):
    """Whose a part of the price is: in 1/10,000 of the SMS in it, of what is above them, of extras, of inquiries."""

    class Of(models.TextChoices):
        SMS = "SMS", "The SMS of the package at the price of one"
        MARGIN = "MARGIN", "What the package costs above its SMS"
        EXTRA = "EXTRA", "SMS past the package"
        INQUIRY = "INQUIRY", "Premium inquiries"

    terms = models.ForeignKey(PackageTerms, on_delete=models.PROTECT, related_name="shares")
    of = models.CharField(max_length=8, choices=Of.choices)
    party = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    parts = models.PositiveSmallIntegerField(help_text="Of 10,000")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["terms", "of", "party"], name="sms_share_once")]


class Subscription(models.Model):
    """A meter's package over whole months; one base package and one data package at a time."""

    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="sms_subscriptions")
    plan = models.ForeignKey(PackagePlan, on_delete=models.PROTECT, related_name="subscriptions")
    slot = models.CharField(max_length=4, choices=PackagePlan.Slot.choices)
    valid = DateRangeField()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="sms_subscription_once",
                expressions=[
                    ("meter", RangeOperators.EQUAL),
                    ("slot", RangeOperators.EQUAL),
                    ("valid", RangeOperators.OVERLAPS),
                ],
            )
        ]
