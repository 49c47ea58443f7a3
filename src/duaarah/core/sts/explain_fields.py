# SPDX-License-Identifier: Apache-2.0
"""What each field of a payload means, in parts: amounts are exponent, mantissa and value; a control field its tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from duaarah.core.sts.amounts import step_of
from duaarah.core.sts.describe import amount_steps, amount_text, unit_of
from duaarah.core.sts.fields import CLEAR_CREDIT, CLEAR_TAMPER, EXTENDED_SET, POWER, Fields
from duaarah.core.sts.tid import BASE_DATES, instant_of, tid_not_reserved
from duaarah.core.sts.token import is_currency

_KEY_PARTS = frozenset({"nkho", "nklo", "nkmo1", "nkmo2"})
_KNOWN_TESTS = 11
_FLAG_INDEX = 63


@dataclass(frozen=True, slots=True)
class Part:
    """Highest bit, lowest bit and number (None: no bits of its own); value as text; the sentence's name and places."""

    name: str
    bits: tuple[int, int, int] | None
    value: str
    sentence: str
    params: Mapping[str, str | int] = field(default_factory=dict)


def described(fields: Fields, name: str, width: int, low: int, base_date: int | None) -> Iterator[Part]:
    """The parts of one field that lies at bits `low + width - 1`..`low` of the data block."""
    value = fields.values[name]
    bits = low + width - 1, low, value
    if name == "field":
        yield from _value_field(fields, value, low)
    elif name == "tid":
        yield _tid(bits, value, base_date)
    elif name == "se":
        sign = "-" if value & 8 else "+"
        yield Part("se", bits, str(value), "se", {"sign": sign, "exponent": f"{value & 7:03b}"})
    elif name == "control":
        yield from _control(fields, bits, width)
    elif name == "mfr":
        yield Part("mfr", bits, f"{value:0{width // 4}X}", "mfr")
    elif name in _KEY_PARTS:
        yield Part(name, bits, f"{value:08X}", "new_key")
    elif name in ("ro", "kt"):
        yield Part(name, bits, str(value), f"{name}_{value}")
    elif name == "kct":
        yield Part(name, bits, str(value), "kct_1" if value else "kct")
    elif name in ("sgclo", "sgcho"):
        yield Part(name, bits, f"{value:03X}", name)
    else:
        yield Part(name, bits, f"{value:02d}" if name == "ti" else str(value), name)


def _tid(bits: tuple[int, int, int], tid: int, base_date: int | None) -> Part:
    if base_date is None:
        dates: dict[str, str | int] = {f"at_{year}": _minute(tid, year) for year in BASE_DATES}
        return Part("tid", bits, str(tid), "tid_unknown", dates)
    sentence = "tid" if tid_not_reserved(tid) == tid else "tid_reserved"
    return Part("tid", bits, str(tid), sentence, {"base_date": base_date, "at": _minute(tid, base_date)})


def _minute(tid: int, base_date: int) -> str:
    return instant_of(tid, base_date).isoformat(sep=" ", timespec="minutes")


def _value_field(fields: Fields, value: int, low: int) -> Iterator[Part]:
    bits = low + 15, low, value
    if amount_steps(fields) is not None:
        yield from _amount(fields, value, low)
    elif fields.kind == CLEAR_CREDIT:
        sentence = "register_all" if value == 0xFFFF else "register" if value < 8 else "register_unknown"
        yield Part("register", bits, f"{value:04X}", sentence, {"register": value})
    elif fields.kind == CLEAR_TAMPER:
        yield Part("pad", bits, f"{value:04X}", "pad_wrong" if value else "pad")
    elif fields.kind == EXTENDED_SET:
        index, control = value >> 10, value & 0x3FF
        flag = "index_flag" if index == _FLAG_INDEX else "index"
        yield Part("index", (low + 15, low + 10, index), str(index), flag, {"index": index})
        yield Part("control10", (low + 9, low, control), str(control), "control10")
    else:
        name = "rate" if fields.subclass == 2 else "factor"
        yield Part(name, bits, str(value), name)


def _amount(fields: Fields, value: int, low: int) -> Iterator[Part]:
    currency = is_currency(fields.token_class, fields.subclass)
    mantissa, exponent = value & 0x3FFF, value >> 14
    if currency:
        exponent |= (fields.values["se"] & 7) << 2
    step, offset = step_of(exponent)
    where = {"exponent": exponent, "step": step, "offset": offset}
    sentence = "exponent_currency" if currency else "exponent"
    yield Part("exponent", (low + 15, low + 14, value >> 14), str(exponent), sentence, where)
    yield Part("mantissa", (low + 13, low, mantissa), str(mantissa), "mantissa", where)
    text = amount_text(fields) or ""
    symbol = unit_of(fields.kind)
    params: dict[str, str | int] = {
        "offset": offset,
        "mantissa": mantissa,
        "step": step,
        "steps": amount_steps(fields) or 0,
        "amount": text,
        "symbol": symbol,
        "unit": f"1 {symbol}" if fields.kind in POWER else f"0.1 {symbol}",
        "sign": "-" if currency and fields.values["se"] & 8 else "",
    }
    yield Part("amount", None, f"{text} {symbol}".strip(), "amount_currency" if currency else "amount", params)


def _control(fields: Fields, bits: tuple[int, int, int], width: int) -> Iterator[Part]:
    high, low, value = bits
    if fields.subclass == 2:
        index, rest = value >> 30, value & (1 << 30) - 1
        yield Part("index", (high, high - 5, index), str(index), "control_read_index", {"index": index})
        yield Part("control30", (high - 6, low, rest), f"{rest:08X}", "control30")
        return
    if value == (1 << width) - 1:
        yield Part("control", bits, f"{value:0{width // 4}X}", "control_all")
        return
    yield Part("control", bits, f"{value:0{width // 4}X}", "control", {"count": value.bit_count()})
    for bit in range(width):
        if value >> bit & 1:
            number = bit + 1
            sentence = f"test_{number}" if number <= _KNOWN_TESTS else "test_other"
            yield Part("test", (low + bit, low + bit, 1), str(number), sentence, {"number": number})
