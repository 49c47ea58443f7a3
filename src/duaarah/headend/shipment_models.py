# SPDX-License-Identifier: Apache-2.0
"""Makers, and their shipments of meters as they were read: which rows were fine, which were not and why."""

from __future__ import annotations

from django.db import models


class Maker(models.Model):
    """A maker of meters. The transport key (RFC 3394) that wraps the keys in its shipments is kept wrapped itself."""

    code = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=120)
    transport_key_wrapped = models.BinaryField(max_length=200, default=b"", blank=True)
    transport_key_at = models.DateTimeField(null=True, help_text="Business time")
    firmware_key = models.BinaryField(
        max_length=32, db_default=b"", default=b"", blank=True, help_text="Ed25519, public; empty: no firmware is taken"
    )


class Shipment(models.Model):
    """One file of a maker's. Read and checked first; its meters exist only when somebody has taken it up."""

    class State(models.TextChoices):
        READ = "READ", "Read and checked, not taken up"
        TAKEN = "TAKEN", "Taken up"
        DISCARDED = "DISCARDED", "Discarded"

    maker = models.ForeignKey(Maker, on_delete=models.PROTECT, related_name="shipments")
    file_name = models.CharField(max_length=200)
    digest = models.BinaryField(max_length=32, help_text="SHA-256 of the file")
    state = models.CharField(max_length=10, choices=State.choices)
    rows = models.PositiveIntegerField()
    wrong = models.PositiveIntegerField(help_text="Rows with a fault")
    taken = models.PositiveIntegerField(default=0, help_text="Meters that came of it")
    keys_clear = models.BooleanField(help_text="Its keys came unwrapped")
    read_at = models.DateTimeField(help_text="Business time")
    read_by = models.CharField(max_length=60, help_text="Actor, as in the audit record")
    closed_at = models.DateTimeField(null=True, help_text="Business time")
    closed_by = models.CharField(max_length=60, blank=True)

    class Meta:
        constraints = [
            # The same file twice is the same shipment, unless it was discarded.
            models.UniqueConstraint(
                fields=["maker", "digest"],
                name="headend_shipment_once",
                condition=~models.Q(state="DISCARDED"),
            )
        ]


class ShipmentRow(models.Model):
    """One row of a file. `keys_wrapped` are under our own master key from the beginning; a wrong row keeps none."""

    shipment = models.ForeignKey(Shipment, on_delete=models.CASCADE, related_name="lines")
    row = models.PositiveIntegerField(help_text="As a spreadsheet counts")
    drn = models.CharField(max_length=20, blank=True)
    fine = models.BooleanField()
    faults = models.JSONField(default=list, help_text="[{column, code, message}]")
    meter = models.JSONField(default=dict, help_text="What is no secret of the meter")
    system_title = models.BinaryField(max_length=8, null=True)
    keys_wrapped = models.BinaryField(max_length=200, default=b"")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["shipment", "row"], name="headend_shipment_row")]
        indexes = [models.Index(fields=["shipment", "fine", "row"], name="headend_shipment_fine")]
