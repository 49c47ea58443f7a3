# SPDX-License-Identifier: Apache-2.0
"""How a meter's modem is, and which of its frames never came."""

from __future__ import annotations

from django.db import models

from duaarah.registry.models import Meter


class MeterStatus(models.Model):
    """The latest word of a meter's modem about itself, by the meter's own counter; empty where it said nothing."""

    meter = models.OneToOneField(Meter, on_delete=models.PROTECT, primary_key=True, related_name="modem_status")
    signal_dbm = models.SmallIntegerField(null=True)
    cell = models.CharField(max_length=40, null=True)
    network = models.CharField(max_length=40, null=True)
    firmware = models.CharField(max_length=40, null=True)
    resets = models.BigIntegerField(null=True)
    counter = models.BigIntegerField(help_text="The frame that said so")
    reported_at = models.DateTimeField(help_text="Business time of its arrival")


class CounterGap(models.Model):
    """Invocation counters of a meter, from `first` to `last`, whose frames never came; closed when they did."""

    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="counter_gaps", db_index=False)
    first = models.BigIntegerField()
    last = models.BigIntegerField()
    noted_at = models.DateTimeField(help_text="Business time at which a later frame came")
    closed_at = models.DateTimeField(null=True, help_text="Business time at which the late frame came")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(first__lte=models.F("last")), name="headend_gap_in_order")
        ]
        indexes = [models.Index(fields=["meter", "first"], name="headend_gap_meter")]
