# SPDX-License-Identifier: Apache-2.0
"""What a bind's row says in the words of the wire, and what the wire says in the words of the rows."""

from __future__ import annotations

import datetime as dt
import hashlib
import zoneinfo
from collections.abc import Mapping, Sequence
from typing import Any

from duaarah.core import gsm7
from duaarah.net.esme import ESMEConfig
from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp import receipt
from duaarah.wire.smpp.parts import part_of
from duaarah.wire.smpp.pdu import PDU
from duaarah.wiring.keystores import unwrap_bind_password

COMMANDS = {"TRX": p.BIND_TRANSCEIVER, "TX": p.BIND_TRANSMITTER, "RX": p.BIND_RECEIVER}
REDELIVERY_TEXT_S, REDELIVERY_PART_S, REDELIVERY_BINARY_S = 60, 3_600, 86_400
# What the worker itself writes, which is no configuration.
_SEEN = frozenset({"state", "state_at", "state_reason"})
_LATIN_1 = 3
# An address that is longer than SMPP allows is nobody's.
ADDRESS_MAX = 21
# (segment, command_status, message id) of a response.
Answer = tuple[int, int, str]


def configuration(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a person set: when this changes the link binds anew."""
    return {name: value for name, value in row.items() if name not in _SEEN}


def esme_config(row: Mapping[str, Any]) -> ESMEConfig:
    """Where and as whom to bind. Raises keystore.Unwrapped."""
    return ESMEConfig(
        host=row["host"],
        port=row["port"],
        system_id=row["system_id"],
        password=unwrap_bind_password(row["name"], bytes(row["password_wrapped"])),
        address_range=row["address_range"],
        window=row["window"],
        enquire_link_s=row["enquire_link_s"],
        response_timeout_s=row["response_timeout_s"],
        command=COMMANDS[row["kind"]],
        system_type=row["system_type"],
        service_type=row["service_type"],
        short_code=(row["short_code_ton"], row["short_code_npi"]),
        msisdn=(row["msisdn_ton"], row["msisdn_npi"]),
        tls=row["tls"],
        tls_ca=row["tls_ca"],
        tls_pin=row["tls_pin"],
        bind_refusals_max=row["bind_refusals_max"],
        keep_late=True,
        message_payload=row.get("long_text") == "PAYLOAD",
    )


def zone_of(name: str) -> dt.tzinfo:
    """The zone of receipts; a name that nobody knows is UTC."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return dt.UTC


def outbound_octets(payload: bytes, data_coding: int, alphabet: str, esm_class: int = 0) -> bytes:
    """A segment as this SMSC reads data_coding 0: GSM 03.38 one octet a character, or Latin-1; a part's header stays."""
    if data_coding or alphabet == "GSM":
        return payload
    if esm_class & p.ESM_UDHI and payload:
        end = 1 + payload[0]
        return payload[:end] + outbound_octets(payload[end:], data_coding, alphabet)
    return gsm7.decode(payload).encode("latin-1", "replace")


def submission(row: Mapping[str, Any], bind: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of ESME.submit for a claimed row. Raises UnicodeError (a ValueError): its text has no such octets."""
    return {
        "source": row["source"],
        "destination": row["destination"],
        "short_message": outbound_octets(
            bytes(row["payload"]), row["data_coding"], bind["default_alphabet"], row["esm_class"]
        ),
        "data_coding": row["data_coding"],
        "esm_class": row["esm_class"],
        "validity_s": row["validity_s"],
        "registered": row["registered"],
        "service_type": bind["tariffs"].get(row["source"], ""),
    }


def accepted_columns(accepted: Sequence[Answer], bind: Mapping[str, Any]) -> list[list[Any]]:
    """Values of links_sql.ACCEPTED."""
    keys = [receipt.response_key(message_id, bind["id_base"]) for _, _, message_id in accepted]
    return [[item[0] for item in accepted], [item[2] for item in accepted], keys]


def inbound_row(pdu: PDU, bind: Mapping[str, Any], group: list[int]) -> dict[str, Any]:
    """Values of links_sql.INBOUND (and of OVERTAKEN and JOIN, when `total` is set)."""
    source, destination = (pdu.text.get(name, "")[:ADDRESS_MAX] for name in ("source_addr", "destination_addr"))
    coding, esm_class = pdu.number.get("data_coding", 0), pdu.number.get("esm_class", 0)
    part = part_of(pdu)
    place = f"{part.reference}/{part.total}/{part.number}|" if part else ""
    what = f"{source}|{destination}|{coding}|{esm_class}|{place}".encode() + pdu.payload
    binary = coding == 4 or coding & 0xF4 == 0xF4
    whole_kind = "BINARY" if binary else "TEXT"
    if coding == 0 and bind["default_alphabet"] == "LATIN1":
        coding = _LATIN_1
    window_s = REDELIVERY_BINARY_S if binary else REDELIVERY_PART_S if part else REDELIVERY_TEXT_S
    return {
        "bind": bind["id"],
        "group": group,
        "kind": "PART" if part else whole_kind,
        "whole_kind": whole_kind,
        "source": source,
        "destination": destination,
        "data_coding": coding,
        "esm_class": esm_class,
        "payload": part.octets if part else pdu.payload,
        "digest": hashlib.sha256(what).digest(),
        "window": window_s,
        "reference": part.reference if part else None,
        "total": part.total if part else None,
        "number": part.number if part else None,
    }


def receipt_row(pdu: PDU, bind: Mapping[str, Any]) -> dict[str, Any]:
    """A record of links_sql.RECEIPT, fit for JSON; one that names no message is kept as it came, without keys, for a person."""
    zone = zone_of(bind["receipt_zone"])
    found = receipt.parse(pdu, base=bind["id_base"], dialect=bind["receipt_dialect"], zone=zone)
    handset, short_code = (pdu.text.get(name, "")[:ADDRESS_MAX] for name in ("source_addr", "destination_addr"))
    if found is None:
        unknown = {"message_ids": [], "state": receipt.UNKNOWN, "error": "", "text": receipt.raw_text(pdu)}
        return unknown | {"handset": handset, "short_code": short_code, "done_at": None}
    return {
        "message_ids": found.message_ids,
        "state": found.state,
        "error": found.error[:10],
        "text": found.text,
        "handset": handset,
        "short_code": short_code,
        "done_at": found.done_at.isoformat() if found.done_at else None,
    }
