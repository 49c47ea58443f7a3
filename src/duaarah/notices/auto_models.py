# SPDX-License-Identifier: Apache-2.0
"""Automatic top-up: rules and their versions, the meters of a rule, and each purchase from its reason to its token."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from duaarah.people.models import AccountHolder, Approval, Login
from duaarah.registry.models import Meter
from duaarah.vending.models import Vend


class AutoRule(models.Model):
    """
    What a holder wants bought for one or many of his meters, and for how much a WIB month over all of them.

    Its terms as they are now; how they were is in its versions.
    """

    class State(models.TextChoices):
        ACTIVE = "ACTIVE", "Active"
        PAUSED = "PAUSED", "Paused"
        OFF = "OFF", "Off"

    holder = models.ForeignKey(AccountHolder, on_delete=models.PROTECT, related_name="auto_rules")
    name = models.CharField(max_length=40)
    state = models.CharField(max_length=8, choices=State.choices)
    version = models.PositiveIntegerField(default=1)
    nominal_idr = models.PositiveIntegerField()
    budget_idr = models.PositiveBigIntegerField(help_text="Plafon: what it may spend in a WIB month")
    threshold_wh = models.PositiveIntegerField(null=True, help_text="Buys below so much credit, or")
    threshold_days = models.PositiveSmallIntegerField(
        null=True, help_text="when the credit may end within so many days"
    )
    quiet_from_min = models.PositiveSmallIntegerField(null=True, help_text="Minutes of the meter's local day")
    quiet_until_min = models.PositiveSmallIntegerField(null=True)
    approval_above_idr = models.PositiveBigIntegerField(
        null=True, help_text="A second person agrees to what exceeds this sum in a WIB day"
    )
    login = models.ForeignKey(Login, null=True, on_delete=models.PROTECT, help_text="Who asks for that second person")
    pause_code = models.CharField(max_length=20, blank=True, help_text="Why it is paused: wallet, no_price")
    pauses = models.PositiveIntegerField(default=0, help_text="How often it was paused; each is told once")
    changed_at = models.DateTimeField(help_text="Business time")
    next_look_at = models.DateTimeField(help_text="Business time of the next look at its meters")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(threshold_wh__isnull=False, threshold_days=None)
                | Q(threshold_wh=None, threshold_days__isnull=False),
                name="notices_auto_one_threshold",
            ),
            models.CheckConstraint(
                condition=Q(quiet_from_min=None, quiet_until_min=None)
                | Q(quiet_from_min__lt=1440, quiet_until_min__lt=1440),
                name="notices_auto_quiet",
            ),
        ]
        indexes = [models.Index(fields=["next_look_at"], name="notices_auto_look", condition=~Q(state="OFF"))]


class AutoRuleVersion(models.Model):
    """A rule as it was set at a moment, or switched off; append-only (trigger)."""

    rule = models.ForeignKey(AutoRule, on_delete=models.PROTECT, related_name="versions")
    version = models.PositiveIntegerField()
    terms = models.JSONField(help_text="State and terms, and the numbers of its meters")
    at = models.DateTimeField(help_text="Business time")
    actor = models.CharField(max_length=80)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rule", "version"], name="notices_auto_version_once")]


class AutoRuleMeter(models.Model):
    """A meter under a rule: one rule a meter. `word` is the latest verdict (core.top_up_rule) and stands on the page."""

    rule = models.ForeignKey(AutoRule, on_delete=models.CASCADE, related_name="members")
    meter = models.OneToOneField(Meter, on_delete=models.PROTECT, related_name="auto_member")
    word = models.CharField(max_length=20, blank=True)
    word_at = models.DateTimeField(null=True, help_text="Business time since when it says so")


class TopUpRequest(models.Model):
    """One automatic purchase: why it was decided, who agreed, what became of it. Its payment is `auto:<id>`."""

    class State(models.TextChoices):
        NEEDS_APPROVAL = "NEEDS_APPROVAL", "A second person is to be asked"
        WAITING = "WAITING", "Waiting for a second person"
        DUE = "DUE", "To be bought"
        BOUGHT = "BOUGHT", "Bought"
        FAILED = "FAILED", "Not bought"

    OPEN = (State.NEEDS_APPROVAL, State.WAITING, State.DUE)

    rule = models.ForeignKey(AutoRule, on_delete=models.PROTECT, related_name="requests")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="auto_requests")
    state = models.CharField(max_length=16, choices=State.choices)
    nominal_idr = models.PositiveIntegerField()
    cost_idr = models.PositiveIntegerField(help_text="What the wallet pays")
    month_date = models.DateField(help_text="First day of the WIB month whose budget it takes from")
    why = models.JSONField(help_text="What was known: credit, days left, threshold, budget before")
    made_at = models.DateTimeField(help_text="Business time")
    approval = models.OneToOneField(Approval, null=True, on_delete=models.PROTECT)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until_at = models.DateTimeField(null=True, help_text="Machine time")
    vend = models.OneToOneField(Vend, null=True, on_delete=models.PROTECT, related_name="auto_request")
    closed_at = models.DateTimeField(null=True, help_text="Business time")
    result = models.CharField(max_length=30, blank=True, help_text="Why it was not bought")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["meter"],
                name="notices_auto_one_in_flight",
                condition=Q(state__in=["NEEDS_APPROVAL", "WAITING", "DUE"]),
            ),
            models.CheckConstraint(
                condition=~Q(state="BOUGHT") | Q(vend__isnull=False), name="notices_auto_bought_has_vend"
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="notices_auto_due", condition=Q(state="DUE")),
            models.Index(
                fields=["id"], name="notices_auto_waiting", condition=Q(state__in=["NEEDS_APPROVAL", "WAITING"])
            ),
            models.Index(fields=["rule", "month_date"], name="notices_auto_month"),
            models.Index(fields=["meter", "id"], name="notices_auto_meter"),
        ]

    @property
    def reference(self) -> str:
        """The payment's reference: the same request buys once, whatever died in between."""
        return f"auto:{self.pk}"
