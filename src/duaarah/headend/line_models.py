# SPDX-License-Identifier: Apache-2.0
"""Where a meter answers over IP. One connection at a time: firmware of real meters breaks on a second one."""

from __future__ import annotations

from django.db import models

from duaarah.registry.models import Meter


class MeterLine(models.Model):
    """A meter's address in the operator's private network, and who holds the line now (until the lease ends)."""

    meter = models.OneToOneField(Meter, on_delete=models.PROTECT, primary_key=True, related_name="line")
    host = models.CharField(max_length=120)
    port = models.PositiveIntegerField(default=4059)
    client_sap = models.PositiveIntegerField(default=1, help_text="Of the managing client")
    hdlc = models.BooleanField(default=False, help_text="HDLC frames instead of the wrapper")
    held_until_at = models.DateTimeField(null=True, help_text="Machine time")
    set_at = models.DateTimeField(help_text="Business time")
    set_by = models.CharField(max_length=60, help_text="Actor, as in the audit record")
