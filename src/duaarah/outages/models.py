# SPDX-License-Identifier: Apache-2.0
"""The supply state of each meter, as its own messages tell it."""

from __future__ import annotations

from django.db import models

from duaarah.registry.models import Meter


class MeterSupply(models.Model):
    class State(models.TextChoices):
        NYALA = "NYALA", "Supply on"
        PADAM = "PADAM", "Grid outage"
        STROOM_HABIS = "STROOM_HABIS", "Credit exhausted, relay open"

    meter = models.OneToOneField(Meter, on_delete=models.PROTECT, primary_key=True, related_name="supply")
    state = models.CharField(max_length=20, choices=State.choices)
    since_at = models.DateTimeField(help_text="Business time")
