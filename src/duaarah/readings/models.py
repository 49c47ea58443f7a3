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


class DayFile(models.Model):
    """
    The manifest of the interval store: one Parquet file of one UTC day. What is not here does not count.

    RAW holds what meters told in one landing table, DAY what counts of a day that has more than one raw file, CHECKED a day
    after validation and estimation; it counts while the file that it `covers` is the day's newest.
    """

    class Layer(models.TextChoices):
        RAW = "RAW", "As it came"
        DAY = "DAY", "One value a meter and interval"
        CHECKED = "CHECKED", "Validated and estimated"

    day_date = models.DateField(help_text="UTC day of the end of the intervals")
    layer = models.CharField(max_length=7, choices=Layer.choices)
    name = models.CharField(max_length=120, unique=True, help_text="Path in the readings folder")
    landing = models.CharField(
        max_length=40, blank=True, default="", help_text="Of RAW: the landing table it came from"
    )
    covers = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="checked")
    rows = models.BigIntegerField()
    repeats = models.BigIntegerField(default=0, help_text="Of RAW: rows beyond one a meter and instant")
    meters = models.IntegerField(help_text="Meters that are in it")
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    newest_at = models.DateTimeField(help_text="End of its newest interval")
    made_at = models.DateTimeField(help_text="Machine time")
    superseded_at = models.DateTimeField(null=True, help_text="Machine time; empty: it is in force")
    removed_at = models.DateTimeField(null=True, help_text="Machine time at which the file itself was deleted")

    class Meta:
        db_table = "readings_dayfile"
        indexes = [models.Index(fields=["day_date", "layer", "id"], name="readings_dayfile_day")]
        constraints = [
            models.UniqueConstraint(
                fields=["day_date", "layer"],
                condition=models.Q(superseded_at=None) & ~models.Q(layer="RAW"),
                name="readings_dayfile_current",
            )
        ]
