# SPDX-License-Identifier: Apache-2.0
"""What validation made of a day, and the values an operator set by hand."""

from __future__ import annotations

from django.db import models

from duaarah.people.models import Login
from duaarah.registry.models import Meter


class QualityDay(models.Model):
    """A UTC day as it was last judged. `source`: what its readings were then; another one and it is judged again."""

    date = models.DateField(unique=True, help_text="UTC")
    judged_at = models.DateTimeField(help_text="Business time")
    source = models.CharField(max_length=64, blank=True, default="")
    intervals = models.PositiveIntegerField(help_text="Told or estimated")
    validated = models.PositiveIntegerField()
    estimated = models.PositiveIntegerField()
    raw = models.PositiveIntegerField(help_text="Did not pass, and nothing better is known")
    edited = models.PositiveIntegerField()
    absent = models.PositiveIntegerField(help_text="Of meters in service: nothing can be said")
    faults = models.JSONField(help_text="Fault's word to intervals")


class ReadingEdit(models.Model):
    """An interval's energy set by an operator. Undone edits stay; at most one counts an interval."""

    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="+")
    ends_at = models.DateTimeField(help_text="Interval end")
    period_s = models.PositiveIntegerField()
    former_energy_wh = models.FloatField(null=True, help_text="What counted before; empty: nothing did")
    energy_wh = models.FloatField()
    reason = models.CharField(max_length=200)
    made_by = models.ForeignKey(Login, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(help_text="Business time")
    undone_by = models.ForeignKey(Login, null=True, on_delete=models.PROTECT, related_name="+")
    undone_at = models.DateTimeField(null=True, help_text="Business time; empty: it counts")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["meter", "ends_at"],
                condition=models.Q(undone_at__isnull=True),
                name="analytics_reading_edit_once",
            ),
            models.CheckConstraint(condition=models.Q(energy_wh__gte=0), name="analytics_reading_edit_energy"),
        ]
        indexes = [models.Index(fields=["ends_at"], name="analytics_reading_edit_end")]
