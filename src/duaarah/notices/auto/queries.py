# SPDX-License-Identifier: Apache-2.0
"""Reading rules: which one a meter has, what it has spent, what it bought and why."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import QuerySet

from duaarah.notices.auto.watch import spent_idr, wib_month
from duaarah.notices.models import AutoRule, AutoRuleMeter, TopUpRequest
from duaarah.vending.models import Vend


@dataclass(frozen=True, kw_only=True)
class RuleNow:
    """A rule with what it has spent this WIB month and how many meters it has."""

    rule: AutoRule
    spent_idr: int
    meters: int

    @property
    def left_idr(self) -> int:
        """What is left of the month's budget."""
        return max(self.rule.budget_idr - self.spent_idr, 0)


def rule_now(rule: AutoRule, now: dt.datetime) -> RuleNow:
    """A rule as it stands."""
    return RuleNow(rule=rule, spent_idr=spent_idr(rule, wib_month(now)), meters=rule.members.count())


def rule_of_meter(*, meter_id: int, holder_id: int) -> AutoRule | None:
    """The rule that this holder's meter is under."""
    member = AutoRuleMeter.objects.select_related("rule").filter(meter_id=meter_id, rule__holder_id=holder_id).first()
    return member.rule if member is not None else None


def rules_of_holder(*, holder_id: int, now: dt.datetime) -> list[RuleNow]:
    """His rules that are not off, the oldest first."""
    rules = AutoRule.objects.filter(holder_id=holder_id).exclude(state=AutoRule.State.OFF)
    return [rule_now(rule, now) for rule in rules.order_by("pk")]


def requests_of(*, holder_id: int, limit: int) -> QuerySet[TopUpRequest]:
    """A holder's automatic purchases, the latest first."""
    related = ("rule", "meter__customer", "meter__site", "vend", "approval__requested_by")
    found = TopUpRequest.objects.filter(rule__holder_id=holder_id).select_related(*related)
    return found.order_by("-pk")[:limit]


def request_of_vend(vend: Vend) -> TopUpRequest | None:
    """Why a token was bought, when a rule bought it."""
    return TopUpRequest.objects.select_related("rule").filter(vend=vend).first()
