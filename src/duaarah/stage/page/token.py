# SPDX-License-Identifier: Apache-2.0
"""Any token bit by bit, translated: read with the keys that its meter has, had, or is getting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duaarah.core.sts import (
    DecoderKey,
    Explanation,
    KeyConfiguration,
    Result,
    Step,
    STSError,
    UnknownRegister,
    explain,
)
from duaarah.registry.models import Meter
from duaarah.vending.models import KeyChange, KeyChangePart, Vend
from duaarah.vending.operations.configuration import key_terms
from duaarah.vending.ports import KeyTerms
from duaarah.wiring.keystores import key_store
from duaarah.wiring.token_sources import configuration_of_terms

STAGES = {
    "entry": gettext_lazy("What is keyed in"),
    "class": gettext_lazy("The class, in the clear"),
    "cipher": gettext_lazy("Decrypted"),
    "fields": gettext_lazy("The fields, bit by bit"),
    "check": gettext_lazy("The checks"),
    "verdict": gettext_lazy("What the meter does"),
}
FORMER_KEYS = 10
_KEYLESS = (1, 3)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One step in the reader's language; `where` is its highest and lowest bit, `bits` in groups of four."""

    label: str
    where: str
    bits: str = field(repr=False)
    value: str = field(repr=False)
    meaning: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Explained:
    """`drn` whose key was used ("" for none); `key` names it; `groups` are (heading, rows); `wrong` when there is no token."""

    drn: str = ""
    key: str = ""
    kind: str = ""
    keyless: bool = False
    groups: tuple[tuple[str, tuple[Row, ...]], ...] = field(default=(), repr=False)
    wrong: str = ""


def explained(digits: str, drn: str = "") -> Explained:
    """What 20 digits are; without a meter's number, with the keys of the meter that they were made for, if it is known."""
    digits = "".join(digits.split())
    meter = Meter.objects.filter(drn=drn).first() if drn else meter_of(digits)
    if drn and meter is None:
        return Explained(wrong=_("There is no meter of this number."))
    try:
        found, terms = _best(digits, meter)
    except STSError:
        return Explained(wrong=_("A token has 20 digits, and not every 20 digits are one."))
    groups = groupby(found.steps, key=lambda step: step.stage)
    return Explained(
        drn=meter.drn if meter and terms else "",
        key=f"{terms.register} · SGC {terms.sgc} · KRN {terms.krn} · EA{terms.ea}" if terms else "",
        kind=_(found.kind) if found.kind else "",
        keyless=found.token_class in _KEYLESS,
        groups=tuple((str(STAGES[stage]), tuple(_row(step) for step in steps)) for stage, steps in groups),
    )


def meter_of(digits: str) -> Meter | None:
    """The meter that a token of ours was made for."""
    vend = Vend.objects.select_related("meter").filter(token__digits=digits).first()
    if vend is not None:
        return vend.meter
    part = KeyChangePart.objects.select_related("change__meter").filter(digits=digits).first()
    return part.change.meter if part is not None else None


def _best(digits: str, meter: Meter | None) -> tuple[Explanation, KeyTerms | None]:
    """Read with the first key whose check sum fits; else as the meter reads it now. Classes 1 and 3 have no key."""
    bare = explain(digits)
    if bare.token_class in _KEYLESS:
        return bare, None
    best: tuple[Explanation, KeyTerms] | None = None
    for terms, key, configuration in _keys(digits, meter):
        found = explain(digits, key, configuration)
        if found.result is not Result.CRC:
            return found, terms
        best = best or (found, terms)
    return best or (bare, None)


def _keys(digits: str, meter: Meter | None) -> Iterator[tuple[KeyTerms, DecoderKey, KeyConfiguration]]:
    if meter is None:
        return
    vends = Vend.objects.filter(meter=meter, token__digits=digits)
    changes = KeyChange.objects.filter(meter=meter).order_by("-pk")[:FORMER_KEYS]
    candidates = [
        key_terms(meter),
        *(key_terms(vend) for vend in vends),
        *(KeyTerms(**terms) for change in changes for terms in (change.old, change.new)),
    ]
    for terms in dict.fromkeys(candidates):
        configuration = configuration_of_terms(terms)
        try:
            yield terms, key_store().decoder_key(terms.register, configuration, meter.pan), configuration
        except UnknownRegister:
            continue


def _row(step: Step) -> Row:
    where = "" if step.first is None else str(step.first) if step.first == step.last else f"{step.first}–{step.last}"
    grouped = " ".join(step.bits[max(i - 4, 0) : i] for i in range(len(step.bits), 0, -4)[::-1])
    value = _(step.value) if step.name == "subclass" else step.value
    return Row(label=_(step.label), where=where, bits=grouped, value=value, meaning=_(step.sentence) % step.params)
