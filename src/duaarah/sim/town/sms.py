# SPDX-License-Identifier: Apache-2.0
"""An SMS as the town's modems and phones send and read it."""

from __future__ import annotations

from dataclasses import dataclass, field

from duaarah.core import gsm7

GSM7, BINARY, UCS2 = 0, 4, 8


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An SMS that a modem or a phone sends to the short code; `row` is its place in the state file, if there is one."""

    source: str
    payload: bytes = field(repr=False)
    data_coding: int
    row: int | None = field(default=None, compare=False)


def written(source: str, text: str) -> Outgoing:
    """A text as a handset sends it: what the GSM alphabet does not have goes as UCS2."""
    try:
        return Outgoing(source, gsm7.encode(text), GSM7)
    except gsm7.NotInAlphabet:
        return Outgoing(source, text.encode("utf-16-be"), UCS2)


def text_of(payload: bytes, data_coding: int) -> str:
    """What a handset shows."""
    if data_coding == UCS2:
        return payload.decode("utf-16-be", errors="replace")
    return gsm7.decode(payload) if data_coding == GSM7 else payload.decode("latin-1")
