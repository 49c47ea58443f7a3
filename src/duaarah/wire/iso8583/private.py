# SPDX-License-Identifier: Apache-2.0
"""
Fields 48 and 62 from and to objects, by the layouts of private.toml.

A field is read by the first candidate layout that ends where the field does. Values are strings as sent; an amount is
{"minor": digit, "value": digits}. Where no layout is known at all the object is {"raw": the whole field}.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from duaarah.wire.iso8583.errors import ISOError

RAW = "raw"


@dataclass(frozen=True, slots=True)
class Part:
    """One line of a layout: `form` text, amount, list, amounts or records; `width` of a value or item."""

    name: str
    form: str
    width: int = 0
    count_digits: int = 0
    record: tuple[Part, ...] = ()
    most: int = 0

    @property
    def octets(self) -> int:
        """The width of a part that has one of its own."""
        return self.width + (self.form == "amount")


Parts = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """One that can stand in a field; `echo`: only as a copy of the request in an answer that refuses."""

    parts: Parts
    echo: bool = False


class _Misfit(Exception):
    """This layout does not fit; the text says where."""


@cache
def _uses() -> dict[str, tuple[Layout, ...]]:
    data = tomllib.loads((files(__package__) / "private.toml").read_text(encoding="utf-8"))
    layouts: dict[str, Parts] = {}

    def layout(name: str) -> Parts:
        if name not in layouts:
            layouts[name] = tuple(part(line.split()) for line in data["layouts"][name])
        return layouts[name]

    def part(words: list[str]) -> Part:
        match words:
            case [name, width]:
                return Part(name, "text", int(width))
            case [name, "amount", width]:
                return Part(name, "amount", int(width))
            case [name, "list" | "amounts" as form, digits, width]:
                return Part(name, form, int(width), int(digits))
            case [name, "records", record, most]:
                return Part(name, "records", record=layout(record), most=int(most))
        raise ValueError(f"private.toml: {' '.join(words)}")

    def choice(words: str) -> Layout:
        return Layout(layout(words.split()[-1]), echo=words.startswith("echo "))

    return {key: tuple(choice(words) for words in names) for key, names in data["use"].items()}


def candidates(product: str, phase: str, direction: str, field: str) -> tuple[Layout, ...]:
    """The layouts that can stand there; empty when none is known. A repeated advice or reversal looks like the first."""
    return _uses().get(f"{product} {phase.removesuffix('_repeat')} {direction} {field}", ())


def parse(text: str, layouts: tuple[Layout, ...]) -> dict[str, Any]:
    """The field as an object. Raises ISOError bad_field when there are layouts and none fits."""
    if not layouts:
        return {RAW: text}
    reasons = []
    for layout in layouts:
        try:
            return _parse(text, layout.parts)
        except _Misfit as misfit:
            reasons.append(str(misfit))
    raise ISOError("bad_field", reasons[0])


def build(value: object, layouts: tuple[Layout, ...]) -> str:
    """The field as text. {"raw": ...} alone is taken verbatim. Raises ISOError bad_field."""
    if not isinstance(value, Mapping):
        raise ISOError("bad_field", "A private field is an object.")
    if set(value) == {RAW}:
        return _text(RAW, value[RAW])
    if not layouts:
        raise ISOError("bad_field", 'No layout is known here: the field is {"raw": text}.')
    reasons = []
    for layout in layouts:
        try:
            return _build(value, layout.parts)
        except _Misfit as misfit:
            reasons.append(str(misfit))
    raise ISOError("bad_field", reasons[0])


def whole(text: str, layouts: tuple[Layout, ...]) -> bool:
    """Whether the text fills one of the layouts to its end; always, where none is known."""
    return not layouts or any(_fills(text, layout.parts) for layout in layouts if not layout.echo)


def _fills(text: str, parts: Parts) -> bool:
    try:
        return set(_parse(text, parts)) == {part.name for part in parts}
    except _Misfit:
        return False


# -- reading -----------------------------------------------------------------------------------------------------------


def _parse(text: str, layout: Parts) -> dict[str, Any]:
    found: dict[str, Any] = {}
    at = 0
    for part in layout:
        if at == len(text):
            return found
        found[part.name], at = _parse_part(text, at, part)
    if at != len(text):
        raise _Misfit(f"A private field of {len(text)} characters is {len(text) - at} too long.")
    return found


def _cut(text: str, at: int, width: int, name: str) -> str:
    if len(text) - at < width:
        raise _Misfit(f"A private field of {len(text)} characters ends inside {name}.")
    return text[at : at + width]


def _parse_part(text: str, at: int, part: Part) -> tuple[Any, int]:
    """The value of one part, and where the next begins."""
    if part.form == "text":
        return _cut(text, at, part.width, part.name), at + part.width
    if part.form == "amount":
        return _amount(_cut(text, at, part.octets, part.name), part.name), at + part.octets
    if part.form == "records":
        return _parse_records(text[at:], part), len(text)
    count_text = _cut(text, at, part.count_digits, part.name)
    if not _digits(count_text):
        raise _Misfit(f"The count of {part.name} is no number.")
    at += part.count_digits
    width = part.width + (part.form == "amounts")
    items = []
    for _ in range(int(count_text)):
        item = _cut(text, at, width, part.name)
        items.append(_amount(item, part.name) if part.form == "amounts" else item)
        at += width
    return items, at


def _parse_records(text: str, part: Part) -> list[dict[str, Any]]:
    width = sum(inner.octets for inner in part.record)
    count, rest = divmod(len(text), width)
    if rest or not 1 <= count <= part.most:
        raise _Misfit(f"{len(text)} characters are not 1 to {part.most} {part.name} of {width}.")
    return [_parse(text[at : at + width], part.record) for at in range(0, len(text), width)]


def _amount(text: str, name: str) -> dict[str, str]:
    if not _digits(text[0]):
        raise _Misfit(f"The minor unit of {name} is no digit.")
    return {"minor": text[0], "value": text[1:]}


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


# -- writing -----------------------------------------------------------------------------------------------------------


def _build(value: Mapping[str, Any], layout: Parts) -> str:
    names = [part.name for part in layout]
    if unknown := [str(name) for name in value if name not in names]:
        raise _Misfit(f"There is no {unknown[0]} in this private field.")
    ended_at = next((name for name in names if name not in value), None)
    present = [part for part in layout if part.name in value]
    if [part.name for part in present] != names[: len(present)]:
        raise _Misfit(f"{ended_at} is missing before {present[-1].name}.")
    return "".join(_build_part(value[part.name], part) for part in present)


def _build_part(value: Any, part: Part) -> str:
    if part.form == "text":
        return _exact(part.name, value, part.width)
    if part.form == "amount":
        return _amount_text(value, part)
    if not isinstance(value, list):
        raise _Misfit(f"{part.name} is a list.")
    if part.form == "records":
        if not 1 <= len(value) <= part.most:
            raise _Misfit(f"There are 1 to {part.most} {part.name}.")
        return "".join(_record(item, part) for item in value)
    if len(value) >= 10**part.count_digits:
        raise _Misfit(f"{len(value)} {part.name} do not fit a count of {part.count_digits} digits.")
    items = [_amount_text(v, part) if part.form == "amounts" else _exact(part.name, v, part.width) for v in value]
    return f"{len(value):0{part.count_digits}d}" + "".join(items)


def _record(value: Any, part: Part) -> str:
    if not isinstance(value, Mapping) or set(value) != {inner.name for inner in part.record}:
        raise _Misfit(f"One of {part.name} has not exactly the fields of its layout.")
    return _build(value, part.record)


def _amount_text(value: Any, part: Part) -> str:
    if not isinstance(value, Mapping) or set(value) != {"minor", "value"}:
        raise _Misfit(f'{part.name} is {{"minor", "value"}}.')
    minor = _exact(part.name, value["minor"], 1)
    if not _digits(minor):
        raise _Misfit(f"The minor unit of {part.name} is no digit.")
    return minor + _exact(part.name, value["value"], part.width)


def _exact(name: str, value: Any, width: int) -> str:
    text = _text(name, value)
    if len(text) != width:
        raise _Misfit(f"{name} has {width} characters, not {len(text)}.")
    return text


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ISOError("bad_field", f"{name} is a string.")
    return value
