# SPDX-License-Identifier: Apache-2.0
"""One order to many meters: the campaign with its pace, and a row for each meter."""

from __future__ import annotations

from django.db import models

from duaarah.registry.models import Meter


class Campaign(models.Model):
    """What is done to every meter that was chosen, at which pace; its meters are fixed when it is planned."""

    class State(models.TextChoices):
        PLANNED = "PLANNED", "Planned"
        RUNNING = "RUNNING", "Running"
        PAUSED = "PAUSED", "Paused"
        STOPPED = "STOPPED", "Stopped"
        DONE = "DONE", "Done"

    title = models.CharField(max_length=80)
    kind = models.CharField(max_length=30, help_text="An OrderKind, or the name of another deed")
    values = models.JSONField(help_text="The order's fields")
    chosen = models.JSONField(help_text="How its meters were chosen, as the form said it")
    unknown = models.JSONField(default=list, help_text="Numbers of the list that are no meter, the first hundred")
    unknown_count = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=400)
    state = models.CharField(max_length=8, choices=State.choices)
    per_hour = models.PositiveIntegerField(help_text="Orders an hour at most")
    in_flight_max = models.PositiveIntegerField(help_text="Orders without an outcome at most")
    next_at = models.DateTimeField(null=True, help_text="Machine time before which no order may follow")
    planned_at = models.DateTimeField(help_text="Business time")
    planned_by = models.CharField(max_length=60, help_text="Actor, as in the audit record")
    started_at = models.DateTimeField(null=True, help_text="Business time of the latest beginning")
    closed_at = models.DateTimeField(null=True, help_text="Business time")

    class Meta:
        indexes = [
            models.Index(fields=["id"], name="headend_campaign_running", condition=models.Q(state="RUNNING")),
        ]


class CampaignItem(models.Model):
    """One meter of a campaign. What became of its order is the command's word, not kept twice."""

    class State(models.TextChoices):
        WAITING = "WAITING", "Waits for its turn"
        ORDERED = "ORDERED", "Ordered, without an outcome"
        SETTLED = "SETTLED", "Ordered, with an outcome"
        UNFIT = "UNFIT", "Cannot be told this"
        LEFT = "LEFT", "Left out: the campaign was stopped"

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="items", db_index=False)
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="campaign_items")
    state = models.CharField(max_length=7, choices=State.choices)
    round = models.PositiveSmallIntegerField(default=0, help_text="How often it was tried again")
    code = models.CharField(max_length=40, blank=True, help_text="Why it cannot be told")
    command = models.ForeignKey("headend.Command", null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "meter"], name="headend_campaign_meter_once")]
        indexes = [models.Index(fields=["campaign", "state", "id"], name="headend_campaign_items")]
