# SPDX-License-Identifier: Apache-2.0
"""A meter's frame for people: its layers one after another, and its body as an outline. Reads, never judges replay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from duaarah.drivers.frames import open_frame, unframe
from duaarah.drivers.kinds import Profile
from duaarah.drivers.reports import decode_report
from duaarah.drivers.samples import record
from duaarah.wire.dlms import apdu, lenient
from duaarah.wire.dlms.axdr import Data, Tag
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.datetime import OCTETS as DATE_TIME_OCTETS
from duaarah.wire.dlms.datetime import DateTime
from duaarah.wire.dlms.errors import DlmsError

LINES_MAX = 400
_OBIS_OCTETS = 6


@dataclass(frozen=True, slots=True)
class Explained:
    """
    What a frame holds: `facts` are (name, value) from the outermost layer on, `outline` the lines of its body, each
    indented by two spaces a level; `report` what the profile reads in it; `problem` the code where reading ended.
    """

    facts: tuple[tuple[str, str], ...] = ()
    outline: tuple[str, ...] = ()
    report: dict[str, object] = field(default_factory=dict)
    problem: str = ""


def explain(profile: Profile, payload: bytes, *, keys: Keys | None) -> Explained:
    """Layer by layer as far as it goes; without keys up to the ciphering. Never raises."""
    facts: list[tuple[str, str]] = []
    try:
        protected = unframe(profile, payload)
        framing = "wrapper" if profile.link.short_order is None else f"short, {profile.link.short_order.value}"
        facts += [
            ("framing", framing),
            ("system title", protected.system_title.hex(" ")),
            ("invocation counter", str(protected.counter)),
            ("security control", f"0x{protected.ciphered.security_control:02x}"),
        ]
        if keys is None:
            return Explained(tuple(facts))
        plain = open_frame(protected, keys=keys)
        facts.append(("plain APDU", plain.hex(" ")))
        push = _push(plain)
    except DlmsError as error:
        return Explained(tuple(facts), problem=error.code)
    facts.append(("service", type(push).__name__))
    report = record(decode_report(profile, plain))
    if not isinstance(push, apdu.DataNotification):
        return Explained(tuple(facts), report=report)
    facts.append(("date-time", (push.date_time.to_iso() or "not set") if push.date_time else "absent"))
    lines = list(_limited(outline(push.body)))
    return Explained(tuple(facts), tuple(lines), report)


def _push(plain: bytes) -> apdu.Apdu:
    try:
        return apdu.decode(plain)
    except DlmsError:
        repaired = lenient.data_notification(plain) if plain[:1] == bytes((apdu.DATA_NOTIFICATION,)) else None
        if repaired is None:
            raise
        return repaired


def _limited(lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number == LINES_MAX:
            yield "..."
            return
        yield line


def outline(data: Data, depth: int = 0) -> Iterator[str]:
    """A line for each value: its type by the standard's name, and what it says."""
    indent, name = "  " * depth, data.tag.name.lower().replace("_", "-")
    if data.tag in (Tag.ARRAY, Tag.STRUCTURE):
        yield f"{indent}{name} ({len(data.value)})"
        for one in data.value:
            yield from outline(one, depth + 1)
        return
    yield f"{indent}{name} {_said(data)}".rstrip()


def _said(data: Data) -> str:
    value = data.value
    if value is None:
        return ""
    if not isinstance(value, bytes):
        return str(value)
    words = value.hex(" ")
    if len(value) == _OBIS_OCTETS and value[-1] == 0xFF:
        return f"{words} = {'.'.join(map(str, value))}"
    if len(value) == DATE_TIME_OCTETS and (at := DateTime.from_octets(value).to_iso()):
        return f"{words} = {at}"
    if value and all(0x20 <= octet < 0x7F for octet in value):
        return f"{words} = {value.decode('ascii')}"
    return words
