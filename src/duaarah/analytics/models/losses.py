# SPDX-License-Identifier: Apache-2.0
"""
Losses a local day and node, what is wrong with readings and places, and where an inspection pays.

Facts, findings and indications are rows in versions, made from readings alone; what people decide about an indication is a
row of its own, which stays when it is undone. An indication is never a proof.
"""

from __future__ import annotations

from django.db import models

from duaarah.people.models import Login
from duaarah.registry.models import Meter, NetworkNode

_CURRENT = models.Q(superseded_at__isnull=True)


class LossDay(models.Model):
    """A local day whose readings were looked at. `files`: what they were then; others, and it is looked at again."""

    date = models.DateField(unique=True, help_text="In the meters' zone")
    files = models.CharField(max_length=64)


class LossFirst(models.Model):
    """
    What a meter's register said first after its pairing. Near zero, the customer is new; else he drew before, only nobody
    heard him, and the days before are not known. Empty: nothing was told in the days looked at.
    """

    meter = models.OneToOneField(Meter, on_delete=models.PROTECT, related_name="+")
    paired_at = models.DateTimeField()
    register_wh = models.FloatField(null=True)


class LossSource(models.Model):
    """What a node's meters told on a local day, as a digest: another one, and what stands on it is counted again."""

    node = models.ForeignKey(NetworkNode, on_delete=models.PROTECT, related_name="+")
    date = models.DateField(help_text="In the meters' zone")
    digest = models.CharField(max_length=40)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["node", "date"], name="analytics_loss_source")]


class DailyLoss(models.Model):
    """
    The balance of a transformer or a feeder. `delivered_wh`: what the customers' meters say, of a feeder what it sent into
    its transformers. The non-technical part has the ends of its 80 % interval; `ntl_noise_wh` is that part of the half-width
    which is the day's own. Empty: not known, or refused (`refusal` says why).
    """

    class Refusal(models.TextChoices):
        NONE = "", "A verdict is given"
        NO_TOTAL = "no_total", "No total meter"
        INCOMPLETE = "incomplete", "Too few readings"
        CLOCKS = "clocks", "Clocks disagree"
        NEGATIVE = "negative", "More went out than came in"

    date = models.DateField(help_text="In the meters' zone")
    node = models.ForeignKey(NetworkNode, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=20, choices=NetworkNode.Kind.choices)
    input_wh = models.FloatField(null=True)
    delivered_wh = models.FloatField(null=True)
    technical_wh = models.FloatField(null=True, help_text="By model")
    technical_low_wh = models.FloatField(null=True)
    technical_high_wh = models.FloatField(null=True)
    ntl_wh = models.FloatField(null=True, help_text="Non-technical")
    ntl_low_wh = models.FloatField(null=True)
    ntl_high_wh = models.FloatField(null=True)
    ntl_noise_wh = models.FloatField(null=True)
    ntl_memory = models.FloatField(default=0.0, help_text="How much of its noise the next day repeats")
    completeness = models.FloatField(help_text="Readings present of those due, total meter within; 0 to 1")
    refusal = models.CharField(max_length=10, choices=Refusal.choices, blank=True, default="")
    meters = models.PositiveIntegerField(help_text="Customers' meters heard; of a feeder, transformers with an input")
    meters_known = models.PositiveIntegerField(help_text="Due; of a feeder, its transformers")
    clean_days = models.PositiveIntegerField(default=0, help_text="Days without loss that the model learned from")
    findings = models.JSONField(default=list, help_text="[[word, meter's number or 0]] that touch this day")
    source = models.CharField(max_length=32, help_text="Digest of all it was counted from")
    version = models.PositiveIntegerField()
    computed_at = models.DateTimeField(help_text="Business time")
    superseded_at = models.DateTimeField(null=True, help_text="Business time; empty: this version counts")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["node", "date"], condition=_CURRENT, name="analytics_loss_current")
        ]
        indexes = [models.Index(fields=["date", "kind"], name="analytics_loss_date")]


class LossState(models.Model):
    """What the newest span of a transformer's days says as a whole; of a feeder, when its mapping was checked."""

    node = models.OneToOneField(NetworkNode, on_delete=models.PROTECT, related_name="+")
    date = models.DateField(help_text="The newest local day within")
    since_date = models.DateField(null=True, help_text="From this day on more is missing than before")
    clean_days = models.PositiveIntegerField(default=0)
    plate_known = models.BooleanField(default=False, help_text="The test sheet is in the registry")
    street_light_w = models.FloatField(default=0.0, help_text="A constant load in the dark that nobody meters")
    ranked = models.BooleanField(default=False, help_text="There was enough to look for meters")
    cannot_tell = models.BooleanField(default=False, help_text="Energy is missing and no meter stands out")
    feed_in = models.BooleanField(default=False, help_text="Somebody feeds in at noon")
    source = models.CharField(max_length=32)
    computed_at = models.DateTimeField(help_text="Business time")


class LossFinding(models.Model):
    """Something wrong with a meter's place, register or clock, as its readings show it."""

    class Kind(models.TextChoices):
        TRANSFORMER = "transformer", "Hangs at another transformer"
        PHASE = "phase", "Hangs on another phase"
        PHASE_UNKNOWN = "phase_unknown", "Phase was not known"
        RESET = "reset", "Register began at zero"
        ROLLOVER = "rollover", "Register passed its highest figure"
        SWAP = "swap", "Another meter's register"
        CLOCK = "clock", "Clock is off"
        FEED_IN = "feed_in", "Feeds in"
        VACANT = "vacant", "Use fell to nothing, and nothing is missing"

    node = models.ForeignKey(NetworkNode, on_delete=models.PROTECT, related_name="+", help_text="As the registry says")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    at = models.DateTimeField(null=True, help_text="Of registers: the end of the interval")
    detail = models.JSONField(default=dict)
    version = models.PositiveIntegerField()
    computed_at = models.DateTimeField(help_text="Business time")
    superseded_at = models.DateTimeField(null=True, help_text="Business time; empty: this version counts")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["node", "meter", "kind", "at"],
                condition=_CURRENT,
                nulls_distinct=False,
                name="analytics_loss_finding_current",
            )
        ]


class LossSuspect(models.Model):
    """
    An indication: a meter at which an inspection pays, by the regression (`case`) or by a rule. `score` in standard
    deviations; `mechanism` and the rules' codes are words of `core.losses`; `hidden_wh_day` what it would hide a day.
    """

    node = models.ForeignKey(NetworkNode, on_delete=models.PROTECT, related_name="+")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="+")
    date = models.DateField(help_text="The newest local day looked at")
    rank = models.PositiveIntegerField()
    case = models.BooleanField(help_text="By the regression")
    score = models.FloatField()
    mechanism = models.CharField(max_length=10)
    share = models.FloatField(help_text="Hidden, of what it draws; 0 to 1")
    hidden_wh_day = models.FloatField()
    since_date = models.DateField(null=True, help_text="Empty: since before what was looked at")
    alike = models.BooleanField(default=False, help_text="Its readings are too much like others' to tell")
    rules = models.JSONField(default=list, help_text="[[code, weight, figure]], the weightiest first")
    version = models.PositiveIntegerField()
    computed_at = models.DateTimeField(help_text="Business time")
    superseded_at = models.DateTimeField(null=True, help_text="Business time; empty: this version counts")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["node", "meter"], condition=_CURRENT, name="analytics_loss_suspect_current")
        ]
        indexes = [models.Index(fields=["meter"], name="analytics_loss_suspect_meter")]


class LossDecision(models.Model):
    """
    What people say of an indication, or of a finding about a place; the latest that is not undone counts. `clean_*`: local
    days of the transformer in which, as the inspection found, nothing went past a meter; the loss model learns from them.
    """

    class State(models.TextChoices):
        FOUND = "FOUND", "Inspected: found"
        NOTHING = "NOTHING", "Inspected: nothing"
        DISMISSED = "DISMISSED", "Dismissed"

    class About(models.TextChoices):
        SUSPECT = "SUSPECT", "An indication"
        PLACE = "PLACE", "A finding about its place"

    about = models.CharField(max_length=8, choices=About.choices, default=About.SUSPECT)
    node = models.ForeignKey(NetworkNode, on_delete=models.PROTECT, related_name="+")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices)
    note = models.CharField(max_length=400)
    clean_first_date = models.DateField(null=True)
    clean_last_date = models.DateField(null=True)
    made_by = models.ForeignKey(Login, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(help_text="Business time")
    undone_by = models.ForeignKey(Login, null=True, on_delete=models.PROTECT, related_name="+")
    undone_at = models.DateTimeField(null=True, help_text="Business time; empty: it counts")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(clean_first_date=None, clean_last_date=None)
                | models.Q(clean_first_date__lte=models.F("clean_last_date")),
                name="analytics_loss_decision_clean",
            )
        ]
        indexes = [models.Index(fields=["meter"], name="analytics_loss_decision_meter")]
