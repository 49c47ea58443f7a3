# SPDX-License-Identifier: Apache-2.0
"""A change of a bind on its way: what somebody proposes, looked at a second time; and trials of such values against the SMSC."""

from __future__ import annotations

from django.db import models

from duaarah.people.models import Organisation


class BindDraft(models.Model):
    """Values proposed for a bind, a new one or one that is there. It changes nothing until it is confirmed."""

    class State(models.TextChoices):
        OPEN = "OPEN"
        USED = "USED"

    bind = models.ForeignKey("sms.Bind", null=True, on_delete=models.PROTECT, related_name="+")
    operator = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    values = models.JSONField(help_text="As sms.bind_rules.FIELDS; never the password")
    password_wrapped = models.BinaryField(max_length=200, default=b"", help_text="Empty: as before, or used up")
    seen = models.CharField(max_length=64, blank=True, help_text="Fingerprint of the bind that was looked at")
    state = models.CharField(max_length=4, choices=State.choices, default=State.OPEN)
    asked_by = models.CharField(max_length=60, help_text="Actor, as in the audit record")
    asked_at = models.DateTimeField(help_text="Business time")
    kept_from_at = models.DateTimeField(help_text="Machine time")


class BindTrial(models.Model):
    """One try to bind with some values: a row, then the attempt by a links worker, then the outcome. Never repeated."""

    class State(models.TextChoices):
        ASKED = "ASKED"
        RUNNING = "RUNNING"
        DONE = "DONE"

    bind = models.ForeignKey("sms.Bind", null=True, on_delete=models.PROTECT, related_name="+")
    draft = models.ForeignKey(BindDraft, null=True, on_delete=models.PROTECT, related_name="trials")
    name = models.CharField(max_length=40, help_text="The bind's name: its password is wrapped for it")
    host = models.CharField(max_length=120)
    system_id = models.CharField(max_length=15)
    values = models.JSONField()
    password_wrapped = models.BinaryField(max_length=200, help_text="Empty once it is done")
    state = models.CharField(max_length=7, choices=State.choices, default=State.ASKED)
    asked_by = models.CharField(max_length=60)
    asked_at = models.DateTimeField(help_text="Business time")
    queued_at = models.DateTimeField(help_text="Machine time")
    lease_until_at = models.DateTimeField(null=True, help_text="Machine time")
    ended_at = models.DateTimeField(null=True, help_text="Machine time")
    outcome = models.CharField(max_length=20, blank=True, help_text="A code of net.smpp_trial, or lost, unheard")
    status = models.BigIntegerField(null=True, help_text="command_status of the refusal")
    took_ms = models.PositiveIntegerField(null=True, help_text="From connecting to the answer of enquire_link")
    peer = models.CharField(max_length=40, blank=True, help_text="The system_id that the SMSC answers with")
    deferred = models.PositiveIntegerField(default=0, help_text="Incoming SMS put off with 0x64: they come again")

    class Meta:
        indexes = [
            models.Index(fields=["id"], name="sms_trial_open", condition=~models.Q(state="DONE")),
            models.Index(fields=["host", "system_id", "queued_at"], name="sms_trial_account"),
        ]
