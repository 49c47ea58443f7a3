# SPDX-License-Identifier: Apache-2.0
"""What a meter was ordered and has confirmed: its own word, not our wish."""

from __future__ import annotations

from django.db import models

from duaarah.registry.models import Meter


class MeterState(models.Model):
    """What the meter itself has confirmed of its relay and its limits; empty where it never said anything."""

    meter = models.OneToOneField(Meter, on_delete=models.PROTECT, primary_key=True, related_name="ordered_state")
    held_open = models.BooleanField(default=False, help_text="The relay as ordered from afar, whatever the credit")
    held_open_until_at = models.DateTimeField(null=True, help_text="Business time; empty: until it is ordered closed")
    limit_w = models.PositiveIntegerField(null=True)
    temporary_limit_w = models.PositiveIntegerField(null=True)
    temporary_until_at = models.DateTimeField(null=True, help_text="Business time")
    tariff = models.PositiveSmallIntegerField(null=True)
    read_back_at = models.DateTimeField(null=True, help_text="Business time at which the meter was asked how it is")
    read_back_closed = models.BooleanField(null=True, help_text="The relay as the meter itself reads it")
    read_back_limit_w = models.PositiveIntegerField(null=True)
    confirmed_at = models.DateTimeField(help_text="Business time of the latest confirmation")
