# SPDX-License-Identifier: Apache-2.0
"""The landing table of interval values, partitioned by the UTC month of the interval."""

from __future__ import annotations

from django.db import models

from duaarah.registry.models import Meter


class IntervalValue(models.Model):
    """
    One value that a meter told of one interval of one channel. A meter that tells another value later has two rows; the
    one of the higher counter counts. Whatever order frames arrive in, the rows are the same.
    """

    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, db_index=False)
    channel = models.CharField(max_length=32, help_text="Such as energy_wh; its unit ends the name")
    start_at = models.DateTimeField(help_text="Begin of the interval by the meter's clock; the partition key")
    period_s = models.PositiveIntegerField()
    value = models.BigIntegerField()
    status = models.PositiveIntegerField(help_text="The meter's own status bits, 0 = good")
    counter = models.BigIntegerField(help_text="The latest frame that said so: with the meter it names the event")
    arrived_at = models.DateTimeField(help_text="Business time of that frame")

    class Meta:
        db_table = "readings_interval"
        constraints = [
            models.UniqueConstraint(
                fields=["meter", "start_at", "channel", "period_s", "value", "status"], name="readings_interval_once"
            )
        ]
