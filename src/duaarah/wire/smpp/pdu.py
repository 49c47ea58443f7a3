# SPDX-License-Identifier: Apache-2.0
"""The codec of SMPP 3.4 PDUs: one record <-> one PDU's octets (3.2, chapter 4).

Decoding is lenient where real peers are: any TLV tag passes, strings may be longer than the standard allows, a response
may lack its body (4.4.2). Encoding is strict. Whatever octets come, `decode` raises Malformed and nothing else.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from duaarah.wire.smpp.bodies import (
    KINDS,
    AlertNotification,
    Bind,
    BindResp,
    Body,
    CancelSm,
    DataSm,
    Message,
    MessageIdResp,
    Outbind,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
)
from duaarah.wire.smpp.commands import RESPONSE, Status
from duaarah.wire.smpp.errors import Malformed, Unencodable

HEADER_OCTETS = 16
PDU_OCTETS_MAX = 65_536
SEQUENCE_MAX = 0x7FFF_FFFF
SHORT_MESSAGE_MAX = 254
TLVS_MAX = 64

HEADER = struct.Struct(">IIII")
_TLV = struct.Struct(">HH")
_PAIR = struct.Struct(">BB")
_TRIPLE = struct.Struct(">BBB")
_TAIL = struct.Struct(">BBBBB")


@dataclass(frozen=True, slots=True)
class PDU:
    """One PDU: header fields and body."""

    status: int
    sequence: int
    body: Body


# Largest C-octet strings without their NUL (5.2); integers (no entry) are one octet.
_STRING_MAX = {
    "system_id": 15,
    "password": 64,  # 8 by the standard; real SMSCs hand out longer ones
    "system_type": 12,
    "address_range": 40,
    "service_type": 5,
    "source_addr": 64,  # 20, but 64 in data_sm and alert_notification; one limit for all
    "destination_addr": 64,
    "esme_addr": 64,
    "schedule_delivery_time": 16,
    "validity_period": 16,
    "message_id": 64,
    "final_date": 16,
}
_ADDRESS = ("source_addr_ton", "source_addr_npi", "source_addr")
_DESTINATION = ("dest_addr_ton", "dest_addr_npi", "destination_addr")
_LAYOUTS: tuple[tuple[type[Body], tuple[str, ...]], ...] = (
    (
        Bind,
        (
            "system_id",
            "password",
            "system_type",
            "interface_version",
            "addr_ton",
            "addr_npi",
            "address_range",
        ),
    ),
    (BindResp, ("system_id",)),
    (MessageIdResp, ("message_id",)),
    (Outbind, ("system_id", "password")),
    (
        DataSm,
        ("service_type", *_ADDRESS, *_DESTINATION, "esm_class", "registered_delivery", "data_coding"),
    ),
    (QuerySm, ("message_id", *_ADDRESS)),
    (QuerySmResp, ("message_id", "final_date", "message_state", "error_code")),
    (CancelSm, ("service_type", "message_id", *_ADDRESS, *_DESTINATION)),
    (
        ReplaceSm,
        (
            "message_id",
            *_ADDRESS,
            "schedule_delivery_time",
            "validity_period",
            "registered_delivery",
            "sm_default_msg_id",
            "short_message",
        ),
    ),
    (AlertNotification, (*_ADDRESS, "esme_addr_ton", "esme_addr_npi", "esme_addr")),
)
_FIELDS: dict[type[Body], tuple[str, ...]] = {
    kind: next((fields for family, fields in _LAYOUTS if issubclass(kind, family)), ()) for kind in KINDS.values()
}


def encode(body: Body, sequence: int, status: int = Status.ESME_ROK) -> bytes:
    """
    One PDU's octets, header included.

    Raises:
        Unencodable: a field that does not fit.
    """
    try:
        mandatory = _encode_message(body) if isinstance(body, Message) else _encode_fields(body)
        octets = mandatory + _encode_tlvs(body.tlvs) if body.tlvs else mandatory
        length = HEADER_OCTETS + len(octets)
        if length > PDU_OCTETS_MAX:
            raise Unencodable(f"A PDU of {length} octets is longer than {PDU_OCTETS_MAX}.")
        return HEADER.pack(length, body.command_id, status, sequence) + octets
    except (struct.error, UnicodeEncodeError) as error:
        raise Unencodable(f"A field of {type(body).__name__} does not fit: {error}.") from error


def decode(octets: bytes) -> PDU:
    """
    Exactly one PDU.

    Raises:
        Malformed: with the command_status that tells the peer.
    """
    if len(octets) < HEADER_OCTETS:
        raise Malformed("A PDU has at least 16 octets.", Status.ESME_RINVCMDLEN)
    length, command_id, status, sequence = HEADER.unpack_from(octets)
    if length != len(octets) or length > PDU_OCTETS_MAX:
        raise Malformed(f"command_length is {length}, here are {len(octets)} octets.", Status.ESME_RINVCMDLEN)
    return PDU(status, sequence, decode_body(command_id, octets[HEADER_OCTETS:]))


def decode_body(command_id: int, octets: bytes) -> Body:
    """The body behind a header that was read already. Raises Malformed."""
    kind = KINDS.get(command_id)
    if kind is None:
        raise Malformed(f"command_id {command_id:#010x} is not known.", Status.ESME_RINVCMDID)
    if issubclass(kind, Message):
        return _decode_message(kind, octets)
    if command_id & RESPONSE:
        return _decode_response(kind, octets)
    values, position = _decode_fields(kind, octets)
    return kind(**values, tlvs=_decode_tlvs(octets, position))


def _text(value: str, name: str) -> bytes:
    if len(value) > _STRING_MAX[name] or "\0" in value:
        raise Unencodable(f"{name} has at most {_STRING_MAX[name]} characters and no NUL.")
    return value.encode("latin-1") + b"\0"


def _short_message(value: bytes) -> bytes:
    if len(value) > SHORT_MESSAGE_MAX:
        raise Unencodable(f"short_message has at most {SHORT_MESSAGE_MAX} octets; message_payload carries more.")
    return value


def _encode_message(body: Message) -> bytes:
    message = _short_message(body.short_message)
    return b"".join(
        (
            _text(body.service_type, "service_type"),
            _PAIR.pack(body.source_addr_ton, body.source_addr_npi),
            _text(body.source_addr, "source_addr"),
            _PAIR.pack(body.dest_addr_ton, body.dest_addr_npi),
            _text(body.destination_addr, "destination_addr"),
            _TRIPLE.pack(body.esm_class, body.protocol_id, body.priority_flag),
            _text(body.schedule_delivery_time, "schedule_delivery_time"),
            _text(body.validity_period, "validity_period"),
            _TAIL.pack(
                body.registered_delivery,
                body.replace_if_present_flag,
                body.data_coding,
                body.sm_default_msg_id,
                len(message),
            ),
            message,
        )
    )


def _decode_message(kind: type[Message], octets: bytes) -> Message:
    """Written out, not walked by the table: nearly every PDU of a busy link passes here."""
    try:
        end = octets.index(0)
        service_type = octets[:end]
        source_ton, source_npi = _PAIR.unpack_from(octets, end + 1)
        start = end + 3
        end = octets.index(0, start)
        source = octets[start:end]
        dest_ton, dest_npi = _PAIR.unpack_from(octets, end + 1)
        start = end + 3
        end = octets.index(0, start)
        destination = octets[start:end]
        esm_class, protocol_id, priority = _TRIPLE.unpack_from(octets, end + 1)
        start = end + 4
        end = octets.index(0, start)
        schedule = octets[start:end]
        start = end + 1
        end = octets.index(0, start)
        validity = octets[start:end]
        registered, replace, data_coding, default_id, sm_length = _TAIL.unpack_from(octets, end + 1)
    except (ValueError, struct.error) as error:
        raise Malformed("The mandatory fields of the message are not complete.", Status.ESME_RINVCMDLEN) from error
    start = end + 6
    end = start + sm_length
    if end > len(octets):
        raise Malformed(f"sm_length {sm_length} is more than there is.", Status.ESME_RINVMSGLEN)
    return kind(
        service_type=service_type.decode("latin-1"),
        source_addr_ton=source_ton,
        source_addr_npi=source_npi,
        source_addr=source.decode("latin-1"),
        dest_addr_ton=dest_ton,
        dest_addr_npi=dest_npi,
        destination_addr=destination.decode("latin-1"),
        esm_class=esm_class,
        protocol_id=protocol_id,
        priority_flag=priority,
        schedule_delivery_time=schedule.decode("latin-1"),
        validity_period=validity.decode("latin-1"),
        registered_delivery=registered,
        replace_if_present_flag=replace,
        data_coding=data_coding,
        sm_default_msg_id=default_id,
        short_message=octets[start:end],
        tlvs=_decode_tlvs(octets, end) if end < len(octets) else (),
    )


def _encode_fields(body: Body) -> bytes:
    parts: list[bytes] = []
    for name in _FIELDS[type(body)]:
        value = getattr(body, name)
        if name == "short_message":
            parts.append(bytes((len(value),)) + _short_message(value) if len(value) <= 255 else _short_message(value))
        elif name in _STRING_MAX:
            parts.append(_text(value, name))
        else:
            parts.append(struct.pack(">B", value))
    return b"".join(parts)


def _decode_fields(kind: type[Body], octets: bytes) -> tuple[dict[str, Any], int]:
    values: dict[str, Any] = {}
    position = 0
    try:
        for name in _FIELDS[kind]:
            if name == "short_message":
                end = position + 1 + octets[position]
                if end > len(octets):
                    raise Malformed("sm_length is more than there is.", Status.ESME_RINVMSGLEN)
                values[name] = octets[position + 1 : end]
                position = end
            elif name in _STRING_MAX:
                end = octets.index(0, position)
                values[name] = octets[position:end].decode("latin-1")
                position = end + 1
            else:
                values[name] = octets[position]
                position += 1
    except (IndexError, ValueError) as error:
        raise Malformed("The mandatory fields are not complete.", Status.ESME_RINVCMDLEN) from error
    return values, position


def _decode_response(kind: type[Body], octets: bytes) -> Body:
    """Never fails: a response that we cannot read to its end still answers its request."""
    values: dict[str, Any] = {}
    position = 0
    for name in _FIELDS[kind]:
        if position >= len(octets):
            break
        if name in _STRING_MAX:
            end = octets.find(0, position)
            end = len(octets) if end < 0 else end
            values[name] = octets[position:end].decode("latin-1")
            position = end + 1
        else:
            values[name] = octets[position]
            position += 1
    try:
        tlvs = _decode_tlvs(octets, position)
    except Malformed:
        tlvs = ()
    return kind(**values, tlvs=tlvs)


def _encode_tlvs(tlvs: tuple[tuple[int, bytes], ...]) -> bytes:
    if len(tlvs) > TLVS_MAX:
        raise Unencodable(f"A PDU has at most {TLVS_MAX} TLVs here.")
    return b"".join(_TLV.pack(tag, len(value)) + value for tag, value in tlvs)


def _decode_tlvs(octets: bytes, position: int) -> tuple[tuple[int, bytes], ...]:
    found: list[tuple[int, bytes]] = []
    while position < len(octets):
        if position + _TLV.size > len(octets) or len(found) == TLVS_MAX:
            raise Malformed("The optional parameters do not end with the PDU.", Status.ESME_RINVOPTPARSTREAM)
        tag, length = _TLV.unpack_from(octets, position)
        position += _TLV.size + length
        if position > len(octets):
            raise Malformed(f"TLV {tag:#06x} is longer than the PDU.", Status.ESME_RINVOPTPARSTREAM)
        found.append((tag, octets[position - length : position]))
    return tuple(found)
