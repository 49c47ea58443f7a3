# SPDX-License-Identifier: Apache-2.0
"""The words of meters that matter for outages, and when a tree is looked at again without a new one."""

from __future__ import annotations

from django.db import models

from duaarah.headend.models import Command
from duaarah.registry.models import Meter, NetworkNode


class MeterWord(models.Model):
    """One word (`core.outage.Evidence`), written with the frame that brought it; the same again changes nothing."""

    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=14, help_text="core.outage.Kind")
    meter_at = models.DateTimeField(help_text="Meter's time: when it happened")
    end_at = models.DateTimeField(null=True, help_text="Meter's time; of entries of its log")
    arrived_at = models.DateTimeField(help_text="Business time")
    seen = models.BooleanField(default=False, help_text="Whether the inference has had it")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["meter", "kind", "meter_at", "end_at"], name="outages_word_once", nulls_distinct=False
            )
        ]
        indexes = [
            models.Index(fields=["id"], name="outages_word_new", condition=models.Q(seen=False)),
            models.Index(fields=["meter", "meter_at"], name="outages_word_meter"),
        ]


class Watch(models.Model):
    """A tree (its root) that is looked at again at an instant: young events come of age, silence grows."""

    root = models.OneToOneField(NetworkNode, on_delete=models.PROTECT, primary_key=True, related_name="+")
    due_at = models.DateTimeField(help_text="Business time")


class Ping(models.Model):
    """One question to a meter whether it has supply: wanted by the inference, asked by a command, closed by its outcome."""

    class State(models.TextChoices):
        WANTED = "WANTED", "To be asked"
        ASKED = "ASKED", "Asked, no outcome yet"
        ANSWERED = "ANSWERED", "It answered: it has supply"
        LOST = "LOST", "Its frame went out, no answer came"
        UNASKED = "UNASKED", "Never sent: it says nothing"
        NO_WAY = "NO_WAY", "Can not be asked: no modem of its own, or one that knows no such question"

    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="pings", db_index=False)
    node = models.ForeignKey(NetworkNode, on_delete=models.PROTECT, related_name="+", help_text="Its transformer")
    why = models.CharField(max_length=12, help_text="core.outage.Ask: lone_gasp, silent")
    about_at = models.DateTimeField(help_text="Meter's time of the gasp, or since when it is quiet")
    wanted_at = models.DateTimeField(help_text="Business time")
    asked_at = models.DateTimeField(null=True, help_text="Business time")
    command = models.ForeignKey(Command, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    state = models.CharField(max_length=8, choices=State.choices)
    closed_at = models.DateTimeField(null=True, help_text="Business time")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["meter"], name="outages_one_ping_open", condition=models.Q(state__in=["WANTED", "ASKED"])
            ),
            models.CheckConstraint(
                condition=~models.Q(state="ASKED") | models.Q(asked_at__isnull=False, command__isnull=False),
                name="outages_ping_asked_by_command",
            ),
        ]
        indexes = [
            models.Index(
                fields=["state", "id"], name="outages_ping_open", condition=models.Q(state__in=["WANTED", "ASKED"])
            ),
            models.Index(fields=["meter", "id"], name="outages_ping_meter"),
            models.Index(fields=["closed_at"], name="outages_ping_closed"),
        ]
