# SPDX-License-Identifier: Apache-2.0
"""KENAPA: why the latest token holds other energy than the one before, cause by cause, in one SMS."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from duaarah.core.gsm7 import SEGMENT_SEPTETS, septets
from duaarah.core.tariff.explain import Change, half_up
from duaarah.messaging.addressing import meter_name
from duaarah.messaging.price_texts import CAUSES, MORE
from duaarah.messaging.texts import TEXTS, kwh, local_day, rupiah
from duaarah.registry.models import Pairing
from duaarah.texting.reply import Reply
from duaarah.vending.models import Vend
from duaarah.vending.queries import amount_idr
from duaarah.vending.receipts import difference, receipt_of, tokens_of_meter

_SHARES = ("ppj", "ppn")
_KEPT_ALONE = {"nominal", "rounding"}


def why(pairing: Pairing, language: str) -> Reply:
    """Compare the latest two tokens of a meter; says so where there is nothing to compare, or nothing changed."""
    vends = tokens_of_meter(meter_id=pairing.meter_id, limit=2)
    if not vends:
        return Reply("no_token", {"meter": meter_name(pairing)}, "no_token")
    receipts = [receipt_of(vend) for vend in vends]
    for vend, receipt in zip(vends, receipts, strict=True):
        if receipt is None:
            values = {"meter": meter_name(pairing), "day": local_day(vend.paid_at, pairing.meter.zone)}
            return Reply("why_unknown", values, "why_unknown")
    latest = receipts[0]
    assert latest is not None
    values = {"meter": meter_name(pairing), **_said(vends[0], pairing, language)}
    if len(vends) == 1:
        rate = decimals(latest.priced.rate_idr_per_kwh, language)
        return Reply("why_first", _only("why_first", values | {"rate": f"Rp{rate}"}), "why_first")
    before = receipts[1]
    assert before is not None
    values |= {f"was_{name}": said for name, said in _said(vends[1], pairing, language).items()}
    values["was"] = values["was_kwh"]
    found = difference(before, latest)
    template = _template(found)
    if template == "why_changed":
        values["causes"] = causes(found, language, TEXTS[template][language].format(**values, causes=""))
    return Reply(template, _only(template, values), template)


def _template(found: tuple[Change, ...]) -> str:
    names = {change.name for change in found}
    if not names:
        return "why_same"
    return "why_nominal" if "nominal" in names and names <= _KEPT_ALONE else "why_changed"


def _said(vend: Vend, pairing: Pairing, language: str) -> dict[str, str]:
    return {
        "kwh": kwh(vend.requested_wh, language),
        "nominal": rupiah(amount_idr(vend), language),
        "day": local_day(vend.paid_at, pairing.meter.zone),
    }


def _only(template: str, values: dict[str, str]) -> dict[str, str]:
    """What the text has a place for."""
    return {name: value for name, value in values.items() if f"{{{name}}}" in TEXTS[template]["id"]}


def causes(found: tuple[Change, ...], language: str, around: str) -> str:
    """The causes, the largest first and the rounding last, as many as fit into one SMS beside what is `around` them."""
    ordered = sorted(found, key=lambda change: (change.name == "rounding", -abs(change.effect_kwh)))
    said = [_cause(change, language) for change in ordered]
    room = SEGMENT_SEPTETS - septets(around)
    for shown in range(len(said), 0, -1):
        left = len(said) - shown
        text = "; ".join(said[:shown] + ([MORE[language].format(number=left)] if left else []))
        if septets(text) <= room:
            return text
    return MORE[language].format(number=len(said))


def _cause(change: Change, language: str) -> str:
    words = CAUSES[change.name][language].format(
        was=_figure(change.name, change.before, language), now=_figure(change.name, change.after, language)
    )
    return f"{words} {effect(change.effect_kwh, language)}"


def _figure(name: str, number: Decimal, language: str) -> str:
    if name in _SHARES:
        return f"{decimals(number * 100, language)}%"
    if name == "rate":
        return decimals(number, language)
    return rupiah(int(number.to_integral_value()), language)


def decimals(number: Decimal, language: str) -> str:
    """`1.444,7`, `2,4` (id) or `1,444.7`, `2.4` (en): as many decimals as it has."""
    text = f"{number:,f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.translate(str.maketrans(",.", ".,")) if language == "id" else text


def effect(number: Fraction, language: str) -> str:
    """`-0,20`: the energy that a cause made, signed, to 0.01 kWh."""
    shown = half_up(number, 2)
    text = f"{shown:+,.2f}"
    return text.translate(str.maketrans(",.", ".,")) if language == "id" else text
