"""Every SMS text in its worst case is one GSM 03.38 segment."""

from __future__ import annotations

import string

import pytest

from duaarah.core.gsm7 import SEGMENT_SEPTETS, septets
from duaarah.core.tariff import NOMINALS_IDR
from duaarah.messaging.texts import TEXTS, TOKEN_STATES, render
from duaarah.texting.grammar import Verb
from duaarah.texting.numbers import WRITTEN_MAX

# The longest that each placeholder can become.
WORST = {
    "kwh": "1.234,5",
    "was": "100,0",
    "balance": "12.345,6",
    "meter": "ABCDEFGHIJKL",
    "nominal": "Rp1.000.000",
    "nominal_plain": "1000000",
    "code": "K7P",
    "token": "1234 5678 9012 3456 7890",
    "time": "23/11 18.40",
    **dict.fromkeys(("since", "until", "begin", "end"), "23/11 18.40"),
    "total": "Rp1.010.000",
    "old": "14...789",
    "wallet": "Rp9.999.999.999",
    "va": "888535110000001",
    "given": "9" * WRITTEN_MAX + " juta",
    "nominals": ", ".join(f"{n // 1000}rb" if n < 1_000_000 else f"{n // 1_000_000}jt" for n in NOMINALS_IDR),
    "verbs": f"{Verb.TOKEN.value} / {Verb.STATUS.value} / {Verb.HISTORY.value}",
    "loads": "; ".join(["23/11 Rp1.000.000 1.234,5 kWh"] * 4),
    "here": "8123",
    "secret": "<PIN>",
    "aliases": ", ".join(["ABCDEFGHIJKL"] * 5) + " ...",
    "phone": "...890",
    "verb": "RIWAYAT",
    "days": "365",
    "number": "3123",
    "price": "Rp1.000",
    "day": "01/04",
    "was_day": "01/03",
    "was_nominal": "Rp1.000.000",
    "rate": "Rp1.699,53",
    "causes": "nominal Rp1.000.000->Rp1.000.000 -1.234,56; +7 lain",
}
PER_TEMPLATE = {
    "meter_unknown": {"given": "1234567890123"},
    "which_meter": {
        "example": "ISI ABCDEFGHIJKL 1000000 <PIN>",
    },
    "warnings_off": {"meter": "ABCDEFGHIJKL, MNOPQRSTUVWX (+410)"},
    "warnings_on": {"meter": "ABCDEFGHIJKL, MNOPQRSTUVWX (+410)"},
    "low_credit": {"nominal_plain": "50000", "nominal": "Rp50.000"},
    # Who has a hundred kilowatt-hours is not warned, whatever he uses.
    "low_credit_days": {"nominal_plain": "50000", "nominal": "Rp50.000", "days": "+-2 days", "kwh": "99,9"},
    "auto_set": {"kwh": "1.000,0", "nominal": "Rp1.000.000", "budget": "Rp9.999.999"},
    "auto_now": {"at": "1.000,0 kWh", "left": "Rp9.999.999", "budget": "Rp9.999.999"},
    "auto_budget": {"budget": "Rp10.000.000.000"},
    "balance_days": {"days": ">60 hari"},
    "credit_exhausted": {"nominal_plain": "50000"},
    "compensation": {"month": "12/2026"},
    # A number that is not the reader's own meter has no name for him.
    **{name: {"meter": "14...789"} for name in ("taken_back", "moved", "not_moved")},
}


@pytest.mark.parametrize("language", ["id", "en"])
@pytest.mark.parametrize("template", sorted(TEXTS))
def test_the_worst_case_fits_one_segment(template: str, language: str) -> None:
    values = WORST | {"state": max((state[language] for state in TOKEN_STATES.values()), key=len)}
    values |= PER_TEMPLATE.get(template, {})
    fields = {name for _, name, _, _ in string.Formatter().parse(TEXTS[template][language]) if name}
    text = render(template, language, **{name: values[name] for name in fields})
    assert septets(text) <= SEGMENT_SEPTETS
