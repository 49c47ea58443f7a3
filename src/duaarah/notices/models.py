# SPDX-License-Identifier: Apache-2.0
"""Reply codes (the authority to buy that a warning SMS carries), what people opted out of, who waits for an answer."""

from __future__ import annotations

from django.db import models

from duaarah.headend.models import Command
from duaarah.people.models import Language
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


class OptOut(models.Model):
    """What a phone does not want to hear of one meter. Receipts and cut-offs are not among what can be chosen."""

    class Kind(models.TextChoices):
        LOW_CREDIT = "LOW_CREDIT", "Low-credit warnings"

    phone = models.CharField(max_length=15)
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    since_at = models.DateTimeField(help_text="Business time")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["phone", "meter", "kind"], name="notices_opt_out_once")]


class SettingAsk(models.Model):
    """Who waits for a meter's answer to a setting ordered by SMS, and the one thing he was told."""

    command = models.OneToOneField(Command, on_delete=models.PROTECT)
    reference = models.CharField(max_length=64, unique=True, help_text="The SMS that asked")
    phone = models.CharField(max_length=15)
    language = models.CharField(max_length=2, choices=Language.choices)
    source = models.CharField(max_length=15, help_text="Short code that was asked")
    bind_name = models.CharField(max_length=40, help_text="The bind that brought the question")
    told_at = models.DateTimeField(null=True, help_text="Business time")

    class Meta:
        indexes = [models.Index(fields=["id"], name="notices_ask_open", condition=models.Q(told_at=None))]


# Django looks for models in this module only.
from duaarah.notices.auto_models import AutoRule as AutoRule  # noqa: E402
from duaarah.notices.auto_models import AutoRuleMeter as AutoRuleMeter  # noqa: E402
from duaarah.notices.auto_models import AutoRuleVersion as AutoRuleVersion  # noqa: E402
from duaarah.notices.auto_models import TopUpRequest as TopUpRequest  # noqa: E402
from duaarah.notices.forecast_models import Forecast as Forecast  # noqa: E402
from duaarah.notices.padam_models import OutageNotice as OutageNotice  # noqa: E402
