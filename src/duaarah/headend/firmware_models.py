# SPDX-License-Identifier: Apache-2.0
"""Firmware of meters: files that their maker has signed, roll-outs in stages, and one job for each meter."""

from __future__ import annotations

from django.db import models

from duaarah.headend.shipment_models import Maker
from duaarah.people.models import Approval
from duaarah.registry.models import Meter


class Firmware(models.Model):
    """One image of a maker's for one kind of meter; taken only with the maker's own signature (Ed25519, detached)."""

    maker = models.ForeignKey(Maker, on_delete=models.PROTECT, related_name="firmware")
    profile = models.CharField(max_length=40)
    version = models.CharField(max_length=40, help_text="As the meter says it afterwards")
    file_name = models.CharField(max_length=200)
    digest = models.BinaryField(max_length=32, help_text="SHA-256 of the file")
    signature = models.BinaryField(max_length=64)
    content = models.BinaryField()
    octets = models.PositiveIntegerField()
    taken_at = models.DateTimeField(help_text="Business time")
    taken_by = models.CharField(max_length=60, help_text="Actor, as in the audit record")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["profile", "digest"], name="headend_firmware_once")]


class FirmwareRollout(models.Model):
    """One firmware to all meters of its kind that answer over IP: `first` meters, then `percent` of them, then all."""

    class State(models.TextChoices):
        RUNNING = "RUNNING", "Running"
        PAUSED = "PAUSED", "Paused"
        STOPPED = "STOPPED", "Stopped"
        DONE = "DONE", "Done"

    firmware = models.ForeignKey(Firmware, on_delete=models.PROTECT, related_name="rollouts")
    approval = models.OneToOneField(Approval, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices)
    first = models.PositiveIntegerField()
    percent = models.PositiveSmallIntegerField()
    failures_percent = models.PositiveSmallIntegerField(help_text="More failures in a stage than this pause it")
    stage = models.PositiveSmallIntegerField(default=1)
    activate_at = models.DateTimeField(null=True, help_text="Business time; empty: as soon as verified")
    reason = models.CharField(max_length=400)
    paused_why = models.CharField(max_length=40, blank=True)
    ordered_by = models.CharField(max_length=60, help_text="Actor, as in the audit record")
    ordered_at = models.DateTimeField(help_text="Business time")
    closed_at = models.DateTimeField(null=True, help_text="Business time")
    correlation = models.UUIDField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["firmware"],
                name="headend_rollout_one_open",
                condition=models.Q(state__in=["RUNNING", "PAUSED"]),
            )
        ]


class FirmwareJob(models.Model):
    """One meter's part of a roll-out. What the meter has is asked of the meter (its bitmap); the row only shows it."""

    class State(models.TextChoices):
        WAITING = "WAITING", "Waiting for its turn"
        SENDING = "SENDING", "Blocks under way"
        VERIFIED = "VERIFIED", "Complete and verified by the meter"
        ACTIVATED = "ACTIVATED", "Activated, version not read back yet"
        DONE = "DONE", "The meter says the new version"
        FAILED = "FAILED", "Failed"
        STOPPED = "STOPPED", "Stopped before it was activated"

    rollout = models.ForeignKey(FirmwareRollout, on_delete=models.PROTECT, related_name="jobs")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="firmware_jobs")
    stage = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10, choices=State.choices)
    blocks = models.PositiveIntegerField(default=0, help_text="Of the whole image")
    blocks_there = models.PositiveIntegerField(default=0, help_text="By the meter's own bitmap")
    blocks_sent = models.PositiveIntegerField(default=0, help_text="By us, repeats counted")
    tries = models.PositiveSmallIntegerField(default=0, help_text="In a row without success")
    not_before_at = models.DateTimeField(help_text="Machine time")
    lease_until_at = models.DateTimeField(null=True, help_text="Machine time")
    version_before = models.CharField(max_length=40, blank=True)
    version_after = models.CharField(max_length=40, blank=True)
    result = models.CharField(max_length=40, blank=True)
    closed_at = models.DateTimeField(null=True, help_text="Business time")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rollout", "meter"], name="headend_firmware_job_once"),
            models.UniqueConstraint(
                fields=["meter"],
                name="headend_firmware_one_open",
                condition=models.Q(state__in=["WAITING", "SENDING", "VERIFIED", "ACTIVATED"]),
            ),
        ]
        indexes = [
            models.Index(
                fields=["not_before_at"],
                name="headend_firmware_due",
                condition=models.Q(state__in=["WAITING", "SENDING", "VERIFIED", "ACTIVATED"]),
            )
        ]
