# SPDX-License-Identifier: Apache-2.0
"""Setting, pausing and stopping rules of automatic top-up. Each change is a version that nobody edits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from duaarah.audit import operations as audit
from duaarah.core.tariff import NOMINALS_IDR
from duaarah.core.top_up_rule import DAY_MIN, RuleTerms
from duaarah.notices.models import AutoRule, AutoRuleMeter, AutoRuleVersion, TopUpRequest
from duaarah.people.models import AccountHolder, Login
from duaarah.registry.models import Meter
from duaarah.vending.models import Payment

BUDGET_MAX_IDR = 10_000_000_000
THRESHOLD_MIN_WH, THRESHOLD_MAX_WH = 500, 1_000_000
THRESHOLD_MAX_DAYS = 14
METERS_MAX = 1_000
CHANNEL = "AUTO"


class RuleRefused(Exception):
    """The rule was not set; `code` says why. Nothing was changed."""

    code = "auto_refused"


class NominalNotSold(RuleRefused):
    """Not one of the nominals that are sold."""

    code = "auto_nominal"


class BudgetRefused(RuleRefused):
    """The monthly budget is less than one purchase, or beyond all measure."""

    code = "auto_budget"


class ThresholdRefused(RuleRefused):
    """Neither a credit nor days at which to buy, or both, or outside of what a rule can mean."""

    code = "auto_threshold"


class QuietRefused(RuleRefused):
    """Quiet hours are two times of a day, and leave some of it."""

    code = "auto_quiet"


class MetersRefused(RuleRefused):
    """No meter, too many, one that is not the holder's, or one that another rule of his has."""

    code = "auto_meters"


class ApprovalNeedsTwo(RuleRefused):
    """Nobody else can sign in for this holder, so that nobody could agree."""

    code = "auto_approval"


class NoRule(RuleRefused):
    """There is no such rule that is on."""

    code = "auto_none"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """The terms of a rule as a customer gives them; one of the two thresholds. Minutes are of the meter's local day."""

    name: str
    nominal_idr: int
    budget_idr: int
    threshold_wh: int | None = None
    threshold_days: int | None = None
    quiet_from_min: int | None = None
    quiet_until_min: int | None = None
    approval_above_idr: int | None = None


def terms_of(rule: AutoRule) -> RuleTerms:
    """The rule as `core.top_up_rule` reads it."""
    quiet = None
    if rule.quiet_from_min is not None and rule.quiet_until_min is not None:
        quiet = (rule.quiet_from_min, rule.quiet_until_min)
    return RuleTerms(
        nominal_idr=rule.nominal_idr,
        budget_idr=rule.budget_idr,
        threshold_wh=rule.threshold_wh,
        threshold_days=rule.threshold_days,
        quiet=quiet,
    )


def check_wish(wish: Wish) -> None:
    """Raises RuleRefused where these terms are no rule."""
    if wish.nominal_idr not in NOMINALS_IDR:
        raise NominalNotSold(f"Rp{wish.nominal_idr} is not a nominal that is sold.")
    if not wish.nominal_idr <= wish.budget_idr <= BUDGET_MAX_IDR:
        raise BudgetRefused("The monthly budget holds one purchase at least.")
    credit_wh, days = wish.threshold_wh, wish.threshold_days
    if (credit_wh is None) == (days is None):
        raise ThresholdRefused("A rule buys below a credit, or some days before its end.")
    if credit_wh is not None and not THRESHOLD_MIN_WH <= credit_wh <= THRESHOLD_MAX_WH:
        raise ThresholdRefused("A credit of 0.5 to 1,000 kWh.")
    if days is not None and not 1 <= days <= THRESHOLD_MAX_DAYS:
        raise ThresholdRefused(f"1 to {THRESHOLD_MAX_DAYS} days.")
    begin, end = wish.quiet_from_min, wish.quiet_until_min
    if (begin is None) != (end is None) or (begin == end and begin is not None):
        raise QuietRefused("Quiet hours have a begin and an end.")
    if begin is not None and end is not None and not (0 <= begin < DAY_MIN and 0 <= end < DAY_MIN):
        raise QuietRefused("Quiet hours are times of a day.")
    if wish.approval_above_idr is not None and not 0 <= wish.approval_above_idr <= BUDGET_MAX_IDR:
        raise BudgetRefused("The sum above which a second person agrees.")


def set_rule(
    *,
    holder: AccountHolder,
    wish: Wish,
    meters: Sequence[Meter],
    actor: str,
    now: dt.datetime,
    rule_id: int | None = None,
    login: Login | None = None,
) -> AutoRule:
    """
    Entry: set a new rule, or rule `rule_id` anew, for these meters; it is on at once. The same again changes nothing.

    Raises:
        RuleRefused: an audit line says so.
    """
    try:
        with transaction.atomic(durable=True):
            # One holder's rules are set one after another: two forms at once meet here.
            AccountHolder.objects.select_for_update(no_key=True).get(pk=holder.pk)
            check_wish(wish)
            return _set(holder, wish, meters, actor, now, rule_id, login)
    except RuleRefused as error:
        _refused("notices.set_rule", holder, error, actor, now)
        raise


def _set(
    holder: AccountHolder,
    wish: Wish,
    meters: Sequence[Meter],
    actor: str,
    now: dt.datetime,
    rule_id: int | None,
    login: Login | None,
) -> AutoRule:
    ids = sorted({meter.pk for meter in meters})
    if not 1 <= len(ids) <= METERS_MAX:
        raise MetersRefused(f"A rule has 1 to {METERS_MAX} meters.")
    if Meter.objects.filter(pk__in=ids, customer__holder_id=holder.pk).count() != len(ids):
        raise MetersRefused("A meter is not the holder's.")
    # A meter that another holder's rule had before it was his leaves that rule.
    AutoRuleMeter.objects.filter(meter_id__in=ids).exclude(rule__holder=holder).delete()
    if AutoRuleMeter.objects.filter(meter_id__in=ids).exclude(rule_id=rule_id).exists():
        raise MetersRefused("A meter has another rule.")
    if wish.approval_above_idr is not None and not _second_person(holder, login):
        raise ApprovalNeedsTwo("Nobody else can agree.")
    if rule_id is None:
        rule = AutoRule(holder=holder, version=0)
    else:
        found = AutoRule.objects.select_for_update().filter(pk=rule_id, holder=holder).first()
        if found is None:
            raise NoRule("There is no such rule.")
        rule = found
    before = None if rule_id is None else described(rule)
    for field, value in vars(wish).items():
        setattr(rule, field, value)
    rule.state, rule.pause_code, rule.login = AutoRule.State.ACTIVE, "", login
    if before == {**described(rule), "meters": ids}:
        return rule
    rule.version, rule.changed_at, rule.next_look_at = rule.version + 1, now, now
    rule.save()
    rule.members.exclude(meter_id__in=ids).delete()
    held = set(rule.members.values_list("meter_id", flat=True))
    AutoRuleMeter.objects.bulk_create([AutoRuleMeter(rule=rule, meter_id=pk) for pk in ids if pk not in held])
    _drop_open(rule, now, keep=ids)
    _write_version(rule, actor, now, "notices.set_rule")
    return rule


def _second_person(holder: AccountHolder, login: Login | None) -> bool:
    if login is None:
        return False
    return Login.objects.filter(holder=holder, is_active=True).exclude(pk=login.pk).exists()


def stop_rule(*, holder: AccountHolder, rule_id: int, actor: str, now: dt.datetime) -> AutoRule:
    """
    Entry: the rule buys nothing any more; what waits is not bought, what is being bought comes to its end.

    Raises:
        NoRule: it is off, or not this holder's; an audit line says so.
    """
    try:
        with transaction.atomic(durable=True):
            rule = (
                AutoRule.objects.select_for_update()
                .filter(pk=rule_id, holder=holder)
                .exclude(state=AutoRule.State.OFF)
                .first()
            )
            if rule is None:
                raise NoRule("There is no such rule that is on.")
            rule.state, rule.pause_code, rule.changed_at = AutoRule.State.OFF, "", now
            rule.version += 1
            _drop_open(rule, now, keep=[])
            _write_version(rule, actor, now, "notices.stop_rule")
            rule.members.all().delete()
            rule.save()
            return rule
    except RuleRefused as error:
        _refused("notices.stop_rule", holder, error, actor, now)
        raise


def pause(rule: AutoRule, code: str, now: dt.datetime) -> None:
    """Joining: the rule, locked by the caller, waits; what waits to be bought is not bought now."""
    _in_transaction()
    rule.state, rule.pause_code, rule.pauses, rule.changed_at = AutoRule.State.PAUSED, code, rule.pauses + 1, now
    rule.version += 1
    rule.save()
    _write_version(rule, "auto", now, "notices.pause_rule")


def go_on(rule: AutoRule, actor: str, now: dt.datetime) -> None:
    """Joining: the rule, locked by the caller, is on again."""
    _in_transaction()
    rule.state, rule.pause_code, rule.changed_at, rule.next_look_at = AutoRule.State.ACTIVE, "", now, now
    rule.version += 1
    rule.save()
    _write_version(rule, actor, now, "notices.go_on_with_rule")


def close_request(request: TopUpRequest, result: str, now: dt.datetime) -> None:
    """Joining: a purchase that will not be; its budget is free again."""
    _in_transaction()
    request.state, request.result, request.closed_at = TopUpRequest.State.FAILED, result, now
    request.lease_until_at = None
    request.save(update_fields=["state", "result", "closed_at", "lease_until_at"])
    audit.record_refusal(
        at=now,
        actor="auto",
        verb="notices.top_up",
        subject=f"meter:{request.meter_id}",
        code=result,
        detail={"request": request.pk, "rule": request.rule_id},
    )


def paid(request: TopUpRequest) -> bool:
    """Whether its payment is taken: then it is bought, whatever became of its rule."""
    return Payment.objects.filter(channel__code=CHANNEL, reference=request.reference).exists()


def described(rule: AutoRule) -> dict[str, Any]:
    """State and terms as JSON values, with the ids of its meters."""
    fields = (
        *("name", "state", "nominal_idr", "budget_idr", "threshold_wh", "threshold_days", "quiet_from_min"),
        *("quiet_until_min", "approval_above_idr", "pause_code"),
    )
    values: dict[str, Any] = {name: getattr(rule, name) for name in fields}
    values["meters"] = sorted(rule.members.values_list("meter_id", flat=True)) if rule.pk else []
    return values


def _drop_open(rule: AutoRule, now: dt.datetime, keep: Sequence[int]) -> None:
    """Requests that were made under other terms or for other meters are not bought, except those already paid."""
    waiting = TopUpRequest.objects.select_for_update().filter(rule=rule, state__in=TopUpRequest.OPEN)
    # What a worker is buying at this moment comes to its end; a dead one's is asked about again when its lease has ended.
    for request in waiting.filter(Q(lease_until_at=None) | Q(lease_until_at__lt=Now())).order_by("pk"):
        same = request.meter_id in keep and request.nominal_idr == rule.nominal_idr
        if not same and not paid(request):
            close_request(request, "rule_changed", now)


def _write_version(rule: AutoRule, actor: str, now: dt.datetime, verb: str) -> None:
    terms = described(rule)
    AutoRuleVersion.objects.create(rule=rule, version=rule.version, terms=terms, at=now, actor=actor[:80])
    audit.record(
        at=now,
        actor=actor,
        verb=verb,
        subject=f"rule:{rule.pk}",
        reason=rule.pause_code,
        detail={"version": rule.version, **terms},
    )


def _refused(verb: str, holder: AccountHolder, error: RuleRefused, actor: str, now: dt.datetime) -> None:
    with transaction.atomic(durable=True):
        audit.record_refusal(at=now, actor=actor, verb=verb, subject=f"holder:{holder.pk}", code=error.code)


def _in_transaction() -> None:
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A rule changes in the transaction that found the reason.")
