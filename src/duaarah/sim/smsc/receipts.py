# SPDX-License-Identifier: Apache-2.0
"""Receipts as different SMSCs write them (SMPP 3.4, Appendix B leaves it to the vendor), and their message ids."""

from __future__ import annotations

from duaarah.sim.smsc.message import Message, utc
from duaarah.wire.smpp import pdu as p

ENROUTE, DELIVERED, EXPIRED, UNDELIVERABLE = 1, 2, 3, 5
_STATS = {DELIVERED: "DELIVRD", EXPIRED: "EXPIRED", UNDELIVERABLE: "UNDELIV"}


def response_id(number: int, ids: str) -> str:
    """The message_id of submit_sm_resp."""
    match ids:
        case "hex-decimal":
            return f"{number:x}"
        case "decimal-hex":
            return str(number)
        case "upper-lower":
            return f"{number:08X}"
    return f"{number:010d}"


def receipt_id(number: int, ids: str) -> str:
    """The same id in a receipt, which another part of that SMSC writes."""
    match ids:
        case "hex-decimal" | "unpadded":
            return str(number)
        case "decimal-hex":
            return f"{number:x}"
        case "upper-lower":
            return f"{number:08x}"
    return f"{number:010d}"


def receipt_of(message: Message, state: int) -> Message:
    """The receipt for a message; its content is written when it leaves, in the dialect of that moment."""
    return Message(
        message.number,
        message.account,
        message.destination,
        message.source,
        0x04,
        0,
        b"",
        receipt_state=state,
        submitted_at=message.submitted_at,
    )


def content(receipt: Message, *, form: str, ids: str, now: float) -> tuple[bytes, tuple[tuple[int, bytes], ...]]:
    """
    short_message and TLVs of a receipt. `form`: both; tlv or text alone; tight: names without blanks, dates of 12
    digits; short: id and stat only.
    """
    state = receipt.receipt_state or UNDELIVERABLE
    message_id = receipt_id(receipt.number, ids)
    tlvs = (
        (p.TLV_RECEIPTED_MESSAGE_ID, message_id.encode("ascii") + b"\0"),
        (p.TLV_MESSAGE_STATE, bytes([state])),
    )
    if form == "tlv":
        return b"", tlvs
    stat, delivered = _STATS[state], int(state == DELIVERED)
    error = 0 if delivered else 1
    if form == "short":
        return f"id:{message_id} stat:{stat}".encode("ascii"), ()
    pattern = "%y%m%d%H%M%S" if form == "tight" else "%y%m%d%H%M"
    asked, done = utc(receipt.submitted_at).strftime(pattern), utc(now).strftime(pattern)
    if form == "tight":
        text = (
            f"id:{message_id} sub:1 dlvrd:{delivered} submitdate:{asked} donedate:{done} stat:{stat} err:{error} text:"
        )
    else:
        text = (
            f"id:{message_id} sub:001 dlvrd:{delivered:03d} submit date:{asked} done date:{done} stat:{stat} "
            f"err:{error:03d} text:"
        )
    return text.encode("ascii"), tlvs if form == "both" else ()
