# SPDX-License-Identifier: Apache-2.0
"""Tokens sold elsewhere that came as a file, what is offered to a meter again, and where the digits of a silent one go."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from duaarah.headend.models import Command
from duaarah.people.models import Approval
from duaarah.registry.models import Meter
from duaarah.vending.models import Channel, Vend


class TokenBatch(models.Model):
    """One file of a channel. Its rows are the queue: what a crash leaves WAITING is loaded by the next run."""

    class State(models.TextChoices):
        WAITING = "WAITING", "Rows are being loaded"
        DONE = "DONE", "Every row has its outcome"
        REFUSED = "REFUSED", "Refused whole"

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="token_batches")
    batch_id = models.CharField(max_length=40, blank=True, help_text="The channel's own; empty where it cannot be read")
    of_date = models.DateField(null=True, help_text="The day that the file says it is of")
    file_name = models.CharField(max_length=120)
    digest = models.BinaryField(max_length=32, help_text="SHA-256 of the file")
    count = models.PositiveIntegerField(default=0)
    sum_idr = models.PositiveBigIntegerField(default=0)
    state = models.CharField(max_length=8, choices=State.choices)
    code = models.CharField(max_length=30, blank=True, help_text="Why it was refused whole")
    reason = models.CharField(max_length=200, blank=True)
    brought_by = models.CharField(max_length=60, help_text="Actor, as in the audit record")
    received_at = models.DateTimeField(help_text="Business time")
    closed_at = models.DateTimeField(null=True, help_text="Business time")
    filed = models.BooleanField(default=False, help_text="The file is put away, its result beside it")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "batch_id"], name="vending_batch_once", condition=~Q(state="REFUSED")
            )
        ]
        indexes = [models.Index(fields=["id"], name="vending_batch_waiting", condition=Q(state="WAITING"))]


class TokenBatchRow(models.Model):
    """One sale of a file and what became of it. The digits are never in a log, on a page or in a result."""

    class State(models.TextChoices):
        WAITING = "WAITING", "Waits for its turn"
        TAKEN = "TAKEN", "Taken: loads itself"
        REPEATED = "REPEATED", "Known before: nothing was loaded again"
        REFUSED = "REFUSED", "Refused"

    batch = models.ForeignKey(TokenBatch, on_delete=models.PROTECT, related_name="rows")
    line = models.PositiveIntegerField(help_text="Of the file, from 1")
    notification_id = models.CharField(max_length=64)
    drn = models.CharField(max_length=13)
    idpel = models.CharField(max_length=12, blank=True)
    digits = models.CharField(max_length=20)
    amount_idr = models.PositiveBigIntegerField()
    sold_at = models.CharField(max_length=40, blank=True, help_text="As the channel wrote it")
    state = models.CharField(max_length=8, choices=State.choices)
    code = models.CharField(max_length=30, blank=True, help_text="Why it was refused")
    vend = models.ForeignKey(Vend, null=True, on_delete=models.PROTECT, related_name="batch_rows")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "line"], name="vending_batch_line_once"),
            models.CheckConstraint(
                condition=Q(state__in=["TAKEN", "REPEATED"], vend__isnull=False)
                | Q(state__in=["WAITING", "REFUSED"], vend=None),
                name="vending_batch_row_vend",
            ),
        ]
        indexes = [
            models.Index(fields=["batch", "line"], name="vending_batch_row_due", condition=Q(state="WAITING")),
        ]


class TokenOffer(models.Model):
    """A token that the meter never answered goes to it once more. Append-only (trigger)."""

    class Why(models.TextChoices):
        HEARD = "HEARD", "The meter was heard again"
        BOUGHT = "BOUGHT", "A newer token was bought"
        SCHEDULED = "SCHEDULED", "It was time"

    vend = models.ForeignKey(Vend, on_delete=models.PROTECT, related_name="offers")
    round = models.PositiveSmallIntegerField()
    why = models.CharField(max_length=9, choices=Why.choices)
    at = models.DateTimeField(help_text="Business time")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["vend", "round"], name="vending_offer_once")]


class TokenPhone(models.Model):
    """Where the digits of a meter without two-way service go; one that is paired has the phone of its pairing."""

    meter = models.OneToOneField(Meter, on_delete=models.PROTECT, primary_key=True, related_name="token_phone")
    phone = models.CharField(max_length=15, help_text="Canonical: 62...")
    set_at = models.DateTimeField(help_text="Business time")
    set_by = models.CharField(max_length=60)


class Correction(models.Model):
    """A purchase for the wrong meter, taken back before it was loaded; `to_meter`: bought anew for that one."""

    class State(models.TextChoices):
        ASKING = "ASKING", "The meter is asked to give up the token"
        DONE = "DONE", "The money is back"
        MOVING = "MOVING", "Taken back, to be bought for the right meter"
        MOVED = "MOVED", "Bought for the right meter"
        NOT_MOVED = "NOT_MOVED", "Taken back; not bought for the other meter"
        TOO_LATE = "TOO_LATE", "The meter had loaded the token"
        UNSURE = "UNSURE", "Only a person can say whether the meter had loaded it"
        FAILED = "FAILED", "Not taken back"

    vend = models.ForeignKey(Vend, on_delete=models.PROTECT, related_name="corrections")
    to_meter = models.ForeignKey(Meter, null=True, on_delete=models.PROTECT, related_name="+")
    approval = models.OneToOneField(Approval, on_delete=models.PROTECT)
    state = models.CharField(max_length=9, choices=State.choices)
    command = models.OneToOneField(
        Command, null=True, on_delete=models.PROTECT, related_name="correction", help_text="Carries the blank token"
    )
    made_at = models.DateTimeField(help_text="Business time")
    closed_at = models.DateTimeField(null=True, help_text="Business time")
    new_vend = models.OneToOneField(Vend, null=True, on_delete=models.PROTECT, related_name="moved_from")
    code = models.CharField(max_length=30, blank=True, help_text="Why it did not come to what was asked for")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["vend"], name="vending_correction_once", condition=~Q(state__in=["FAILED", "TOO_LATE"])
            )
        ]
        indexes = [
            models.Index(fields=["id"], name="vending_correction_open", condition=Q(state__in=["ASKING", "MOVING"]))
        ]


class KeyRoll(models.Model):
    """A standing approval: meters of one register get their new key with their next purchase (ADR 9)."""

    approval = models.OneToOneField(Approval, on_delete=models.PROTECT)
    register = models.CharField(max_length=40, help_text="That is left behind")
    target = models.JSONField(help_text="KeyTerms of the new key, without the meter's tariff index")
    begun_at = models.DateTimeField(help_text="Business time")
    ended_at = models.DateTimeField(null=True, help_text="Business time; what is under way goes on")
    ended_by = models.CharField(max_length=60, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["register"], name="vending_one_roll", condition=Q(ended_at=None))
        ]
