# SPDX-License-Identifier: Apache-2.0
"""How fast frames may go to a mobile network or into one of its cells, and how a meter is reached besides by SMS."""

from __future__ import annotations

from django.db import models

from duaarah.people.models import Organisation
from duaarah.registry.models import Meter


class NetworkPace(models.Model):
    """How many frames a minute a network or one cell of it takes; no row: as fast as its link."""

    operator = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+", db_index=False)
    cell = models.CharField(max_length=40, blank=True, help_text="As the modem names it; empty: the whole network")
    frames_per_minute = models.PositiveIntegerField()
    next_at = models.DateTimeField(null=True, help_text="Machine time up to which it is used")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["operator", "cell"], name="headend_pace_once")]


class MeterRead(models.Model):
    """What a meter answered when it was read over a connection."""

    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="reads", db_index=False)
    command = models.OneToOneField("headend.Command", on_delete=models.PROTECT, related_name="read")
    read_at = models.DateTimeField(help_text="Business time")
    values = models.JSONField(help_text="By name, whole numbers in the unit that ends it")
    rows = models.JSONField(help_text="Of the load profile: [instant, {name: value}]")

    class Meta:
        indexes = [models.Index(fields=["meter", "id"], name="headend_read_meter")]


class MeterReach(models.Model):
    """Where a meter is besides its SIM: its cell, and its address on the operator's private network."""

    meter = models.OneToOneField(Meter, on_delete=models.PROTECT, primary_key=True, related_name="reach")
    cell = models.CharField(max_length=40, blank=True)
    host = models.CharField(max_length=120, blank=True, help_text="Empty: it has no IP")
    port = models.PositiveIntegerField(default=4059)
    wakes = models.BooleanField(default=False, help_text="Listens only after a wake-up SMS")
    woken_at = models.DateTimeField(null=True, help_text="Machine time of the latest wake-up")
    sms_tries = models.PositiveSmallIntegerField(default=2, help_text="Frames by SMS before a command goes over IP")

    class Meta:
        indexes = [models.Index(fields=["cell"], name="headend_reach_cell", condition=~models.Q(cell=""))]
