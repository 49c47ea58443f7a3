# SPDX-License-Identifier: Apache-2.0
"""The records of `duaarah dlms decode`: octets of any framing in, values and readings out. Pure."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

from duaarah.core.obis import Obis
from duaarah.drivers.kinds import UnknownProfile
from duaarah.drivers.lists import BodyLists, Scale, body_lists
from duaarah.drivers.readings import VALUE_ATTRIBUTE, Reading, reading, readings
from duaarah.wire.dlms.blocks import Block
from duaarah.wire.dlms.data import Data, Tag
from duaarah.wire.dlms.datetime import DateTime
from duaarah.wire.dlms.errors import DlmsError, Malformed
from duaarah.wire.dlms.link import DamagedFrames, Frame, Framing
from duaarah.wire.dlms.notification import DataNotification, EventNotification
from duaarah.wire.dlms.protection import ReadKeys
from duaarah.wire.dlms.receive import Opened, receive

AUTO = "auto"
_WORD = re.compile(r"(?<!^)(?=[A-Z])")
Record = Mapping[str, Any]


def answer(record: Any) -> dict[str, Any]:
    """
    Decode one request. A refusal is a record too: `error`, `message`, and the frames beside a failed check.

    Further keys: `apdu` names the service, `detail` its other fields; `more` = the records of further whole APDUs.
    """
    try:
        return _answer(record)
    except DamagedFrames as error:
        frames = {"framing": error.framing, "frames": _frames(error.frames)}
        return {"error": error.code, "message": str(error), **frames}
    except DlmsError as error:
        return {"error": error.code, "message": str(error)}


def _answer(record: Any) -> dict[str, Any]:
    if not isinstance(record, dict):
        raise Malformed("A request is one JSON object.")
    octets = _octets(record, "hex")
    if octets is None:
        raise Malformed("hex is missing.")
    lists = _lists(record)
    keys = ReadKeys(_octets(record, "ek"), _octets(record, "ak"), _octets(record, "system_title"))
    received = receive(octets, _framing(record), keys)
    first, *others = (_opened(opened, lists) for opened in received.opened)
    more = {"more": others} if others else {}
    return {"framing": received.framing, "frames": _frames(received.frames), **first, **more}


def _octets(record: Record, name: str) -> bytes | None:
    value = record.get(name)
    if value is None:
        return None
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError):
        raise Malformed(f"{name} is not hexadecimal.") from None


def _framing(record: Record) -> Framing | None:
    name = record.get("framing") or AUTO
    if name == AUTO:
        return None
    try:
        return Framing(name)
    except ValueError:
        raise Malformed("framing is auto, raw, wrapper, short, hdlc or mbus.") from None


def _lists(record: Record) -> BodyLists | None:
    name = record.get("profile")
    if name is None:
        return None
    try:
        return body_lists(name if isinstance(name, str) else "")
    except UnknownProfile as error:
        raise Malformed(str(error)) from None


def _frames(frames: tuple[Frame, ...]) -> list[dict[str, Any]]:
    return [{"framing": frame.framing, "length": frame.length, "crc_ok": frame.crc_ok} for frame in frames]


def _opened(opened: Opened, lists: BodyLists | None) -> dict[str, Any]:
    apdu = opened.apdu
    body = apdu if isinstance(apdu, Data) else _body(apdu)
    stamp = getattr(apdu, "date_time", None)
    found = readings(body, lists) if body is not None else []
    if isinstance(apdu, EventNotification) and not found and apdu.attribute == VALUE_ATTRIBUTE:
        found = [reading(apdu.obis, apdu.value, lists.objects.get(apdu.obis, Scale()) if lists else Scale())]
    return {
        "counter": opened.counter,
        "system_title": opened.system_title.hex() if opened.system_title else None,
        "date_time": stamp.to_iso() if isinstance(stamp, DateTime) else None,
        "values": None if body is None else tree(body),
        "readings": [_reading(one) for one in found],
        "apdu": "data" if isinstance(apdu, Data) else _WORD.sub("_", type(apdu).__name__).lower(),
        "detail": {} if isinstance(apdu, Data | DataNotification) else _detail(apdu),
    }


def _body(apdu: Any) -> Data | None:
    """The value that an APDU carries, if it carries exactly one."""
    for name in ("body", "value", "parameter"):
        value = getattr(apdu, name, None)
        if isinstance(value, Data):
            return value
    return None


def _detail(apdu: Any) -> dict[str, Any]:
    fields = {field.name: getattr(apdu, field.name) for field in dataclasses.fields(apdu)}
    shown: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, Obis):
            shown[name] = str(value)
        elif isinstance(value, bytes):
            shown[name] = value.hex()
        elif isinstance(value, int | str) and name != "invoke_octet":
            shown[name] = value
        elif isinstance(value, Block):
            shown[name] = _detail(value)
        elif isinstance(value, tuple):
            shown[name] = [_item(item) for item in value]
    return shown


def _item(item: Any) -> Any:
    """One of a list: a value, a code, or an attribute's descriptor."""
    if isinstance(item, Data):
        return tree(item)
    return _detail(item) if dataclasses.is_dataclass(item) else item


def _reading(one: Reading) -> dict[str, Any]:
    return {"obis": str(one.obis), "value": one.value, "unit": one.unit, "scaler": one.scaler}


def tree(data: Data) -> Any:
    """A value for JSON: lists, numbers, octets in hex, {"text"}, {"bits"}; what is no number of JSON is null."""
    tag, value = data
    if tag is Tag.STRUCTURE or tag is Tag.ARRAY:
        # Numbers and octets, which most elements are, without a call for each.
        return [
            one if type(one) is int else one.hex() if type(one) is bytes else tree(Data(kind, one))
            for kind, one in value
        ]
    if isinstance(value, bytes):
        return value.hex()
    if tag is Tag.VISIBLE_STRING or tag is Tag.UTF8_STRING:
        return {"text": value}
    if tag is Tag.BIT_STRING:
        return {"bits": value}
    return None if isinstance(value, float) and not math.isfinite(value) else value
