# SPDX-License-Identifier: Apache-2.0
"""
What is off, since when, and how that is known.

`MeterSupply` is a meter's state now. `Outage` is an event on a node of the supply tree (or on one meter), inferred from
what meters say and do not say. `Interruption` is one customer's own: the ledger from which every index and TMP is counted.
`PlannedOutage` is the calendar.
"""

from __future__ import annotations

from django.db import models

from duaarah.registry.models import Meter, NetworkNode


class MeterSupply(models.Model):
    class State(models.TextChoices):
        NYALA = "NYALA", "Supply on"
        PADAM = "PADAM", "Grid outage"
        STROOM_HABIS = "STROOM_HABIS", "Credit exhausted, relay open"
        MODEM_DIAM = "MODEM_DIAM", "Silent: nothing is known of its supply"

    meter = models.OneToOneField(Meter, on_delete=models.PROTECT, primary_key=True, related_name="supply")
    state = models.CharField(max_length=20, choices=State.choices)
    since_at = models.DateTimeField(help_text="Business time")


class PlannedOutage(models.Model):
    """Work on a node for which supply is cut, with its notice; realised against planned."""

    class State(models.TextChoices):
        DRAFT = "DRAFT", "Draft"
        ANNOUNCED = "ANNOUNCED", "Customers are told"
        CANCELLED = "CANCELLED", "Called off"
        DONE = "DONE", "Over"

    node = models.ForeignKey(NetworkNode, on_delete=models.PROTECT, related_name="planned_outages")
    begin_at = models.DateTimeField(help_text="Business time")
    end_at = models.DateTimeField(help_text="Business time")
    reason = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    asked_by = models.CharField(max_length=60, help_text="Actor, as in the audit record")
    asked_at = models.DateTimeField(help_text="Business time")
    announced_at = models.DateTimeField(null=True, help_text="Business time")
    told = models.PositiveIntegerField(default=0, help_text="Customers to whom a notice was queued")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(end_at__gt=models.F("begin_at")), name="outages_planned_span")
        ]


class Cause(models.TextChoices):
    UNPLANNED = "UNPLANNED", "Fault"
    PLANNED = "PLANNED", "Planned work"
    SUPPLY = "SUPPLY", "Loss of supply from above"
    FORCE_MAJEURE = "FORCE_MAJEURE", "Force majeure"


class Outage(models.Model):
    """One event on the supply tree: the highest node (or the one meter) of which the evidence says that it is off."""

    class Level(models.TextChoices):
        METER = "METER", "One meter"
        TRANSFORMER = "TRANSFORMER", "Transformer"
        FEEDER = "FEEDER", "Feeder"
        SUBSTATION = "SUBSTATION", "Substation"

    class State(models.TextChoices):
        SUSPECTED = "SUSPECTED", "Suspected: silence alone"
        DECLARED = "DECLARED", "Declared"
        CLOSED = "CLOSED", "Supply is back"
        WITHDRAWN = "WITHDRAWN", "It was none, as later logs said"

    level = models.CharField(max_length=12, choices=Level.choices)
    node = models.ForeignKey(NetworkNode, null=True, on_delete=models.PROTECT, related_name="outages")
    meter = models.ForeignKey(Meter, null=True, on_delete=models.PROTECT, related_name="outages")
    state = models.CharField(max_length=10, choices=State.choices)
    cause = models.CharField(max_length=14, choices=Cause.choices, default=Cause.UNPLANNED)
    planned = models.ForeignKey(PlannedOutage, null=True, on_delete=models.PROTECT, related_name="outages")
    began_at = models.DateTimeField(help_text="Meters' time: the physical begin as best known")
    ended_at = models.DateTimeField(null=True, help_text="Meters' time")
    known_at = models.DateTimeField(help_text="Business time at which the first word of it was here")
    declared_at = models.DateTimeField(null=True, help_text="Business time")
    closed_at = models.DateTimeField(null=True, help_text="Business time")
    estimated_end_at = models.DateTimeField(null=True, help_text="What customers are told, if an operator gave it")
    affected = models.PositiveIntegerField(default=0, help_text="Customers below it that are or were off")
    evidence = models.JSONField(default=dict, help_text="Counts: gasps, silent, alive, restores, logs")
    wide = models.BooleanField(default=False, help_text="Declared wide: notices are paced")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(level="METER", meter__isnull=False, node=None)
                | (~models.Q(level="METER") & models.Q(node__isnull=False, meter=None)),
                name="outages_outage_of_one",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "began_at"], name="outages_outage_state"),
            models.Index(fields=["node", "began_at"], name="outages_outage_node"),
        ]


class Interruption(models.Model):
    """
    One customer's interruption of supply by the grid; never one of credit. When a log or a late message corrects it a new
    version is written and the former kept, superseded. Indices count those whose `superseded_at` is empty.
    """

    class Source(models.TextChoices):
        MESSAGE = "MESSAGE", "Last gasp and restore"
        INFERRED = "INFERRED", "Inferred from its node"
        LOG = "LOG", "The meter's own log of power failures: final"

    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="interruptions")
    outage = models.ForeignKey(Outage, null=True, on_delete=models.PROTECT, related_name="interruptions")
    began_at = models.DateTimeField(help_text="Meter's time")
    ended_at = models.DateTimeField(null=True, help_text="Meter's time; empty: still off")
    known_at = models.DateTimeField(help_text="Business time at which the utility knew of it (Permen ESDM 2/2025)")
    source = models.CharField(max_length=8, choices=Source.choices)
    cause = models.CharField(max_length=14, choices=Cause.choices, default=Cause.UNPLANNED)
    excluded = models.CharField(
        max_length=200, blank=True, default="", help_text="Why it is left out, by an audited deed"
    )
    version = models.PositiveIntegerField(default=1)
    recorded_at = models.DateTimeField(help_text="Business time of this version")
    superseded_at = models.DateTimeField(null=True, help_text="Business time; empty: this version counts")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["meter", "began_at"],
                condition=models.Q(superseded_at__isnull=True),
                name="outages_interruption_current",
            ),
            models.CheckConstraint(
                condition=models.Q(ended_at=None) | models.Q(ended_at__gte=models.F("began_at")),
                name="outages_interruption_span",
            ),
        ]
        indexes = [
            models.Index(fields=["began_at"], name="outages_interruption_begin"),
            models.Index(fields=["meter", "began_at"], name="outages_interruption_meter"),
        ]


# Django looks for models in this module only.
from duaarah.outages.evidence_models import MeterWord as MeterWord  # noqa: E402
from duaarah.outages.evidence_models import Ping as Ping  # noqa: E402
from duaarah.outages.evidence_models import Watch as Watch  # noqa: E402
