# SPDX-License-Identifier: Apache-2.0
"""What meters push over TCP and UDP: a row each, committed before it is confirmed; what is refused is counted."""

from __future__ import annotations

from django.db import models

from duaarah.registry.models import Meter


class Bearer(models.TextChoices):
    TCP = "TCP", "TCP"
    UDP = "UDP", "UDP"


class InboundFrame(models.Model):
    """One push over IP whose tag was right: stored once however often it is sent, acted on once."""

    class State(models.TextChoices):
        RECEIVED = "RECEIVED", "Waiting to be read"
        DONE = "DONE", "Read and acted on"
        REFUSED = "REFUSED", "Read and refused"
        FAILED = "FAILED", "Tried too often; a person looks"

    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, db_index=False)
    bearer = models.CharField(max_length=4, choices=Bearer.choices)
    framing = models.CharField(max_length=8, help_text="wrapper or hdlc")
    peer = models.CharField(max_length=60, help_text="Address and port it came from; says nothing about whose it is")
    raw = models.BinaryField(help_text="As it came, framing and all")
    apdu = models.BinaryField(help_text="The ciphered APDU in it; empty where `raw` ends with it, from `apdu_at` on")
    apdu_at = models.PositiveSmallIntegerField(null=True)
    digest = models.BinaryField(max_length=16, help_text="Of the ciphered APDU")
    confirm_counter = models.BigIntegerField(null=True, help_text="Ours, under which it was confirmed")
    received_at = models.DateTimeField(help_text="Machine time")
    arrived_at = models.DateTimeField(help_text="Business time")
    state = models.CharField(max_length=10, choices=State.choices)
    lease_until_at = models.DateTimeField(null=True, help_text="Machine time")
    attempts = models.PositiveSmallIntegerField(default=0)
    outcome = models.CharField(max_length=60, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["meter", "digest"], name="headend_frame_once")]
        indexes = [
            models.Index(fields=["id"], name="headend_frame_due", condition=models.Q(state="RECEIVED")),
            models.Index(fields=["meter", "id"], name="headend_frame_meter"),
            models.Index(fields=["id"], name="headend_frame_failed", condition=models.Q(state="FAILED")),
        ]


class GatewayRefusal(models.Model):
    """How often in an hour something from one address was refused, and why: a count, whatever the flood."""

    hour_at = models.DateTimeField(help_text="Machine time, the hour's begin")
    bearer = models.CharField(max_length=4, choices=Bearer.choices)
    address = models.CharField(max_length=45, help_text="Without port; `*` for those past the hour's limit")
    code = models.CharField(max_length=40)
    count = models.PositiveIntegerField()
    latest_at = models.DateTimeField(help_text="Machine time")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hour_at", "bearer", "address", "code"], name="headend_refusal_once")
        ]
