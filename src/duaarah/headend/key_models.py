# SPDX-License-Identifier: Apache-2.0
"""New DLMS keys for a meter: kept before anything is sent, tried on receipt, in force when the meter has used them."""

from __future__ import annotations

from django.db import models

from duaarah.people.models import Approval
from duaarah.registry.models import Meter


class KeyRotation(models.Model):
    """
    One change of a meter's global unicast and authentication keys. `keys_wrapped` are the new ones until they are in
    force (then the meter's row has them); `old_keys_wrapped` read late frames until `old_until_at`, and are emptied then.
    """

    class State(models.TextChoices):
        ORDERED = "ORDERED", "Ordered, nothing sent yet"
        SENDING = "SENDING", "Sent: the meter may have either key"
        TRANSFERRED = "TRANSFERRED", "The meter says it has the new keys"
        SILENT = "SILENT", "No answer: both keys are tried"
        PROVEN = "PROVEN", "In force: the meter has used the new keys"
        REFUSED = "REFUSED", "Refused by the meter, the old keys stay"
        WITHDRAWN = "WITHDRAWN", "Withdrawn before anything was sent"

    request_id = models.UUIDField(unique=True)
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="key_rotations")
    approval = models.ForeignKey(Approval, null=True, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=12, choices=State.choices)
    number = models.PositiveSmallIntegerField(help_text="Of the new keys; the factory's are 0")
    keys_wrapped = models.BinaryField(max_length=200, default=b"")
    to_meter_latest = models.BigIntegerField(default=0, help_text="Our counter under the new keys, until in force")
    old_keys_wrapped = models.BinaryField(max_length=200, default=b"")
    old_number = models.PositiveSmallIntegerField(default=0)
    old_from_highest = models.BigIntegerField(default=0)
    old_from_bitmap = models.BinaryField(max_length=8, default=bytes(8))
    old_until_at = models.DateTimeField(null=True, help_text="Business time")
    reason = models.CharField(max_length=400)
    ordered_by = models.CharField(max_length=60, help_text="Actor, as in the audit record")
    ordered_at = models.DateTimeField(help_text="Business time")
    closed_at = models.DateTimeField(null=True, help_text="Business time")
    result = models.CharField(max_length=40, blank=True, help_text="The meter's word, by the standard's name")
    correlation = models.UUIDField()
    line_tries = models.PositiveSmallIntegerField(default=0, help_text="Over IP, without success")
    line_not_before_at = models.DateTimeField(null=True, help_text="Machine time")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["meter"],
                name="headend_rotation_one_open",
                condition=models.Q(state__in=["ORDERED", "SENDING", "TRANSFERRED", "SILENT"]),
            ),
            models.UniqueConstraint(fields=["meter", "number"], name="headend_rotation_number"),
        ]


OPEN = (
    KeyRotation.State.ORDERED,
    KeyRotation.State.SENDING,
    KeyRotation.State.TRANSFERRED,
    KeyRotation.State.SILENT,
)
