# SPDX-License-Identifier: Apache-2.0
"""Every published vector against this engine: expected and actual, as certification laboratories print them."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from duaarah.core.sts.amounts import encode_currency, encode_steps
from duaarah.core.sts.batch import answer
from duaarah.core.sts.crc import crc
from duaarah.core.sts.decoder_key import DecoderKey
from duaarah.core.sts.errors import STSError
from duaarah.core.sts.identifiers import luhn_digit
from duaarah.core.sts.issue import issue_electricity_credit
from duaarah.core.sts.tid import instant_of, tid_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One vector: its group, what it is, and both sides as text."""

    group: str
    name: str
    expected: str
    actual: str

    @property
    def passed(self) -> bool:
        return self.expected == self.actual


def checks(tokens_jsonl: str, other_jsonl: str) -> Iterator[Check]:
    """Every check over the two files of `core/sts/vectors`, in their order, then the primitives."""
    for row in _rows(tokens_jsonl):
        request = {name: value for name, value in row.items() if name != "token"}
        kind = f"{row.get('class', 2)}.{row.get('subclass', int(row.get('payload48', '0')[0], 16))}"
        name = f"{kind} {row['pan']} {row.get('issued_at', row.get('payload48', ''))}"
        group = f"tokens DKGA{row['dkga']} EA{row['ea']} class {kind}"
        yield Check(
            group=group, name=name, expected=row["token"], actual=_answered({**request, "op": "issue"}, "token")
        )
    for row in _rows(other_jsonl):
        request = row["request"]
        for key, expected in row["expected"].items():
            name = " ".join(
                str(request[k]) for k in ("ea", "subclass", "control", "issued_at", "amount") if k in request
            )
            yield Check(
                group=row["group"], name=f"{key} {name}", expected=_words(expected), actual=_answered(request, key)
            )
    yield from _primitives()


def tally(found: Iterable[Check]) -> Mapping[str, tuple[int, int]]:
    """Passed and all, by group, in order."""
    passed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for check in found:
        total[check.group] += 1
        passed[check.group] += check.passed
    return {group: (passed[group], count) for group, count in total.items()}


def _rows(text: str) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in text.splitlines() if line)


def _answered(request: dict[str, Any], key: str) -> str:
    def no_random_number() -> int:
        raise AssertionError("a vector leaves nothing to chance")

    try:
        return _words(answer(request, no_random_number).get(key))
    except STSError as error:
        return error.code


def _words(value: Any) -> str:
    return " ".join(value) if isinstance(value, list) else str(value)


def _primitives() -> Iterator[Check]:
    """The standard's worked example, RFC 2994, check digits, amounts and TIDs."""
    iec = DecoderKey("07", bytes.fromhex("0ABC12DEF3456789"))
    rfc = DecoderKey("11", bytes.fromhex("00112233445566778899AABBCCDDEEFF"))
    tid = tid_at(dt.datetime(1996, 3, 25, 13, 55), 1993)  # noqa: DTZ001 - naive utility-local by definition
    rows: list[tuple[str, str, str, Callable[[], str]]] = [
        ("worked example", "TID 1996-03-25 13:55", "19EB23", lambda: f"{tid:06X}"),
        ("worked example", "CRC 0B19EB230100", "C207", lambda: f"{crc(0, 0x0B19EB230100):04X}"),
        ("worked example", "EA07 encrypt", "9335C6C96B7352DC", lambda: f"{iec.encrypt(0x0B19EB230100C207):016X}"),
        ("worked example", "EA07 decrypt", "0B19EB230100C207", lambda: f"{iec.decrypt(0x9335C6C96B7352DC):016X}"),
        (
            "worked example",
            "token 25.6 kWh",
            "29054347139309851356",
            lambda: issue_electricity_credit(iec, energy_wh=25_600, tid=tid, rnd=11, ken=255).digits,
        ),
        ("MISTY1", "encrypt 1", "8B1DA5F56AB3D07C", lambda: f"{rfc.encrypt(0x0123456789ABCDEF):016X}"),
        ("MISTY1", "encrypt 2", "04B68240B13BE95D", lambda: f"{rfc.encrypt(0xFEDCBA9876543210):016X}"),
        ("MISTY1", "decrypt 1", "0123456789ABCDEF", lambda: f"{rfc.decrypt(0x8B1DA5F56AB3D07C):016X}"),
    ]
    for digits, check in (("1234567890", "3"), ("43135625623", "7"), ("7861754265922", "0")):
        rows.append(("Luhn", digits, check, lambda d=digits: luhn_digit(d)))  # type: ignore[misc]
    amounts = (
        (256, 256),
        (16_383, 16_383),
        (20_000, 16_746),
        (180_223, 32_768),
        (1_818_624, 49_152),
        (18_201_624, 65_535),
    )
    for steps, field in amounts:
        rows.append(("amounts", str(steps), str(field), lambda s=steps: str(encode_steps(s))))  # type: ignore[misc]
    for steps, currency in ((100_000, "0 24746"), (-100_000, "8 24745"), (1_638_400_000, "1 30948")):
        rows.append(("amounts", f"{steps} x 0.00001", currency, lambda s=steps: _currency(s)))  # type: ignore[misc]
    for base, last in ((1993, "2024-11-24T20:15"), (2014, "2045-11-24T20:15"), (2035, "2066-11-24T20:15")):
        rows.append(("last TID", str(base), last, lambda b=base: instant_of(2**24 - 1, b).isoformat("T", "minutes")))  # type: ignore[misc]
    for group, name, expected, found in rows:
        yield Check(group=group, name=name, expected=expected, actual=found())


def _currency(steps: int) -> str:
    field = encode_currency(steps)
    return f"{field.sign_exponent} {field.amount}"
