# SPDX-License-Identifier: Apache-2.0
"""
The grammar of the customer's SMS, as one table. Pure: text in, intent out, never an exception.

`ISI [site] nominal [code or PIN]`; the order of the words behind the verb does not matter. Nominals are written as
Indonesians write them: 50000, 50.000, 50rb, 50 ribu, Rp50.000.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Verb(StrEnum):
    BALANCE = "SALDO"
    BUY = "ISI"
    TOKEN = "TOKEN"
    HELP = "BANTUAN"


SYNONYMS: dict[str, Verb] = {
    "SALDO": Verb.BALANCE,
    "SISA": Verb.BALANCE,
    "CEK": Verb.BALANCE,
    "BALANCE": Verb.BALANCE,
    "ISI": Verb.BUY,
    "BELI": Verb.BUY,
    "BUY": Verb.BUY,
    "TOKEN": Verb.TOKEN,
    "STROOM": Verb.TOKEN,
    "BANTUAN": Verb.HELP,
    "HELP": Verb.HELP,
    "INFO": Verb.HELP,
}

WORDS_MAX = 8
_NOMINAL = re.compile(r"(?:RP)?(\d{1,3}(?:[.,]\d{3})+|\d{1,8})(RB|RIBU|K|JT|JUTA)?", re.IGNORECASE)
_CODE = re.compile(r"[A-Z]\d[A-Z]", re.IGNORECASE)
_PIN = re.compile(r"\d{6}")
_ALIAS = re.compile(r"[A-Z][A-Z0-9-]{1,11}|\d{11}|\d{13}", re.IGNORECASE)
_UNITS = {"RB": 1_000, "RIBU": 1_000, "K": 1_000, "JT": 1_000_000, "JUTA": 1_000_000}
_NOISE = frozenset({"PIN", "KODE", "CODE", "RP", "METER"})


@dataclass(frozen=True)
class Asked:
    """What an SMS asks; fields that were not there are None. `nominal_text` is what was written, for the answer."""

    verb: Verb | None
    nominal_idr: int | None = None
    nominal_text: str | None = None
    code: str | None = None
    pin: str | None = None
    alias: str | None = None

    def __repr__(self) -> str:
        return f"Asked(verb={self.verb}, nominal_idr={self.nominal_idr}, alias={self.alias!r})"


def parse(text: str) -> Asked:
    """Read one SMS; an empty verb means that we did not understand."""
    words = text.replace(":", " ").strip(" .!?\r\n\t\"'<>").split()
    if not words or len(words) > WORDS_MAX:
        return Asked(None)
    verb = SYNONYMS.get(words[0].upper())
    if verb is None:
        return Asked(None)
    rest = [word.strip("<>.,!") for word in words[1:]]
    return _read(verb, [word for word in rest if word and word.upper() not in _NOISE])


def _read(verb: Verb, words: list[str]) -> Asked:
    nominal: int | None = None
    nominal_text = code = pin = alias = None
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if nominal is None and verb is Verb.BUY and (match := _NOMINAL.fullmatch(word)) and len(word) != 11:
            unit = match[2] or ""
            # "50 rb" in two words is one nominal.
            if not unit and position < len(words) and words[position].upper() in _UNITS:
                unit = words[position]
                position += 1
            nominal = int(re.sub(r"[.,]", "", match[1])) * _UNITS.get(unit.upper(), 1)
            nominal_text = word + (f" {unit}" if unit and unit not in word else "")
        elif code is None and _CODE.fullmatch(word):
            code = word.upper()
        elif pin is None and verb is Verb.BUY and _PIN.fullmatch(word):
            pin = word
        elif alias is None and _ALIAS.fullmatch(word):
            alias = word.upper()
        else:
            return Asked(None)
    return Asked(verb, nominal, nominal_text, code, pin, alias)
