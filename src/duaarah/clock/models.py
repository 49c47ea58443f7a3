# SPDX-License-Identifier: Apache-2.0
"""One row that says how business time runs against machine time."""

from __future__ import annotations

from django.db import models


class BusinessClock(models.Model):
    """Business now = anchor_at + rate x (machine now - machine_anchor_at); never backwards over a restart."""

    anchor_at = models.DateTimeField()
    machine_anchor_at = models.DateTimeField()
    rate = models.PositiveIntegerField()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="clock_one_row")]
