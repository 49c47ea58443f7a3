# SPDX-License-Identifier: Apache-2.0
"""Third parties that sell through the API: their keys, their message ids, tokens given without money, tokens replaced."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from duaarah.people.models import Approval, Login
from duaarah.registry.models import Meter
from duaarah.vending.models import Channel, Vend


class VendorKey(models.Model):
    """A key by which a vendor's program sells from a channel's deposit. Only its SHA-256 is kept."""

    class Scope(models.TextChoices):
        VEND = "vend", "Sell, ask what became of it, print again, replace"
        FREE_ISSUE = "free_issue", "Ask for tokens without money"
        STATEMENT = "statement", "Read the statement of the deposit"

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="vendor_keys")
    name = models.CharField(max_length=60)
    digest = models.BinaryField(max_length=32, unique=True)
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope.choices))
    login = models.ForeignKey(
        Login,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Who answers for what it asks for without money; the second person is another",
    )
    created_at = models.DateTimeField(help_text="Business time")
    revoked_at = models.DateTimeField(null=True, help_text="Business time")
    used_at = models.DateTimeField(null=True, help_text="Business time, to the minute: its latest use")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(scopes__contains=["free_issue"]) | Q(login__isnull=False), name="vending_free_by_a_person"
            )
        ]


class VendorMessage(models.Model):
    """
    What a channel has asked for under a message id, once and for ever. Append-only (trigger).

    It is written in the transaction of its deed. CLOSED: an advice found nothing under this id, and nothing will be.
    """

    class Kind(models.TextChoices):
        VEND = "VEND", "A sale"
        FREE_ISSUE = "FREE_ISSUE", "A token without money"
        REPLACEMENT = "REPLACEMENT", "A token in the place of another"
        CLOSED = "CLOSED", "Closed by an advice"

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="+")
    key = models.ForeignKey(VendorKey, on_delete=models.PROTECT, related_name="+")
    message_id = models.CharField(max_length=40)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    digest = models.BinaryField(max_length=32, help_text="SHA-256 of what was asked for")
    received_at = models.DateTimeField(help_text="Business time")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "message_id"], name="vending_vendor_message_once")]


class FreeIssue(models.Model):
    """Energy to be given without money, when a second person agrees; booked as PLN's expense at the tariff of the day."""

    class State(models.TextChoices):
        ASKED = "ASKED", "Waits for a second person"
        AGREED = "AGREED", "Agreed, the token is to be made"
        MADE = "MADE", "Made"
        FAILED = "FAILED", "No token could be made"

    message = models.OneToOneField(VendorMessage, on_delete=models.PROTECT, primary_key=True, related_name="free_issue")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="+")
    energy_wh = models.PositiveBigIntegerField()
    reason = models.CharField(max_length=200)
    state = models.CharField(max_length=8, choices=State.choices)
    approval = models.OneToOneField(Approval, null=True, on_delete=models.PROTECT, related_name="+")
    vend = models.OneToOneField(Vend, null=True, on_delete=models.PROTECT, related_name="+")
    result = models.CharField(max_length=30, blank=True, help_text="Why no token could be made")

    class Meta:
        indexes = [models.Index(fields=["message"], name="vending_free_agreed", condition=Q(state="AGREED"))]


class Replacement(models.Model):
    """A token in the place of one that its meter can never take; a token is replaced once. Append-only (trigger)."""

    message = models.OneToOneField(
        VendorMessage, on_delete=models.PROTECT, primary_key=True, related_name="replacement"
    )
    old = models.OneToOneField(Vend, on_delete=models.PROTECT, related_name="replacement")
    vend = models.OneToOneField(Vend, on_delete=models.PROTECT, related_name="replaces")
    reason = models.CharField(max_length=200)
