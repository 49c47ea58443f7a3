# SPDX-License-Identifier: Apache-2.0
"""One-time reply codes: the authority to buy that a warning SMS carries."""

from __future__ import annotations

from django.db import models

from duaarah.registry.models import Meter


class ReplyCode(models.Model):
    """`K7P` in `ISI 50000 K7P`: bound to a phone, a meter and a nominal limit; spent once."""

    phone = models.CharField(max_length=15)
    code = models.CharField(max_length=6)
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT)
    nominal_idr = models.PositiveIntegerField()
    created_at = models.DateTimeField(help_text="Business time")
    expires_at = models.DateTimeField(help_text="Business time")
    used_at = models.DateTimeField(null=True, help_text="Business time")
    used_by = models.CharField(max_length=64, blank=True, help_text="Reference of the payment that spent it")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["phone", "code"], name="notices_reply_code_live", condition=models.Q(used_at=None)
            )
        ]
