# SPDX-License-Identifier: Apache-2.0
"""One short message inside the SMSC, and the times of its validity (SMPP 3.4, 7.1.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from duaarah.wire.smpp.pdu import PDU

_RELATIVE = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)000R")
_ABSOLUTE = re.compile(r"(\d{12})(\d)(\d\d)([+-])")


@dataclass(slots=True)
class Message:
    """
    A submit_sm's content, or a receipt (`receipt_state`) to `account`. `link` is the bind it came by, while that lives.

    `number` is the SMSC's own; ids are written from it as a dialect wants. `expires_at` is Unix seconds.
    """

    number: int
    account: str
    source: str
    destination: str
    esm_class: int
    data_coding: int
    payload: bytes
    wants_receipt: bool = False
    expires_at: float | None = None
    receipt_state: int | None = None
    submitted_at: float = 0.0
    tlvs: tuple[tuple[int, bytes], ...] = ()
    row: int = 0
    tries: int = 0
    link: object = None


def expires_at(validity_period: str, now: float) -> float | None:
    """Unix seconds at which a validity_period ends; None when there is none, or none that can be read."""
    if found := _RELATIVE.fullmatch(validity_period):
        years, months, days, hours, minutes, seconds = (int(part) for part in found.groups())
        days += 365 * years + 30 * months
        return now + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
    if found := _ABSOLUTE.fullmatch(validity_period):
        quarters = int(found[3]) * (1 if found[4] == "+" else -1)
        try:
            zone = timezone(timedelta(minutes=15 * quarters))
            return datetime.strptime(found[1], "%y%m%d%H%M%S").replace(tzinfo=zone).timestamp() + int(found[2]) / 10
        except ValueError:
            return None
    return None


def taken(pdu: PDU, *, number: int, account: str, link: object, now: float) -> Message:
    """The message in a submit_sm."""
    return Message(
        number,
        account,
        pdu.text["source_addr"],
        pdu.text["destination_addr"],
        pdu.number["esm_class"] & 0xC0,
        pdu.number["data_coding"],
        pdu.payload,
        wants_receipt=bool(pdu.number["registered_delivery"] & 1),
        expires_at=expires_at(pdu.text["validity_period"], now),
        submitted_at=now,
        tlvs=tuple((tag, value) for tag, value in pdu.tlvs if tag in (0x020C, 0x020E, 0x020F)),
        link=link,
    )


def utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
