# SPDX-License-Identifier: Apache-2.0
"""A blocking DLMS client: reads registers of one meter over the TCP wrapper, on a pre-established association."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass

from duaarah.core.replay import Replayed, ReplayWindow
from duaarah.wire.dlms import apdu, ciphering, wrapper
from duaarah.wire.dlms.axdr import INTEGER_TAGS
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.errors import DlmsError, Malformed
from duaarah.wire.dlms.wrapper import Wrapped

REQUESTS_MAX = 32


class ReadFailed(Exception):
    """The meter cannot be reached, went away, or its answer cannot be trusted. Another attempt may succeed."""

    code = "read_failed"
    retryable = True


class ReadRefused(Exception):
    """The meter answered, authentically, that it does not give this value. Asking again changes nothing."""

    code = "read_refused"
    retryable = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLink:
    """How to talk to one meter. `system_title` is ours, `meter_title` the meter's; they must differ."""

    host: str
    port: int
    client_sap: int
    server_sap: int
    keys: Keys
    system_title: bytes
    meter_title: bytes
    timeout_s: float = 10.0


def read_registers(link: ReadLink, requests: Sequence[bytes], *, counter: int) -> list[int]:
    """Send plain GET-Requests one after the other; the integer values, in order.

    `counter` is the first invocation counter to use, one for each request: the caller has persisted
    `counter + len(requests)` as used before this call. Raises ReadFailed or ReadRefused.
    """
    if len(requests) > REQUESTS_MAX:
        raise ValueError(f"At most {REQUESTS_MAX} registers are read at once.")
    window = ReplayWindow()
    values: list[int] = []
    try:
        with socket.create_connection((link.host, link.port), timeout=link.timeout_s) as connection:
            for number, plain in enumerate(requests):
                sealed = ciphering.protect(
                    plain, keys=link.keys, system_title=link.system_title, counter=counter + number
                )
                connection.sendall(wrapper.wrap(Wrapped(link.client_sap, link.server_sap, sealed)))
                answer, answer_counter = _open(link, _receive(connection))
                window, _ = window.take(answer_counter)
                values.append(_value(plain, answer))
    except (OSError, DlmsError, Replayed, ValueError) as error:
        raise ReadFailed(f"The meter could not be read: {error}") from error
    return values


def _exactly(connection: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = connection.recv(count - len(parts))
        if not part:
            raise ConnectionError("the meter closed the connection.")
        parts += part
    return bytes(parts)


def _receive(connection: socket.socket) -> Wrapped:
    header = _exactly(connection, wrapper.WRAPPER_OCTETS)
    return wrapper.unwrap(header + _exactly(connection, wrapper.apdu_length(header)))


def _open(link: ReadLink, frame: Wrapped) -> tuple[bytes, int]:
    ciphered = ciphering.parse(frame.apdu)
    if ciphered.system_title != link.meter_title or (frame.source, frame.destination) != (
        link.server_sap,
        link.client_sap,
    ):
        raise Malformed("the answer comes from another meter or SAP.")
    return ciphering.unprotect(ciphered, link.keys), ciphered.counter


def _value(request: bytes, answer: bytes) -> int:
    response = apdu.decode(answer)
    if isinstance(response, apdu.ExceptionResponse):
        raise ReadRefused(f"The meter refuses the service (error {response.service_error}).")
    if not isinstance(response, apdu.GetResponse) or response.invoke_octet != request[2]:
        raise Malformed("the answer does not belong to the request.")
    if response.value is None:
        raise ReadRefused(f"The meter does not give this value (result {response.access_result}).")
    if response.value.tag not in INTEGER_TAGS:
        raise Malformed("the value is not a number.")
    return int(response.value.value)
