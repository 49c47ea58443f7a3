# SPDX-License-Identifier: Apache-2.0
"""One message to one person, rendered when it is queued; the numbers it goes from, and how often we answer."""

from __future__ import annotations

from django.db import models

from duaarah.people.models import Language
from duaarah.registry.models import Meter
from duaarah.sms.models import MessageClass, OutboundSegment, Priority


class Message(models.Model):
    class State(models.TextChoices):
        QUEUED = "QUEUED", "Waiting until it is due"
        HANDED = "HANDED", "A segment carries it"
        DROPPED = "DROPPED", "No longer worth sending"

    dedupe = models.CharField(max_length=80, unique=True, help_text="What makes this message the same message")
    meter = models.ForeignKey(Meter, null=True, on_delete=models.PROTECT)
    phone = models.CharField(max_length=15)
    source = models.CharField(max_length=15, help_text="Short code it comes from")
    template = models.CharField(max_length=40)
    language = models.CharField(max_length=2, choices=Language.choices)
    text = models.CharField(max_length=320, help_text="One GSM 03.38 segment, checked when it is built")
    message_class = models.CharField(max_length=20, choices=MessageClass.choices)
    priority = models.PositiveSmallIntegerField(choices=Priority.choices)
    bind_name = models.CharField(max_length=40, blank=True, help_text="The bind that brought the question, if one did")
    correlation = models.UUIDField(null=True)
    state = models.CharField(max_length=10, choices=State.choices)
    created_at = models.DateTimeField(help_text="Business time")
    due_at = models.DateTimeField(help_text="Business time")
    segment = models.OneToOneField(OutboundSegment, null=True, on_delete=models.PROTECT)

    class Meta:
        indexes = [
            models.Index(fields=["priority", "id"], name="messaging_due", condition=models.Q(state="QUEUED")),
            models.Index(fields=["phone", "id"], name="messaging_phone"),
        ]


class ShortCode(models.Model):
    """A number of ours. What is sent without a number goes from the first one of its purpose."""

    class Purpose(models.TextChoices):
        CONVERSATION = "CONVERSATION", "Inquiries and top-ups"
        NOTICES = "NOTICES", "Outage and public-service notices"

    number = models.CharField(max_length=8, unique=True)
    purpose = models.CharField(max_length=12, choices=Purpose.choices)


class AnswerLimit(models.Model):
    """How many SMS we answer in a window; windows begin at multiples of `window_s` since the epoch, business time."""

    class Subject(models.TextChoices):
        PHONE = "PHONE", "One paired phone"
        STRANGER = "STRANGER", "One phone that is not paired"
        METER = "METER", "All phones about one meter"

    subject = models.CharField(max_length=10, choices=Subject.choices, unique=True)
    window_s = models.PositiveIntegerField()
    answers_max = models.PositiveIntegerField()
