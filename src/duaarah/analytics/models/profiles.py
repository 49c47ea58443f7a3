# SPDX-License-Identifier: Apache-2.0
"""The load of a local day: per transformer, feeder and tariff group; rows are versions, as all facts."""

from __future__ import annotations

from django.db import models


class DailyLoad(models.Model):
    """
    The summed power of the customers' meters of a scope. Load factor, coincidence and diversity as `grid profile` has
    them; `duration_w` at the shares of time of `analytics.measures.loads.QUANTILES`.
    """

    class Scope(models.TextChoices):
        TRANSFORMER = "TRANSFORMER", "Transformer"
        FEEDER = "FEEDER", "Feeder"
        TARIFF = "TARIFF", "Tariff group"

    date = models.DateField(help_text="In the meter's zone")
    scope = models.CharField(max_length=11, choices=Scope.choices)
    key = models.CharField(max_length=20, help_text="The node's number, or the tariff group")
    energy_wh = models.FloatField()
    peak_w = models.FloatField()
    peak_minute = models.PositiveSmallIntegerField(help_text="End of the peak interval, minutes of the local day")
    load_factor = models.FloatField(null=True)
    coincidence = models.FloatField(null=True)
    diversity = models.FloatField(null=True)
    peak_va = models.FloatField(null=True, help_text="By voltage and current; empty: not told by every meter")
    utilisation = models.FloatField(
        null=True, help_text="Of transformers: the peak's share of the rating, in VA or else in W"
    )
    period_s = models.PositiveIntegerField()
    curve_w = models.JSONField(help_text="Mean power of each interval; null: nothing told")
    duration_w = models.JSONField()
    meters = models.PositiveIntegerField(help_text="Heard")
    meters_known = models.PositiveIntegerField(help_text="In the registry")
    intervals = models.PositiveIntegerField(help_text="Of all meters, estimated ones too")
    estimated = models.PositiveIntegerField(help_text="Of intervals")
    version = models.PositiveIntegerField()
    computed_at = models.DateTimeField(help_text="Business time")
    superseded_at = models.DateTimeField(null=True, help_text="Business time; empty: this version counts")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "key", "date"],
                condition=models.Q(superseded_at__isnull=True),
                name="analytics_load_current",
            )
        ]
        indexes = [models.Index(fields=["date", "scope"], name="analytics_load_date")]

    @property
    def coverage(self) -> float | None:
        """The share of the expected intervals that are there, estimated ones too; 0 to 1."""
        expected = self.meters_known * (86400 // self.period_s)
        return min(self.intervals / expected, 1.0) if expected else None
