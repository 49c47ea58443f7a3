# SPDX-License-Identifier: Apache-2.0
"""What was invoiced: rows that are written once, when an invoice is issued. A draft is computed and never stored."""

from __future__ import annotations

from django.db import models

from duaarah.people.models import Organisation
from duaarah.sms.package_models import PackageTerms, RevenueShare


class IssuedInvoice(models.Model):
    """A mobile operator's month as it was issued. Append-only (trigger): a correction is the next number of the month."""

    number = models.CharField(max_length=40, unique=True, help_text="Operator, month and the count within it")
    operator = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    month_date = models.DateField(help_text="First day of the package month, WIB")
    sequence = models.PositiveSmallIntegerField(help_text="1, then its corrections")
    corrects = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="corrected_by")
    reason = models.CharField(max_length=400, blank=True, help_text="Of a correction")
    total_idr = models.BigIntegerField()
    open_sms = models.PositiveIntegerField(help_text="Segments that nobody had decided; not charged here")
    digest = models.CharField(
        max_length=64, help_text="SHA-256 of lines and shares: what was looked at is what was issued"
    )
    issued_by = models.CharField(max_length=80)
    issued_at = models.DateTimeField(help_text="Business time")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["operator", "month_date", "sequence"], name="sms_invoice_once"),
            models.CheckConstraint(condition=models.Q(month_date__day=1), name="sms_invoice_month"),
            models.CheckConstraint(
                condition=models.Q(sequence=1, corrects=None)
                | (models.Q(sequence__gt=1, corrects__isnull=False) & ~models.Q(reason="")),
                name="sms_invoice_correction",
            ),
        ]


class IssuedLine(models.Model):
    """So many of one kind at the price of the terms valid then. Append-only (trigger)."""

    class Of(models.TextChoices):
        PACKAGE = "PACKAGE", "Packages sold"
        EXTRA = "EXTRA", "SMS past the package"
        INQUIRY = "INQUIRY", "Premium inquiries"

    invoice = models.ForeignKey(IssuedInvoice, on_delete=models.PROTECT, related_name="lines")
    terms = models.ForeignKey(PackageTerms, on_delete=models.PROTECT, related_name="+")
    plan = models.CharField(max_length=20)
    of = models.CharField(max_length=8, choices=Of.choices)
    count = models.PositiveBigIntegerField()
    price_idr = models.PositiveIntegerField()
    amount_idr = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(amount_idr=models.F("count") * models.F("price_idr")), name="sms_invoice_line_sum"
            )
        ]


class IssuedShare(models.Model):
    """What one party gets of it. Append-only (trigger)."""

    invoice = models.ForeignKey(IssuedInvoice, on_delete=models.PROTECT, related_name="shares")
    terms = models.ForeignKey(PackageTerms, on_delete=models.PROTECT, related_name="+")
    plan = models.CharField(max_length=20)
    of = models.CharField(max_length=8, choices=RevenueShare.Of.choices)
    party = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    parts = models.PositiveSmallIntegerField(help_text="Of 10,000")
    amount_idr = models.BigIntegerField()
