# SPDX-License-Identifier: Apache-2.0
"""End-of-line voltage (tegangan ujung) a local day, transformer and phase; rows are versions, as all facts."""

from __future__ import annotations

from django.db import models

from duaarah.registry.models import NetworkNode


class VoltageRule(models.Model):
    """From a date on: the hours of the evening, and the voltages still within +5/-10 %. None: 18-22, 198-231 V."""

    valid_from_date = models.DateField(unique=True)
    from_hour = models.PositiveSmallIntegerField(default=18)
    to_hour = models.PositiveSmallIntegerField(default=22)
    low_v = models.FloatField(default=198.0)
    high_v = models.FloatField(default=231.0)


class DailyVoltage(models.Model):
    """
    What the meters of one phase of a transformer told. Percentiles are over all means of an interval in the evening, over
    all meters; below and above are intervals strictly outside, over the whole day.
    """

    date = models.DateField(help_text="In the meter's zone")
    transformer = models.ForeignKey(NetworkNode, on_delete=models.PROTECT, related_name="+")
    phase = models.CharField(max_length=2, blank=True, default="", help_text="L1, L2, L3; empty: not known")
    meters = models.PositiveIntegerField(help_text="Heard with a voltage")
    meters_known = models.PositiveIntegerField(help_text="In the registry")
    intervals = models.PositiveIntegerField()
    below = models.PositiveIntegerField()
    above = models.PositiveIntegerField()
    low_meters = models.PositiveIntegerField(help_text="With an interval below")
    evening_intervals = models.PositiveIntegerField()
    evening_min_v = models.FloatField(null=True)
    evening_p1_v = models.FloatField(null=True)
    evening_p5_v = models.FloatField(null=True)
    evening_median_v = models.FloatField(null=True)
    lowest = models.JSONField(help_text="[{meter_id, v_min, at, below, intervals}] of the evening, lowest first")
    version = models.PositiveIntegerField()
    computed_at = models.DateTimeField(help_text="Business time")
    superseded_at = models.DateTimeField(null=True, help_text="Business time; empty: this version counts")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["transformer", "phase", "date"],
                condition=models.Q(superseded_at__isnull=True),
                name="analytics_voltage_current",
            )
        ]
        indexes = [models.Index(fields=["date"], name="analytics_voltage_date")]
