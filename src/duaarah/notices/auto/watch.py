# SPDX-License-Identifier: Apache-2.0
"""Looking at the meters of rules: who needs credit gets a request, and why not now is written beside who does not."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction
from django.db.models import Q, Sum

from duaarah.audit import operations as audit
from duaarah.core.forecast import DaysLeft
from duaarah.core.smsplan import Bucket
from duaarah.core.top_up_rule import WIB, RuleTerms, Situation, verdict
from duaarah.notices.auto.rules import CHANNEL, go_on, pause, terms_of
from duaarah.notices.auto.words import tell_rule
from duaarah.notices.forecasts import DAYS_MIN
from duaarah.notices.models import AutoRule, AutoRuleMeter, Forecast, TopUpRequest
from duaarah.registry.models import Meter
from duaarah.sms.operations.enqueue import package_month
from duaarah.sms.package.queries import meter_months
from duaarah.vending.models import Payment, Vend
from duaarah.vending.operations.top_up import TopUpRefused, price
from duaarah.vending.queries import wallet_balance_idr

RULES_MAX = 10
LOOK_EVERY = dt.timedelta(minutes=5)
# What the second person refused or never answered, or what gave no token, is not tried again so soon.
ASK_AGAIN = dt.timedelta(hours=24)
WALLET = "wallet"


def watch_rules(*, now: dt.datetime, limit: int = RULES_MAX) -> int:
    """
    Look at up to `limit` rules that are due, each in a transaction of its own; returns how many.

    A rule that waits for money in its wallet goes on when there is enough.
    """
    looked = 0
    while looked < limit and _watch_one(now):
        looked += 1
    return looked


def _watch_one(now: dt.datetime) -> bool:
    """Entry: one rule that is due, the longest waiting first; False when none is."""
    with transaction.atomic(durable=True):
        waits = Q(state=AutoRule.State.ACTIVE) | Q(state=AutoRule.State.PAUSED, pause_code=WALLET)
        rule = (
            AutoRule.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("holder")
            .filter(waits, next_look_at__lte=now)
            .order_by("next_look_at", "pk")
            .first()
        )
        if rule is None:
            return False
        rule.next_look_at = now + LOOK_EVERY
        if rule.state == AutoRule.State.PAUSED:
            if free_idr(rule.holder_id) >= rule.nominal_idr:
                go_on(rule, "auto", now)
            rule.next_look_at = now + LOOK_EVERY
        if rule.state == AutoRule.State.ACTIVE:
            look_at(rule, now)
        rule.save(update_fields=["next_look_at"])
    return True


def wake_rules(*, meter_ids: Sequence[int], now: dt.datetime) -> int:
    """Joining: the rules of these meters look at once; how many."""
    members = AutoRuleMeter.objects.filter(meter_id__in=meter_ids)
    rules = AutoRule.objects.filter(pk__in=members.values("rule_id"), next_look_at__gt=now)
    return rules.exclude(state=AutoRule.State.OFF).update(next_look_at=now)


def free_idr(holder_id: int) -> int:
    """What the wallet holds beyond the purchases that are decided and not yet paid."""
    open_ones = TopUpRequest.objects.filter(rule__holder_id=holder_id, state__in=TopUpRequest.OPEN)
    costs = {request.reference: request.cost_idr for request in open_ones}
    paid = Payment.objects.filter(channel__code=CHANNEL, reference__in=list(costs))
    # What is paid has left the wallet already, though its worker may have died before it could say so.
    for reference in paid.values_list("reference", flat=True):
        costs.pop(reference, None)
    return wallet_balance_idr(holder_id=holder_id) - sum(costs.values())


@dataclass
class Purse:
    """What a rule may still spend while its meters are looked at, one after another."""

    wallet_idr: int
    spent_idr: int
    spent_today_idr: int


def look_at(rule: AutoRule, now: dt.datetime) -> None:
    """Joining: a verdict for each meter of a rule that the caller has locked; whose credit ends first comes first."""
    # First what is under way, then what the meters have told: a token that is loaded in between counts as under way, and
    # one that was loaded before has marked its forecast in the same transaction. The other order could buy twice.
    known = Known(list(rule.members.values_list("meter_id", flat=True)), now)
    members = list(rule.members.select_related("meter__customer", "meter__forecast").order_by("meter_id"))
    far = now + dt.timedelta(days=3650)
    members.sort(key=lambda one: (_ends_at(one.meter) or far, one.meter_id))
    terms, month = terms_of(rule), wib_month(now)
    purse = Purse(free_idr(rule.holder_id), spent_idr(rule, month), spent_today_idr(rule, now))
    wanting = [m for m in members if _is_his(rule, m.meter) and _may_want(terms, m, now)]
    known.ask([member.meter_id for member in wanting], now)
    for member in members:
        if member not in wanting:
            _note(
                member,
                verdict(terms, bare_situation(member.meter, now)) if _is_his(rule, member.meter) else "not_his",
                now,
            )
            continue
        situation = known.situation(rule, member.meter, purse, now)
        word = "no_price" if situation is None else verdict(terms, situation)
        if situation is not None and word in ("buy", "wallet") and (waits := known.waits(member.meter)) is not None:
            word = waits
        if situation is not None and word == "buy":
            word = _request(rule, member.meter, situation, purse, now)
        changed = _note(member, word, now)
        if word == WALLET or (changed and word in ("budget", "cap", "no_price")):
            _hindered(rule, member.meter, word, situation, now)
        if word == WALLET:
            pause(rule, WALLET, now)
            return


def _is_his(rule: AutoRule, meter: Meter) -> bool:
    return meter.customer is not None and meter.customer.holder_id == rule.holder_id


def _ends_at(meter: Meter) -> dt.datetime | None:
    forecast: Forecast | None = getattr(meter, "forecast", None)
    return forecast.ends_low_at if forecast is not None else None


def _may_want(terms: RuleTerms, member: AutoRuleMeter, now: dt.datetime) -> bool:
    """Whether it is worth asking what the meter bought and what it may; most meters of a rule have enough."""
    return verdict(terms, bare_situation(member.meter, now)) not in ("enough", "unknown")


def bare_situation(meter: Meter, now: dt.datetime) -> Situation:
    """What the forecast says of a meter, with nothing that could hinder it."""
    forecast: Forecast | None = getattr(meter, "forecast", None)
    # From a few days nothing is foreseen that costs money: then only the credit counts that the meter told.
    sure = forecast is not None and forecast.days_known >= DAYS_MIN
    left = forecast.left_at(now) if forecast is not None and sure else None
    credit_wh = None if forecast is None else forecast.credit_at_wh(now) if sure else forecast.balance_wh
    return Situation(
        now=now,
        zone=meter.zone,
        credit_wh=credit_wh,
        left=DaysLeft(left.days, left.low, left.high) if left is not None else DaysLeft(None, None, None),
        in_flight=False,
        energy_wh=0,
        cost_idr=0,
        spent_idr=0,
        bought_wh=0,
        contracted_va=meter.contracted_va,
        wallet_idr=0,
    )


class Known:
    """What is asked once for many meters: what is under way, what they loaded this month, what of their SMS is left."""

    def __init__(self, meter_ids: Sequence[int], now: dt.datetime) -> None:
        open_vends = Vend.objects.filter(meter_id__in=meter_ids, state__in=[Vend.State.PAID, Vend.State.ISSUED])
        open_requests = TopUpRequest.objects.filter(meter_id__in=meter_ids, state__in=TopUpRequest.OPEN)
        self.in_flight = {*open_vends.values_list("meter_id", flat=True)}
        self.in_flight |= {*open_requests.values_list("meter_id", flat=True)}
        self.asked: set[int] = set()
        self.rejected: set[int] = set()
        self.bought_wh: dict[int, int] = defaultdict(int)
        self.sms_left: dict[int, int] = {}

    def ask(self, meter_ids: Sequence[int], now: dt.datetime) -> None:
        """The rest, of the few meters that want credit."""
        if not meter_ids:
            return
        closed = TopUpRequest.objects.filter(meter_id__in=meter_ids, closed_at__gt=now - ASK_AGAIN)
        no_one = Q(state=TopUpRequest.State.FAILED, result__in=["approval_refused", "approval_expired"])
        in_vain = closed.filter(no_one | Q(vend__state=Vend.State.REFUNDED))
        self.asked = set(in_vain.values_list("meter_id", flat=True))
        latest = Vend.objects.filter(meter_id__in=meter_ids).order_by("meter_id", "-pk").distinct("meter_id")
        self.rejected = {vend.meter_id for vend in latest if vend.state == Vend.State.REJECTED}
        begin_at = dt.datetime.combine(wib_month(now), dt.time(), WIB)
        vends = Vend.objects.filter(meter_id__in=meter_ids, paid_at__gte=begin_at).exclude(state=Vend.State.REFUNDED)
        for meter_id, energy_wh in vends.values_list("meter_id", "requested_wh"):
            self.bought_wh[meter_id] += energy_wh
        months = meter_months(package_month(now), meter_ids=list(meter_ids))
        self.sms_left = {m.meter_id: m.budget.counts[Bucket.TOKEN] - m.spent[Bucket.TOKEN].used for m in months}

    def waits(self, meter: Meter) -> str | None:
        """Why a meter that wants credit gets none for now, whatever its rule allows."""
        forecast: Forecast | None = getattr(meter, "forecast", None)
        if forecast is not None and forecast.due:
            # It has told something since that is not read yet: perhaps that it was filled.
            return "reading"
        if meter.pk in self.rejected:
            # It refused its last token; another one would be refused as well. A person looks at it.
            return "rejected"
        return "asked" if meter.pk in self.asked else None

    def situation(self, rule: AutoRule, meter: Meter, purse: Purse, now: dt.datetime) -> Situation | None:
        """All that the verdict asks; None when no price is known for this meter."""
        try:
            lines = price(meter, rule.nominal_idr, now)
        except TopUpRefused:
            return None
        return replace(
            bare_situation(meter, now),
            in_flight=meter.pk in self.in_flight,
            energy_wh=lines.energy_wh,
            cost_idr=lines.total_paid_idr,
            spent_idr=purse.spent_idr,
            bought_wh=self.bought_wh[meter.pk],
            wallet_idr=purse.wallet_idr,
            sms_left=self.sms_left.get(meter.pk),
        )


# -- the month's budget -----------------------------------------------------------------------------------------------------


def wib_month(now: dt.datetime) -> dt.date:
    """The first day of the month by the utility's calendar."""
    return now.astimezone(WIB).date().replace(day=1)


def spent_idr(rule: AutoRule, month_date: dt.date) -> int:
    """What the rule bought in a month, and what is decided; what came back is not spent."""
    requests = TopUpRequest.objects.filter(rule=rule, month_date=month_date)
    return _sum(requests)


def spent_today_idr(rule: AutoRule, now: dt.datetime) -> int:
    """The same of the WIB day."""
    local = now.astimezone(WIB)
    begin = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return _sum(TopUpRequest.objects.filter(rule=rule, made_at__gte=begin))


def _sum(requests: Any) -> int:
    counted = requests.exclude(state=TopUpRequest.State.FAILED).exclude(vend__state=Vend.State.REFUNDED)
    return counted.aggregate(sum=Sum("cost_idr"))["sum"] or 0


# -- what follows -------------------------------------------------------------------------------------------------------------


def _request(rule: AutoRule, meter: Meter, situation: Situation, purse: Purse, now: dt.datetime) -> str:
    """The purchase as a row, with all that was known; `approval` when a second person is asked first, else `buy`."""
    cost_idr = situation.cost_idr
    above = rule.approval_above_idr
    asks = above is not None and purse.spent_today_idr + cost_idr > above
    why = _why(rule, meter, situation)
    request = TopUpRequest.objects.create(
        rule=rule,
        meter=meter,
        state=TopUpRequest.State.NEEDS_APPROVAL if asks else TopUpRequest.State.DUE,
        nominal_idr=rule.nominal_idr,
        cost_idr=cost_idr,
        month_date=wib_month(now),
        why=why,
        made_at=now,
    )
    audit.record(
        at=now,
        actor="auto",
        verb="notices.request_top_up",
        subject=f"meter:{meter.pk}",
        detail={"request": request.pk, "rule": rule.pk, "nominal_idr": rule.nominal_idr, **why},
    )
    purse.wallet_idr -= cost_idr
    purse.spent_idr += cost_idr
    purse.spent_today_idr += cost_idr
    return "approval" if asks else "buy"


def _why(rule: AutoRule, meter: Meter, situation: Situation) -> dict[str, Any]:
    forecast: Forecast | None = getattr(meter, "forecast", None)
    left = situation.left
    return {
        "version": rule.version,
        "credit_wh": situation.credit_wh,
        "told_wh": forecast.balance_wh if forecast else None,
        "told_at": forecast.as_of_at.isoformat() if forecast and forecast.as_of_at else None,
        "days_left": left.days_left,
        "low": left.low,
        "high": left.high,
        "threshold_wh": rule.threshold_wh,
        "threshold_days": rule.threshold_days,
        "energy_wh": situation.energy_wh,
        "budget_idr": rule.budget_idr,
        "left_idr": rule.budget_idr - situation.spent_idr - situation.cost_idr,
    }


def _note(member: AutoRuleMeter, word: str, now: dt.datetime) -> bool:
    """Write the verdict beside the meter; whether it is another than before."""
    if member.word == word:
        return False
    member.word, member.word_at = word, now
    member.save(update_fields=["word", "word_at"])
    return True


def _hindered(rule: AutoRule, meter: Meter, word: str, situation: Situation | None, now: dt.datetime) -> None:
    """A purchase that the rule wanted and may not make: an audit line, and the customer is told once."""
    audit.record_refusal(
        at=now,
        actor="auto",
        verb="notices.request_top_up",
        subject=f"meter:{meter.pk}",
        code=f"auto_{word}",
        detail={"rule": rule.pk, "nominal_idr": rule.nominal_idr},
    )
    tell_rule(rule, meter, word, situation, now)
