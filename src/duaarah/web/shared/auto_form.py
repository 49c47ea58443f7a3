# SPDX-License-Identifier: Apache-2.0
"""The form of a rule of automatic top-up: what people write, read into a wish, and a sentence where it cannot be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from django.http import HttpRequest, QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duaarah.notices.auto.rules import METERS_MAX, RuleRefused, Wish, check_wish
from duaarah.notices.models import AutoRule
from duaarah.people.models import AccountHolder
from duaarah.registry.access import meters_of_holder
from duaarah.registry.models import Meter

NAME_MAX = 40
_KWH = re.compile(r"[0-9]{1,4}(?:[.,][0-9]{1,3})?")
_TIME = re.compile(r"([01]?[0-9]|2[0-3])[.:]([0-5][0-9])")
_RUPIAH = re.compile(r"[0-9]{1,3}(?:[., ][0-9]{3})*|[0-9]{1,11}")
WRONG: dict[str, str | Promise] = {
    "auto_nominal": gettext_lazy("Choose one of the nominals."),
    "auto_budget": gettext_lazy("The budget of a month holds one purchase at least."),
    "auto_threshold": gettext_lazy("Buy below 0.5 to 1,000 kWh, or 1 to 14 days before the end."),
    "auto_quiet": gettext_lazy("Quiet hours have a begin and an end, such as 22.00 and 06.00."),
    "auto_meters": gettext_lazy("Choose meters of yours that no other rule has."),
    "auto_approval": gettext_lazy("Nobody else signs in for you, so nobody could agree: leave that sum empty."),
    "auto_none": gettext_lazy("This rule is off already."),
}


class WrongForm(Exception):
    """Nothing was changed; the message says what to write."""


@dataclass(frozen=True, kw_only=True)
class Filled:
    """What a form asks for."""

    wish: Wish
    meters: list[Meter]


def filled(request: HttpRequest, holder: AccountHolder) -> Filled:
    """Read a form. Raises WrongForm."""
    data = request.POST
    meters = list(meters_of_holder(holder_id=holder.pk).filter(drn__in=data.getlist("meter")[: METERS_MAX + 1]))
    if not meters:
        raise WrongForm(str(WRONG["auto_meters"]))
    by_days = data.get("when") == "days"
    wish = Wish(
        name=(data.get("name", "").strip() or _("Automatic top-up"))[:NAME_MAX],
        nominal_idr=_rupiah(data, "nominal", "auto_nominal") or 0,
        budget_idr=_rupiah(data, "budget", "auto_budget") or 0,
        threshold_wh=None if by_days else _wh(data.get("kwh", "")),
        threshold_days=_days(data.get("days", "")) if by_days else None,
        quiet_from_min=_minutes(data.get("quiet_from", "")),
        quiet_until_min=_minutes(data.get("quiet_until", "")),
        approval_above_idr=_rupiah(data, "approval", "auto_budget"),
    )
    try:
        check_wish(wish)
    except RuleRefused as error:
        raise WrongForm(str(WRONG[error.code])) from error
    return Filled(wish=wish, meters=meters)


def said(error: RuleRefused) -> str:
    """Why a rule was refused, in a sentence."""
    return str(WRONG.get(error.code, WRONG["auto_meters"]))


def _rupiah(data: QueryDict, name: str, wrong: str) -> int | None:
    words = data.get(name, "").strip().removeprefix("Rp").strip()
    if not words:
        return None
    if not _RUPIAH.fullmatch(words):
        raise WrongForm(str(WRONG[wrong]))
    return int(re.sub(r"[., ]", "", words))


def _wh(words: str) -> int:
    if not _KWH.fullmatch(words.strip()):
        raise WrongForm(str(WRONG["auto_threshold"]))
    return int(Decimal(words.strip().replace(",", ".")) * 1000)


def _days(words: str) -> int:
    if not (words.strip().isascii() and words.strip().isdigit() and len(words.strip()) < 4):
        raise WrongForm(str(WRONG["auto_threshold"]))
    return int(words)


def _minutes(words: str) -> int | None:
    if not words.strip():
        return None
    found = _TIME.fullmatch(words.strip())
    if found is None:
        raise WrongForm(str(WRONG["auto_quiet"]))
    return int(found[1]) * 60 + int(found[2])


def time_words(minutes: int | None) -> str:
    """`22.00`; empty for none."""
    return "" if minutes is None else f"{minutes // 60:02d}.{minutes % 60:02d}"


def fields_of(rule: AutoRule | None, wish: Wish | None) -> dict[str, str]:
    """What stands in the form's fields: what was just written, else the rule, else a first proposal."""
    source = wish or rule
    if source is None:
        return {"nominal": "50000", "when": "kwh", "kwh": "5", "days": "2", "budget": "300000"}
    return {
        "name": source.name,
        "nominal": str(source.nominal_idr),
        "when": "days" if source.threshold_days is not None else "kwh",
        "kwh": f"{Decimal(source.threshold_wh) / 1000:f}" if source.threshold_wh is not None else "",
        "days": str(source.threshold_days or ""),
        "budget": str(source.budget_idr),
        "quiet_from": time_words(source.quiet_from_min),
        "quiet_until": time_words(source.quiet_until_min),
        "approval": str(source.approval_above_idr) if source.approval_above_idr is not None else "",
    }
