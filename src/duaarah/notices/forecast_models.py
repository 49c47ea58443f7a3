# SPDX-License-Identifier: Apache-2.0
"""Days left of each meter, as they were computed from its latest credit."""

from __future__ import annotations

import datetime as dt

from django.db import models

from duaarah.registry.models import Meter


class Forecast(models.Model):
    """
    When a meter's credit ends, at its own pace, and the 80 % band. A report marks it `due` in its own transaction; the
    sweeper computes it. What is not known is empty: no use, no credit told.
    """

    meter = models.OneToOneField(Meter, on_delete=models.PROTECT, primary_key=True, related_name="forecast")
    due = models.BooleanField(db_default=False, default=False, help_text="The meter has spoken since")
    days_left = models.FloatField(null=True, help_text="From as_of_at")
    low_days = models.FloatField(null=True)
    high_days = models.FloatField(null=True)
    balance_wh = models.BigIntegerField(null=True, help_text="The credit it was computed from")
    as_of_at = models.DateTimeField(null=True, help_text="Business time of that credit's report")
    ends_at = models.DateTimeField(null=True, help_text="as_of_at + days_left, ten years ahead at most")
    ends_low_at = models.DateTimeField(null=True)
    daily_wh = models.BigIntegerField(null=True, help_text="Expected use a day, the mean of the next seven")
    days_known = models.PositiveSmallIntegerField(default=0, help_text="Days of use that it learnt from")
    computed_at = models.DateTimeField(null=True, help_text="Business time")
    # Both empty again when a token is loaded: one cycle of the credit, one warning.
    warned_at = models.DateTimeField(null=True, help_text="Business time of the latest low-credit warning")
    days_warned_at = models.DateTimeField(null=True, help_text="Of the latest that followed from days left")

    class Meta:
        indexes = [models.Index(fields=["meter"], name="notices_forecast_due", condition=models.Q(due=True))]

    def left_at(self, now: dt.datetime) -> DaysFrom | None:
        """Days left from `now` on; None when nobody can say."""
        if self.days_left is None or self.low_days is None or self.high_days is None or self.as_of_at is None:
            return None
        gone = (now - self.as_of_at).total_seconds() / 86_400
        days = (self.days_left, self.low_days, self.high_days)
        return DaysFrom(*(max(one - gone, 0.0) for one in days))

    def credit_at_wh(self, now: dt.datetime) -> int | None:
        """The credit expected at `now`: what was told, less what the pace has taken since; None when it was never told."""
        if self.balance_wh is None or self.as_of_at is None or not self.days_left:
            return self.balance_wh
        gone = (now - self.as_of_at).total_seconds() / 86_400
        return round(self.balance_wh * (1 - min(max(gone / self.days_left, 0.0), 1.0)))


class DaysFrom:
    """Days left with their band, counted from a moment that the caller knows."""

    __slots__ = ("days", "high", "low")

    def __init__(self, days: float, low: float, high: float) -> None:
        self.days, self.low, self.high = days, low, high
