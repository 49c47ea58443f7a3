# SPDX-License-Identifier: Apache-2.0
"""xDLMS APDUs (IEC 62056-5-3, 9.5): ACTION, GET and SET normal, notifications, ExceptionResponse.

`encode` and `decode` are each other's inverse on the records of this page. The receiver is liberal in one place, the
date-time of a Data-Notification: `notification`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from duaarah.core.obis import Obis
from duaarah.wire.dlms import axdr, notification
from duaarah.wire.dlms.axdr import Data, Reader
from duaarah.wire.dlms.errors import Malformed, Unencodable, UnknownApdu
from duaarah.wire.dlms.notification import DATA_NOTIFICATION as DATA_NOTIFICATION
from duaarah.wire.dlms.notification import EVENT_NOTIFICATION as EVENT_NOTIFICATION
from duaarah.wire.dlms.notification import DataNotification as DataNotification
from duaarah.wire.dlms.notification import EventNotification as EventNotification

GET_REQUEST, GET_RESPONSE = 0xC0, 0xC4
SET_REQUEST, SET_RESPONSE = 0xC1, 0xC5
ACTION_REQUEST, ACTION_RESPONSE = 0xC3, 0xC7
EXCEPTION_RESPONSE = 0xD8
NORMAL = 0x01

# Invoke-Id-And-Priority: the low four bits are the invoke-id.
PRIORITY_HIGH, SERVICE_CONFIRMED = 0x80, 0x40

# Data-Access-Result and Action-Result share these.
SUCCESS, TEMPORARY_FAILURE, READ_WRITE_DENIED, OBJECT_UNDEFINED, TYPE_UNMATCHED, OTHER_REASON = 0, 2, 3, 4, 12, 250


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """Call a method. `invoke_octet` is Invoke-Id-And-Priority; an unconfirmed call (SMS) clears SERVICE_CONFIRMED."""

    invoke_octet: int
    class_id: int
    obis: Obis
    method: int
    parameter: Data | None = None


@dataclass(frozen=True, slots=True)
class ActionResponse:
    """The result of a method, with its return value or the reason why there is none."""

    invoke_octet: int
    result: int
    value: Data | None = None
    access_result: int | None = None


@dataclass(frozen=True, slots=True)
class GetRequest:
    """Read one attribute; `selector` and `selection` are the selective access, if any."""

    invoke_octet: int
    class_id: int
    obis: Obis
    attribute: int
    selector: int | None = None
    selection: Data | None = None


@dataclass(frozen=True, slots=True)
class GetResponse:
    """The value, or the Data-Access-Result that explains its absence (exactly one of the two)."""

    invoke_octet: int
    value: Data | None = None
    access_result: int | None = None


@dataclass(frozen=True, slots=True)
class SetRequest:
    """Write one attribute; `selector` and `selection` are the selective access, if any."""

    invoke_octet: int
    class_id: int
    obis: Obis
    attribute: int
    value: Data
    selector: int | None = None
    selection: Data | None = None


@dataclass(frozen=True, slots=True)
class SetResponse:
    """The Data-Access-Result of a SET: 0 is success."""

    invoke_octet: int
    result: int


@dataclass(frozen=True, slots=True)
class ExceptionResponse:
    """The server cannot process the request; `invocation_counter` only with service error 6."""

    state_error: int
    service_error: int
    invocation_counter: int | None = None


Apdu = (
    ActionRequest
    | ActionResponse
    | GetRequest
    | GetResponse
    | SetRequest
    | SetResponse
    | DataNotification
    | EventNotification
    | ExceptionResponse
)
COUNTER_ERROR = 6


def _number(value: int, octets: int, name: str) -> bytes:
    try:
        return value.to_bytes(octets, "big")
    except OverflowError:
        raise Unencodable(f"The {name} does not fit {octets} octets.") from None


def _signed_octet(value: int, name: str) -> bytes:
    if not -128 <= value <= 127:
        raise Unencodable(f"The {name} does not fit one octet.")
    return value.to_bytes(1, "big", signed=True)


def _optional(data: Data | None) -> bytes:
    return b"\x00" if data is None else b"\x01" + axdr.encode(data)


def _data_or_result(value: Data | None, access_result: int | None) -> bytes:
    if (value is None) == (access_result is None):
        raise Unencodable("A result is either a value or the reason why there is none.")
    if value is not None:
        return b"\x00" + axdr.encode(value)
    assert access_result is not None
    return b"\x01" + _number(access_result, 1, "access result")


def encode(apdu: Apdu) -> bytes:
    """The octets of an APDU; Unencodable when a field does not fit."""
    match apdu:
        case ActionRequest():
            return (
                bytes((ACTION_REQUEST, NORMAL))
                + _number(apdu.invoke_octet, 1, "invoke-id")
                + _number(apdu.class_id, 2, "class id")
                + apdu.obis.to_octets()
                + _signed_octet(apdu.method, "method")
                + _optional(apdu.parameter)
            )
        case ActionResponse():
            head = bytes((ACTION_RESPONSE, NORMAL)) + _number(apdu.invoke_octet, 1, "invoke-id")
            head += _number(apdu.result, 1, "action result")
            if apdu.value is None and apdu.access_result is None:
                return head + b"\x00"
            return head + b"\x01" + _data_or_result(apdu.value, apdu.access_result)
        case GetRequest():
            return _encode_attribute(GET_REQUEST, apdu)
        case SetRequest():
            return _encode_attribute(SET_REQUEST, apdu) + axdr.encode(apdu.value)
        case SetResponse():
            head = bytes((SET_RESPONSE, NORMAL)) + _number(apdu.invoke_octet, 1, "invoke-id")
            return head + _number(apdu.result, 1, "access result")
        case GetResponse():
            head = bytes((GET_RESPONSE, NORMAL)) + _number(apdu.invoke_octet, 1, "invoke-id")
            return head + _data_or_result(apdu.value, apdu.access_result)
        case DataNotification() | EventNotification():
            return notification.encode(apdu)
        case ExceptionResponse():
            octets = bytes((EXCEPTION_RESPONSE,)) + _number(apdu.state_error, 1, "state error")
            octets += _number(apdu.service_error, 1, "service error")
            if (apdu.service_error == COUNTER_ERROR) != (apdu.invocation_counter is not None):
                raise Unencodable("Service error 6, and no other, names an invocation counter.")
            if apdu.invocation_counter is not None:
                octets += _number(apdu.invocation_counter, 4, "invocation counter")
            return octets


def _encode_attribute(tag: int, apdu: GetRequest | SetRequest) -> bytes:
    head = bytes((tag, NORMAL)) + _number(apdu.invoke_octet, 1, "invoke-id")
    head += _number(apdu.class_id, 2, "class id") + apdu.obis.to_octets() + _signed_octet(apdu.attribute, "attribute")
    if apdu.selector is None and apdu.selection is None:
        return head + b"\x00"
    if apdu.selector is None or apdu.selection is None:
        raise Unencodable("Selective access has a selector and its parameters.")
    return head + b"\x01" + _number(apdu.selector, 1, "selector") + axdr.encode(apdu.selection)


def decode(octets: bytes, *, tail_ok: bool = False) -> Apdu:
    """The APDU in these octets; UnknownApdu, Incomplete, or Malformed, also for a tail unless `tail_ok`."""
    reader = Reader(octets)
    tag = reader.octet()
    read = _READERS.get(tag)
    if read is None:
        raise UnknownApdu(f"The APDU tag 0x{tag:02X} is not supported.")
    apdu = read(reader)
    if not tail_ok:
        reader.end()
    return apdu


def _normal(reader: Reader) -> int:
    choice = reader.octet()
    if choice != NORMAL:
        raise UnknownApdu(f"The form {choice} of this service is not supported, only the normal one.")
    return reader.octet()


def _flag(reader: Reader) -> bool:
    flag = reader.octet()
    if flag > 1:
        raise Malformed(f"A presence flag is 0 or 1, not {flag}.")
    return flag == 1


def _descriptor(reader: Reader) -> tuple[int, Obis, int]:
    class_id = int.from_bytes(reader.take(2), "big")
    obis = Obis.from_octets(reader.take(6))
    return class_id, obis, int.from_bytes(reader.take(1), "big", signed=True)


def _read_action_request(reader: Reader) -> ActionRequest:
    invoke_octet = _normal(reader)
    class_id, obis, method = _descriptor(reader)
    return ActionRequest(invoke_octet, class_id, obis, method, axdr.read(reader) if _flag(reader) else None)


def _read_action_response(reader: Reader) -> ActionResponse:
    invoke_octet, result = _normal(reader), reader.octet()
    if not _flag(reader):
        return ActionResponse(invoke_octet, result)
    if _flag(reader):
        return ActionResponse(invoke_octet, result, access_result=reader.octet())
    return ActionResponse(invoke_octet, result, value=axdr.read(reader))


def _read_get_request(reader: Reader) -> GetRequest:
    invoke_octet = _normal(reader)
    class_id, obis, attribute = _descriptor(reader)
    if not _flag(reader):
        return GetRequest(invoke_octet, class_id, obis, attribute)
    return GetRequest(invoke_octet, class_id, obis, attribute, reader.octet(), axdr.read(reader))


def _read_get_response(reader: Reader) -> GetResponse:
    invoke_octet = _normal(reader)
    if _flag(reader):
        return GetResponse(invoke_octet, access_result=reader.octet())
    return GetResponse(invoke_octet, value=axdr.read(reader))


def _read_set_request(reader: Reader) -> SetRequest:
    invoke_octet = _normal(reader)
    class_id, obis, attribute = _descriptor(reader)
    if not _flag(reader):
        return SetRequest(invoke_octet, class_id, obis, attribute, axdr.read(reader))
    selector, selection = reader.octet(), axdr.read(reader)
    return SetRequest(invoke_octet, class_id, obis, attribute, axdr.read(reader), selector, selection)


def _read_set_response(reader: Reader) -> SetResponse:
    return SetResponse(_normal(reader), reader.octet())


def _read_exception_response(reader: Reader) -> ExceptionResponse:
    state_error, service_error = reader.octet(), reader.octet()
    counter = int.from_bytes(reader.take(4), "big") if service_error == COUNTER_ERROR else None
    return ExceptionResponse(state_error, service_error, counter)


_READERS: dict[int, Callable[[Reader], Apdu]] = {
    DATA_NOTIFICATION: notification.read_data_notification,
    EVENT_NOTIFICATION: notification.read_event_notification,
    GET_REQUEST: _read_get_request,
    GET_RESPONSE: _read_get_response,
    SET_REQUEST: _read_set_request,
    SET_RESPONSE: _read_set_response,
    ACTION_REQUEST: _read_action_request,
    ACTION_RESPONSE: _read_action_response,
    EXCEPTION_RESPONSE: _read_exception_response,
}
