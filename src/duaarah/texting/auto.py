# SPDX-License-Identifier: Apache-2.0
"""
AUTO: a standing rule that buys, told and stopped by SMS. Setting one needs the PIN; a reply code buys once and no more.

Stopping and asking need none: nothing is spent by either.
"""

from __future__ import annotations

import datetime as dt

from duaarah.messaging.addressing import meter_name
from duaarah.messaging.texts import kwh, rupiah
from duaarah.notices.auto.queries import rule_now, rule_of_meter
from duaarah.notices.auto.rules import RuleRefused, Wish, set_rule, stop_rule
from duaarah.notices.models import AutoRule
from duaarah.people.operations import PINLocked, PINRefused, check_pin
from duaarah.registry.models import Pairing
from duaarah.texting.grammar import Asked
from duaarah.texting.reply import Reply
from duaarah.texting.shown import nominals, virtual_account
from duaarah.vending.queries import wallet_balance_idr


def auto(asked: Asked, pairing: Pairing, phone: str, language: str, now: dt.datetime) -> Reply:
    """AUTO, AUTO OFF, AUTO <nominal> <kWh> <budget> <PIN>."""
    customer, name = pairing.meter.customer, meter_name(pairing)
    if customer is None:
        return Reply("auto_none", {"meter": name}, "auto_none")
    actor = f"phone:...{phone[-3:]}"
    rule = rule_of_meter(meter_id=pairing.meter_id, holder_id=customer.holder_id)
    if rule is not None and rule.members.count() > 1:
        # One budget over many sites: one of them by SMS would change it for all.
        return Reply("auto_of_many", {"meter": name}, "auto_of_many")
    if asked.off:
        if rule is not None:
            stop_rule(holder=customer.holder, rule_id=rule.pk, actor=actor, now=now)
        return Reply("auto_off", {"meter": name}, "auto_off")
    if asked.nominal_text is None and asked.pin is None and asked.code is None:
        return _told(rule, pairing, language, now)
    if asked.nominal_text is None or asked.energy_text is None or asked.budget_idr is None or asked.pin is None:
        return Reply("auto_how", {}, "auto_how")
    try:
        check_pin(holder=customer.holder, pin=asked.pin, now=now)
        wish = Wish(
            name=name,
            nominal_idr=asked.nominal_idr or 0,
            budget_idr=asked.budget_idr,
            threshold_wh=asked.energy_wh or 0,
            **_kept(rule),
        )
        set_rule(
            holder=customer.holder,
            wish=wish,
            meters=[pairing.meter],
            actor=actor,
            now=now,
            rule_id=rule.pk if rule is not None else None,
            login=rule.login if rule is not None else None,
        )
    except PINLocked as error:
        return Reply("pin_locked", {}, error.code)
    except PINRefused as error:
        return Reply("auto_pin", {}, error.code)
    except RuleRefused as error:
        return Reply("auto_refused", {"nominals": nominals()}, error.code)
    values = {
        "meter": name,
        "nominal": rupiah(wish.nominal_idr, language),
        "kwh": kwh(wish.threshold_wh or 0, language),
        "budget": rupiah(wish.budget_idr, language),
    }
    return Reply("auto_set", values, "auto_set")


def _kept(rule: AutoRule | None) -> dict[str, int | None]:
    """What an SMS does not say stays as it was set on the page."""
    fields = ("quiet_from_min", "quiet_until_min", "approval_above_idr")
    return {name: getattr(rule, name) for name in fields} if rule is not None else {}


def _told(rule: AutoRule | None, pairing: Pairing, language: str, now: dt.datetime) -> Reply:
    name = meter_name(pairing)
    if rule is None:
        return Reply("auto_none", {"meter": name}, "auto_none")
    if rule.state == AutoRule.State.PAUSED:
        values = {
            "meter": name,
            "wallet": rupiah(wallet_balance_idr(holder_id=rule.holder_id), language),
            "nominal": rupiah(rule.nominal_idr, language),
            "va": virtual_account(pairing),
        }
        if rule.pause_code == "no_price":
            return Reply("auto_no_price", {"meter": name}, "auto_paused")
        return Reply("auto_paused", values, "auto_paused")
    days = "hari" if language == "id" else "days" if rule.threshold_days != 1 else "day"
    below = f"{rule.threshold_days} {days}" if rule.threshold_wh is None else f"{kwh(rule.threshold_wh, language)} kWh"
    values = {
        "meter": name,
        "nominal": rupiah(rule.nominal_idr, language),
        "at": below,
        "budget": rupiah(rule.budget_idr, language),
        "left": rupiah(rule_now(rule, now).left_idr, language),
    }
    return Reply("auto_now", values, "auto_now")
