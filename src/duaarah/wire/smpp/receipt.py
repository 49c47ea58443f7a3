# SPDX-License-Identifier: Apache-2.0
"""Delivery receipts: TLVs first, then the text that each vendor writes a little differently (Appendix B)."""

from __future__ import annotations

import datetime as dt
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
UNKNOWN = 7
# Longer than any id that the specification knows; responses and receipts are cut alike.
ID_MAX, TEXT_MAX = 65, 254
_HEX = re.compile(r"[0-9a-f]{1,16}")
_RECEIPT_BITS, _RECEIPT, _INTERMEDIATE = 0x3C, 0x04, 0x20
_ID = re.compile(r"\bid:\s*(\S+)", re.IGNORECASE)
_STAT = re.compile(r"\bstat:\s*([A-Z]+)", re.IGNORECASE)
_DONE = re.compile(r"\bdone\s*date:\s*(\d{10}(?:\d{2})?)(?!\d)", re.IGNORECASE)
_ERR = re.compile(r"\berr:\s*(\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DeliveryReceipt:
    """Canonical keys of the message id, the SMPP message_state (7 = unknown), the network's error text, done date."""

    message_ids: tuple[str, ...]
    state: int
    error: str
    text: str
    done_at: dt.datetime | None = None


def is_receipt(pdu: PDU) -> bool:
    """Bits 5-2 of esm_class say so; equality with 4 would miss flags."""
    return pdu.number.get("esm_class", 0) & _RECEIPT_BITS in (_RECEIPT, _INTERMEDIATE)


def id_keys(message_id: str) -> tuple[str, ...]:
    """An id as different parts of one SMSC may write it: as is, lower-case, unpadded, hex as decimal and back."""
    plain = message_id.strip().lower()
    keys = {message_id.strip(), plain, plain.lstrip("0") or "0"}
    if plain.isascii() and plain.isdigit() and len(plain) <= 20:
        keys.add(f"{int(plain):x}")
    if re.fullmatch(r"[0-9a-f]{1,16}", plain):
        keys.add(str(int(plain, 16)))
    return tuple(sorted(keys))


def response_key(message_id: str, base: str) -> str:
    """The one key under which a submit_sm_resp's id is kept, by the operator's id base."""
    plain = message_id.strip().lower()
    if base == "AS_IS":
        return message_id
    if base == "HEX_RESPONSE" and _HEX.fullmatch(plain):
        return str(int(plain, 16))
    return plain.lstrip("0") or plain[:1]


def receipt_keys(message_id: str, base: str) -> tuple[str, ...]:
    """Keys to look a receipt's id up by, the likeliest first; one key unless the base is ANY."""
    plain = message_id.strip().lower()
    if base == "DEC_RESPONSE" and _HEX.fullmatch(plain):
        return (str(int(plain, 16)),)
    first = response_key(message_id, "AS_IS" if base == "AS_IS" else "NORMAL")
    if base != "ANY":
        return (first,)
    return (first, *(key for key in id_keys(message_id) if key != first))


def parse(pdu: PDU, *, base: str = "ANY", dialect: str = "BOTH", zone: dt.tzinfo = dt.UTC) -> DeliveryReceipt | None:
    """The receipt in a deliver_sm, as the operator writes them; None when no message id can be found in it."""
    text = pdu.payload.decode("latin-1") if dialect != "TLV" else ""
    tagged = pdu.tlv(p.TLV_RECEIPTED_MESSAGE_ID) if dialect != "TEXT" else None
    found = _ID.search(text)
    message_id = tagged.rstrip(b"\0").decode("latin-1") if tagged else found[1] if found else ""
    message_id = message_id.replace("\0", "")[:ID_MAX]
    if not message_id:
        return None
    state_tlv = pdu.tlv(p.TLV_MESSAGE_STATE) if dialect != "TEXT" else None
    stat = _STAT.search(text)
    state = state_tlv[0] if state_tlv else STATES.get(stat[1].upper()[:7], 7) if stat else 7
    error = _ERR.search(text)
    keys = receipt_keys(message_id, base)
    return DeliveryReceipt(keys, state, error[1] if error else "", text.replace("\0", "")[:TEXT_MAX], _done(text, zone))


def _done(text: str, zone: dt.tzinfo) -> dt.datetime | None:
    """done date, with 10 or 12 digits; None when it is missing or no date."""
    found = _DONE.search(text)
    if found is None:
        return None
    try:
        return dt.datetime.strptime(found[1].ljust(12, "0"), "%y%m%d%H%M%S").replace(tzinfo=zone)
    except ValueError:
        return None


def raw_text(pdu: PDU) -> str:
    """A receipt as it came, for a person's eyes: its text, or its TLVs in hexadecimal; nothing that is not printable."""
    text = pdu.payload.decode("latin-1") or " ".join(f"{tag:04x}:{value.hex()}" for tag, value in pdu.tlvs)
    return "".join(character if character.isprintable() else "." for character in text)[:TEXT_MAX]


def text_of(message_id: str, delivered: bool) -> bytes:
    """The conventional text of a final receipt."""
    stat = "DELIVRD" if delivered else "EXPIRED"
    return f"id:{message_id} sub:001 dlvrd:{int(delivered):03d} stat:{stat} err:000 text:".encode("ascii")
