# SPDX-License-Identifier: Apache-2.0
"""The words of meters that matter for outages, and when a tree is looked at again without a new one."""

from __future__ import annotations

from django.db import models

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
