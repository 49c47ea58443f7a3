# SPDX-License-Identifier: Apache-2.0
"""Delivery receipts: TLVs first, then the text that each vendor writes a little differently (Appendix B)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp.pdu import PDU

STATES = {
    "ENROUTE": 1,
    "DELIVRD": 2,
    "EXPIRED": 3,
    "DELETED": 4,
    "UNDELIV": 5,
    "ACCEPTD": 6,
    "UNKNOWN": 7,
    "REJECTD": 8,
}
_RECEIPT_BITS, _RECEIPT = 0x3C, 0x04
_ID = re.compile(r"\bid:\s*(\S+)", re.IGNORECASE)
_STAT = re.compile(r"\bstat:\s*([A-Z]+)", re.IGNORECASE)
_ERR = re.compile(r"\berr:\s*(\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DeliveryReceipt:
    """Canonical keys of the message id, the SMPP message_state (7 = unknown), and the network's error text."""

    message_ids: tuple[str, ...]
    state: int
    error: str
    text: str


def is_receipt(pdu: PDU) -> bool:
    """Bits 5-2 of esm_class say so; equality with 4 would miss flags."""
    return pdu.number.get("esm_class", 0) & _RECEIPT_BITS == _RECEIPT


def id_keys(message_id: str) -> tuple[str, ...]:
    """An id as different parts of one SMSC may write it: as is, lower-case, unpadded, hex as decimal and back."""
    plain = message_id.strip().lower()
    keys = {message_id.strip(), plain, plain.lstrip("0") or "0"}
    if plain.isascii() and plain.isdigit() and len(plain) <= 20:
        keys.add(f"{int(plain):x}")
    if re.fullmatch(r"[0-9a-f]{1,16}", plain):
        keys.add(str(int(plain, 16)))
    return tuple(sorted(keys))


def parse(pdu: PDU) -> DeliveryReceipt | None:
    """The receipt in a deliver_sm; None when no message id can be found in it."""
    text = pdu.payload.decode("latin-1")
    tagged = pdu.tlv(p.TLV_RECEIPTED_MESSAGE_ID)
    found = _ID.search(text)
    message_id = tagged.rstrip(b"\0").decode("latin-1") if tagged else found[1] if found else ""
    if not message_id:
        return None
    state_tlv = pdu.tlv(p.TLV_MESSAGE_STATE)
    stat = _STAT.search(text)
    state = state_tlv[0] if state_tlv else STATES.get(stat[1].upper()[:7], 7) if stat else 7
    error = _ERR.search(text)
    return DeliveryReceipt(id_keys(message_id), state, error[1] if error else "", text[:254])


def text_of(message_id: str, delivered: bool) -> bytes:
    """The conventional text of a final receipt."""
    stat = "DELIVRD" if delivered else "EXPIRED"
    return f"id:{message_id} sub:001 dlvrd:{int(delivered):03d} stat:{stat} err:000 text:".encode("ascii")
