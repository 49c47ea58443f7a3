# SPDX-License-Identifier: Apache-2.0
"""What is asked of PLN's P2APST for a vend: a row before the first purchase message leaves, and its end."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from duaarah.vending.models import Vend


class P2APSTTask(models.Model):
    """
    One token to be bought from P2APST. Its own number is the trace number (field 11) of all its messages.

    OPEN: no purchase was ever sent. SENT: one may have been; from here on only advices ask, with the same fields.
    """

    class State(models.TextChoices):
        OPEN = "OPEN", "No purchase was sent"
        SENT = "SENT", "A purchase may have been sent, its end is unknown"
        ISSUED = "ISSUED", "P2APST has sold the token"
        REFUSED = "REFUSED", "P2APST has said that there is no token"

    vend = models.OneToOneField(Vend, on_delete=models.PROTECT, related_name="+")
    request_id = models.UUIDField(unique=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    local_time = models.CharField(max_length=14, help_text="Field 12 of purchase and advices, WIB")
    purchase = models.TextField(blank=True, help_text="The 2200 as it leaves; it names no token")
    code = models.CharField(max_length=40, blank=True, help_text="The last response code, or why there is none")
    advices = models.PositiveIntegerField(default=0, help_text="Advices and repeats that gave no end")
    opened_at = models.DateTimeField(help_text="Business time")
    sent_at = models.DateTimeField(null=True, help_text="Business time of the row, before the message")
    closed_at = models.DateTimeField(null=True, help_text="Business time")
    busy_until_at = models.DateTimeField(null=True, help_text="Machine time: one process asks at a time")

    class Meta:
        db_table = "vending_p2apstask"
        constraints = [
            models.CheckConstraint(
                condition=~Q(state__in=["SENT", "ISSUED"]) | (~Q(purchase="") & Q(sent_at__isnull=False)),
                name="vending_p2apst_row_before_send",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["OPEN", "SENT"], closed_at=None)
                | Q(state__in=["ISSUED", "REFUSED"], closed_at__isnull=False),
                name="vending_p2apst_closed_iff_ended",
            ),
        ]
        indexes = [
            models.Index(fields=["advices"], name="vending_p2apst_unknown", condition=Q(state="SENT")),
        ]
