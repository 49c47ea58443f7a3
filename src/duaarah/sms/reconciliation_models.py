# SPDX-License-Identifier: Apache-2.0
"""An operator's own records against ours: how his file is written, and what a comparison found."""

from __future__ import annotations

from django.db import models

from duaarah.people.models import Organisation


class RecordFormat(models.Model):
    """How an operator writes his records: the names of his columns, his time and his classes."""

    operator = models.OneToOneField(Organisation, on_delete=models.PROTECT, related_name="+")
    delimiter = models.CharField(max_length=1, default=";")
    encoding = models.CharField(max_length=20, default="utf-8-sig")
    message_id_column = models.CharField(max_length=40, default="message_id")
    at_column = models.CharField(max_length=40, default="time")
    destination_column = models.CharField(max_length=40, default="destination")
    class_column = models.CharField(max_length=40, default="class", blank=True)
    price_column = models.CharField(max_length=40, default="price")
    at_format = models.CharField(max_length=40, default="%Y-%m-%d %H:%M:%S")
    zone = models.CharField(max_length=40, default="Asia/Jakarta")
    classes = models.JSONField(default=dict, help_text="His class -> ours; a class that is not in it is not compared")


class Reconciliation(models.Model):
    """One comparison of a month. Its lines say what differed and what was decided by it."""

    operator = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    month_date = models.DateField()
    digest = models.CharField(max_length=64, help_text="SHA-256 of the file")
    actor = models.CharField(max_length=80)
    at = models.DateTimeField(help_text="Business time")
    matched = models.PositiveIntegerField()


class ReconciliationLine(models.Model):
    class List(models.TextChoices):
        OURS_ONLY = "OURS_ONLY", "We have it, the operator has not"
        THEIRS_ONLY = "THEIRS_ONLY", "The operator has it, we have not"
        DIFFERENT = "DIFFERENT", "Both have it, not the same"
        ERROR = "ERROR", "A row that cannot be read"
        SETTLED = "SETTLED", "Ambiguous: the operator has it"
        RELEASED = "RELEASED", "Ambiguous: the operator never had it"
        UNDECIDED = "UNDECIDED", "Ambiguous: a person decides"

    reconciliation = models.ForeignKey(Reconciliation, on_delete=models.PROTECT, related_name="lines")
    list = models.CharField(max_length=12, choices=List.choices)
    row = models.PositiveIntegerField(null=True, help_text="Line of the file, the head is 1")
    segment_id = models.BigIntegerField(null=True)
    message_id = models.CharField(max_length=65, blank=True)
    code = models.CharField(max_length=40, blank=True, help_text="What differs, or what is wrong with the row")
    ours = models.CharField(max_length=80, blank=True)
    theirs = models.CharField(max_length=80, blank=True)


class RecordFile(models.Model):
    """An operator's file that was brought to a page and waits to be compared. Its octets go when it is done."""

    class State(models.TextChoices):
        WAITING = "WAITING", "Waits for its turn"
        RUNNING = "RUNNING", "Is being compared"
        DONE = "DONE", "Compared"
        FAILED = "FAILED", "Not compared"

    operator = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    month_date = models.DateField()
    name = models.CharField(max_length=120)
    content = models.BinaryField()
    octets = models.PositiveIntegerField()
    rows = models.PositiveIntegerField(help_text="Lines of the file, its head too")
    actor = models.CharField(max_length=80)
    at = models.DateTimeField(help_text="Business time")
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until_at = models.DateTimeField(null=True, help_text="Machine time")
    code = models.CharField(max_length=40, blank=True)
    why = models.CharField(max_length=200, blank=True)
    reconciliation = models.OneToOneField(Reconciliation, null=True, on_delete=models.PROTECT, related_name="file")
