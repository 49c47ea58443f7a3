# SPDX-License-Identifier: Apache-2.0
"""Who is told of an outage: one row a notice, written before it is sent, so that none is lost and none comes twice."""

from __future__ import annotations

from django.db import models

from duaarah.outages.models import Outage, PlannedOutage
from duaarah.people.models import Organisation
from duaarah.registry.models import Meter


class OutageNotice(models.Model):
    """
    One SMS to one phone about one meter. It waits for its turn (`due_at`: a wide outage is paced by mobile operator), is
    sent once, or dropped because it was stale by then. `over_at` of a PADAM notice: when the dark that it told of ended.
    """

    class Kind(models.TextChoices):
        PADAM = "PADAM", "The supply is off"
        NYALA = "NYALA", "The supply is back"
        PLANNED = "PLANNED", "Work is planned"
        CANCELLED = "CANCELLED", "Planned work is called off"

    class State(models.TextChoices):
        WAITING = "WAITING", "Waits for its turn"
        SENT = "SENT", "Handed to the messenger"
        DROPPED = "DROPPED", "Not sent: it was not true any more"

    outage = models.ForeignKey(Outage, null=True, on_delete=models.PROTECT, related_name="notices")
    planned = models.ForeignKey(PlannedOutage, null=True, on_delete=models.PROTECT, related_name="notices")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="+")
    operator = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+", help_text="Its pace is kept")
    phone = models.CharField(max_length=15)
    kind = models.CharField(max_length=9, choices=Kind.choices)
    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING)
    created_at = models.DateTimeField(help_text="Business time")
    due_at = models.DateTimeField(help_text="Business time")
    sent_at = models.DateTimeField(null=True, help_text="Business time")
    over_at = models.DateTimeField(null=True, help_text="Business time")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(outage__isnull=False, planned=None) | models.Q(outage=None, planned__isnull=False),
                name="notices_outage_notice_of_one",
            ),
            models.UniqueConstraint(
                fields=["outage", "planned", "meter", "phone", "kind"],
                name="notices_outage_notice_once",
                nulls_distinct=False,
            ),
            models.UniqueConstraint(
                fields=["meter", "phone"],
                condition=models.Q(kind="PADAM", over_at=None),
                name="notices_padam_one_open",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="notices_outage_due", condition=models.Q(state="WAITING")),
            models.Index(fields=["meter", "id"], name="notices_outage_meter"),
        ]
