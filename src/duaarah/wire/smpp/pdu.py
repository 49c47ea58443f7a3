# SPDX-License-Identifier: Apache-2.0
"""
SMPP 3.4 PDUs as frozen records (sections 4 and 5 of the specification); unknown TLVs are kept, never an error.

The body of each command is a table of mandatory fields; `encode` and `decode` walk it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from duaarah.wire.smpp.errors import MalformedPDU

HEADER = struct.Struct(">IIII")
PDU_OCTETS_MAX = 16_384
RESPONSE = 0x80000000

GENERIC_NACK = 0x80000000
BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER = 0x01, 0x02, 0x09
SUBMIT_SM, DELIVER_SM = 0x04, 0x05
UNBIND, ENQUIRE_LINK = 0x06, 0x15
BINDS = (BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER)

ESME_ROK, ESME_RINVCMDLEN, ESME_RINVCMDID, ESME_RINVBNDSTS, ESME_RSYSERR = 0x00, 0x02, 0x03, 0x04, 0x08
ESME_RINVDSTADR, ESME_RBINDFAIL, ESME_RINVPASWD, ESME_RINVSYSID = 0x0B, 0x0D, 0x0E, 0x0F
ESME_RSUBMITFAIL, ESME_RUNKNOWNERR = 0x45, 0xFF
ESME_RMSGQFUL, ESME_RTHROTTLED, ESME_RX_T_APPN, ESME_RX_P_APPN = 0x14, 0x58, 0x64, 0x65

TLV_RECEIPTED_MESSAGE_ID, TLV_MESSAGE_STATE, TLV_MESSAGE_PAYLOAD = 0x001E, 0x0427, 0x0424
TLV_SAR_REFERENCE, TLV_SAR_TOTAL, TLV_SAR_NUMBER = 0x020C, 0x020E, 0x020F
ESM_UDHI = 0x40

# Field kinds: "c" C-octet string (with its longest length, the terminator not counted), "b" one octet.
_BIND = (
    ("system_id", 15),
    ("password", 32),
    ("system_type", 12),
    ("interface_version", 0),
    ("addr_ton", 0),
    ("addr_npi", 0),
    ("address_range", 40),
)
_MESSAGE = (
    ("service_type", 5),
    ("source_addr_ton", 0),
    ("source_addr_npi", 0),
    ("source_addr", 20),
    ("dest_addr_ton", 0),
    ("dest_addr_npi", 0),
    ("destination_addr", 20),
    ("esm_class", 0),
    ("protocol_id", 0),
    ("priority_flag", 0),
    ("schedule_delivery_time", 16),
    ("validity_period", 16),
    ("registered_delivery", 0),
    ("replace_if_present_flag", 0),
    ("data_coding", 0),
    ("sm_default_msg_id", 0),
)
_FIELDS: Mapping[int, tuple[tuple[str, int], ...]] = {
    **dict.fromkeys(BINDS, _BIND),
    **{command | RESPONSE: (("system_id", 15),) for command in BINDS},
    SUBMIT_SM: _MESSAGE,
    DELIVER_SM: _MESSAGE,
    SUBMIT_SM | RESPONSE: (("message_id", 64),),
    DELIVER_SM | RESPONSE: (("message_id", 64),),
    UNBIND: (),
    UNBIND | RESPONSE: (),
    ENQUIRE_LINK: (),
    ENQUIRE_LINK | RESPONSE: (),
    GENERIC_NACK: (),
}
_WITH_MESSAGE = (SUBMIT_SM, DELIVER_SM)


@dataclass(frozen=True, slots=True)
class PDU:
    """One PDU. `text` and `number` hold mandatory fields by the specification's names; absent means empty or 0."""

    command: int
    sequence: int
    status: int = 0
    text: Mapping[str, str] = field(default_factory=dict)
    number: Mapping[str, int] = field(default_factory=dict)
    short_message: bytes = b""
    tlvs: tuple[tuple[int, bytes], ...] = ()

    @property
    def is_response(self) -> bool:
        return bool(self.command & RESPONSE)

    def tlv(self, tag: int) -> bytes | None:
        """The first value of a tag."""
        return next((value for known, value in self.tlvs if known == tag), None)

    @property
    def payload(self) -> bytes:
        """The message, wherever it stands: short_message, or the message_payload TLV."""
        return self.short_message or self.tlv(TLV_MESSAGE_PAYLOAD) or b""


def encode(pdu: PDU) -> bytes:
    """
    Octets of a PDU.

    Raises:
        MalformedPDU: an unknown command, a field too long, a number out of its range, a short_message over 254 octets.
    """
    layout = _FIELDS.get(pdu.command)
    if layout is None:
        raise MalformedPDU(f"No command {pdu.command:#x}.", pdu.sequence)
    body = bytearray()
    for name, longest in layout:
        if longest:
            value = pdu.text.get(name, "").encode("latin-1", "replace")
            if len(value) > longest or b"\0" in value:
                raise MalformedPDU(f"{name} has at most {longest} octets.", pdu.sequence)
            body += value + b"\0"
        else:
            number = pdu.number.get(name, 0)
            if not 0 <= number <= 0xFF:
                raise MalformedPDU(f"{name} is one octet.", pdu.sequence)
            body.append(number)
    if pdu.command in _WITH_MESSAGE:
        if len(pdu.short_message) > 254:
            raise MalformedPDU("short_message has at most 254 octets.", pdu.sequence)
        body.append(len(pdu.short_message))
        body += pdu.short_message
    for tag, content in pdu.tlvs:
        if not 0 <= tag <= 0xFFFF or len(content) > 0xFFFF:
            raise MalformedPDU("A TLV has a tag of two octets, and at most 65,535 octets.", pdu.sequence)
        body += struct.pack(">HH", tag, len(content)) + content
    if not 0 <= pdu.status <= 0xFFFFFFFF or not 0 <= pdu.sequence <= 0xFFFFFFFF:
        raise MalformedPDU("Status and sequence are four octets.")
    return HEADER.pack(HEADER.size + len(body), pdu.command, pdu.status, pdu.sequence) + bytes(body)


def decode(octets: bytes) -> PDU:
    """
    One whole PDU. A response with an error status may lack its body; anything unknown behind the fields is ignored.

    Raises:
        MalformedPDU: not a PDU, or one that contradicts itself.
    """
    if len(octets) < HEADER.size:
        raise MalformedPDU("A PDU has 16 octets at least.")
    length, command, status, sequence = HEADER.unpack_from(octets)
    if length != len(octets):
        raise MalformedPDU("The length does not fit.", sequence)
    layout = _FIELDS.get(command)
    if layout is None:
        return PDU(command, sequence, status)
    text: dict[str, str] = {}
    number: dict[str, int] = {}
    position = HEADER.size
    if command & RESPONSE and position == length:
        return PDU(command, sequence, status)
    for name, longest in layout:
        if longest:
            end = octets.find(b"\0", position)
            if end < 0:
                raise MalformedPDU(f"{name} has no end.", sequence)
            text[name] = octets[position:end].decode("latin-1")
            position = end + 1
        else:
            if position >= length:
                raise MalformedPDU(f"{name} is missing.", sequence)
            number[name] = octets[position]
            position += 1
    message = b""
    if command in _WITH_MESSAGE:
        if position >= length or position + 1 + octets[position] > length:
            raise MalformedPDU("short_message is cut off.", sequence)
        message = octets[position + 1 : position + 1 + octets[position]]
        position += 1 + len(message)
    return PDU(command, sequence, status, text, number, message, _tlvs(octets, position))


def _tlvs(octets: bytes, position: int) -> tuple[tuple[int, bytes], ...]:
    """Every whole TLV; a cut tail is left out, as peers append what they like."""
    found = []
    while position + 4 <= len(octets):
        tag, length = struct.unpack_from(">HH", octets, position)
        if position + 4 + length > len(octets):
            break
        found.append((tag, octets[position + 4 : position + 4 + length]))
        position += 4 + length
    return tuple(found)


def relative_validity(seconds: int) -> str:
    """A relative validity_period (7.1.1): YYMMDDhhmmss000R, days as days."""
    minutes, second = divmod(max(seconds, 1), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    months, day = divmod(min(days, 360), 30)
    return f"00{months:02d}{day:02d}{hour:02d}{minute:02d}{second:02d}000R"
