# SPDX-License-Identifier: Apache-2.0
"""An asyncio client of meters: one connection each, a time limit on every exchange, errors with codes.

`session` opens a TCP connection, associates and releases at the end; `ask` is the same for a thread without a loop.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakValueDictionary

from duaarah.core.obis import Obis
from duaarah.core.replay import Replayed, ReplayWindow
from duaarah.wire.dlms import apdu, blocks
from duaarah.wire.dlms.acse import Mechanism
from duaarah.wire.dlms.association import Association
from duaarah.wire.dlms.axdr import Data
from duaarah.wire.dlms.blocks import AttributeOf
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.errors import DlmsError, Stale
from duaarah.wire.dlms.hdlc_link import HdlcLink, client_address, server_address
from duaarah.wire.dlms.initiate import ConfirmedServiceError, Conformance
from duaarah.wire.dlms.links import Link, WrapperLink
from duaarah.wire.dlms.sealing import Cipher, Style
from duaarah.wire.dlms.terms import (
    DEFAULT_CONFORMANCE,
    Answered,
    Associated,
    Event,
    Rejected,
    Released,
    Request,
    State,
    Terms,
)

Result = TypeVar("Result")
CHALLENGE_OCTETS = 16
INFORMATION_MAX = 512  # octets in an HDLC frame over TCP


class SessionFailed(Exception):
    """The meter cannot be reached, went away, is too slow, or its answer cannot be trusted. Another try may succeed."""

    code = "session_failed"
    retryable = True


class SessionRefused(Exception):
    """The meter does not associate with us: who we are, or how we prove it, is wrong. `diagnostic` is its number."""

    code = "session_refused"
    retryable = False

    def __init__(self, text: str, diagnostic: int) -> None:
        super().__init__(f"The meter refuses the association: {text}.")
        self.diagnostic = diagnostic


class ServiceRefused(Exception):
    """The meter answered, authentically, that it does not do this. `result` is its Data-Access- or Action-Result."""

    code = "service_refused"
    retryable = False

    def __init__(self, result: int) -> None:
        super().__init__(f"The meter refuses the service (result {result}).")
        self.result = result


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """How to reach one meter and who we are. Public and LLS without `keys`; `physical` is HDLC's lower address."""

    host: str
    port: int
    client_sap: int
    server_sap: int = 1
    mechanism: Mechanism = Mechanism.HLS_GMAC
    style: Style = Style.GENERAL_GLO
    keys: Keys | None = None
    system_title: bytes = b""
    meter_title: bytes | None = None
    password: bytes = b""
    conformance: Conformance = DEFAULT_CONFORMANCE
    hdlc: bool = False
    physical: int | None = None
    pdu_max: int = 1024
    timeout_s: float = 20.0

    def __repr__(self) -> str:
        return f"Endpoint({self.host}:{self.port}, SAP {self.client_sap})"


class _Counters:
    """What the meter's counters must not repeat within, and after, this session."""

    def __init__(self, window: ReplayWindow) -> None:
        self.window = window

    def take(self, _title: bytes, counter: int) -> None:
        try:
            self.window, _ = self.window.take(counter)
        except (Replayed, ValueError):
            raise Stale(f"The invocation counter {counter} was used before.") from None


class Session(asyncio.Protocol):
    """One association; its verbs are used one after the other."""

    def __init__(self, endpoint: Endpoint, next_counter: Callable[[], int], window: ReplayWindow) -> None:
        self.endpoint = endpoint
        self._counters = _Counters(window)
        self._association = _association(endpoint, next_counter, self._counters)
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Event] | None = None
        self.notifications: list[apdu.DataNotification | apdu.EventNotification] = []

    @property
    def window(self) -> ReplayWindow:
        """The meter's counters taken so far: to be kept for the next session."""
        return self._counters.window

    # -- the transport ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        try:
            events = self._association.receive_data(data)
            octets = self._association.take()
        except Exception as error:
            self._fail(error)
            self._transport.close()
            return
        if octets:
            self._transport.write(octets)
        for event in events:
            if isinstance(event, Answered | Associated | Rejected | Released):
                if self._waiting is not None and not self._waiting.done():
                    self._waiting.set_result(event)
            else:
                self.notifications.append(event.notification)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(error or ConnectionError("the meter closed the connection."))

    def _fail(self, error: Exception) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)

    def close(self) -> None:
        """Close the connection, whatever is under way."""
        if self._transport is not None:
            self._transport.close()

    async def _exchange(self, begin: Callable[[], bytes]) -> Event:
        if self._transport is None or self._transport.is_closing():
            raise SessionFailed("The meter could not be asked: the connection is closed.")
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            octets = begin()
            self._transport.write(octets)
            async with asyncio.timeout(self.endpoint.timeout_s):
                return await self._waiting
        except (OSError, TimeoutError, DlmsError, ValueError) as error:
            # Whatever came later would be taken for the answer to another question.
            if self._association.state is not State.READY:
                self.close()
            raise SessionFailed(f"The meter could not be asked: {str(error) or 'no answer in time.'}") from error
        finally:
            self._waiting = None

    # -- the verbs -------------------------------------------------------------------------------------------------

    async def open(self) -> Associated:
        """Associate, HLS included."""
        event = await self._exchange(self._association.connect)
        if isinstance(event, Rejected):
            raise SessionRefused(event.text, event.diagnostic)
        assert isinstance(event, Associated)
        return event

    async def release(self) -> None:
        """End the association in order."""
        await self._exchange(self._association.release)

    async def request(self, request: Request) -> object:
        """Any request; its whole answer. ServiceRefused for an exception or a confirmed-service-error."""
        event = await self._exchange(lambda: self._association.send(request))
        assert isinstance(event, Answered)
        response = event.response
        if isinstance(response, apdu.ExceptionResponse | ConfirmedServiceError):
            if self.endpoint.style is not Style.PLAIN and not event.authentic:
                # Anybody on the line may have said it: nothing is known about what the meter did.
                raise SessionFailed(f"An error came without protection: {response}.")
            raise ServiceRefused(
                response.service_error if isinstance(response, apdu.ExceptionResponse) else response.value
            )
        return response

    async def get(
        self, class_id: int, obis: Obis, attribute: int, selector: int | None = None, selection: Data | None = None
    ) -> Data:
        """Read one attribute."""
        invoke = self._association.next_invoke()
        response = await self.request(apdu.GetRequest(invoke, class_id, obis, attribute, selector, selection))
        if not isinstance(response, apdu.GetResponse):
            raise SessionFailed("The meter answered another service.")
        if response.value is None:
            raise ServiceRefused(response.access_result or 0)
        return response.value

    async def get_list(self, items: tuple[AttributeOf, ...]) -> tuple[Data | int, ...]:
        """Read several attributes: a value, or its Data-Access-Result, each."""
        response = await self.request(blocks.GetWithList(self._association.next_invoke(), items))
        if not isinstance(response, blocks.GetListResponse) or len(response.results) != len(items):
            raise SessionFailed("The meter answered another service.")
        return response.results

    async def set(self, class_id: int, obis: Obis, attribute: int, value: Data) -> None:
        """Write one attribute."""
        invoke = self._association.next_invoke()
        response = await self.request(apdu.SetRequest(invoke, class_id, obis, attribute, value))
        if not isinstance(response, apdu.SetResponse):
            raise SessionFailed("The meter answered another service.")
        if response.result != apdu.SUCCESS:
            raise ServiceRefused(response.result)

    async def act(self, class_id: int, obis: Obis, method: int, parameter: Data | None = None) -> Data | None:
        """Call a method; its return value."""
        invoke = self._association.next_invoke()
        response = await self.request(apdu.ActionRequest(invoke, class_id, obis, method, parameter))
        if not isinstance(response, apdu.ActionResponse):
            raise SessionFailed("The meter answered another service.")
        if response.result != apdu.SUCCESS:
            raise ServiceRefused(response.result)
        return response.value


def _association(endpoint: Endpoint, next_counter: Callable[[], int], counters: _Counters) -> Association:
    high = endpoint.mechanism is Mechanism.HLS_GMAC
    terms = Terms(
        mechanism=endpoint.mechanism,
        secret=secrets.token_bytes(CHALLENGE_OCTETS) if high else endpoint.password,
        style=endpoint.style,
        dedicated_key=secrets.token_bytes(16) if endpoint.style.dedicated else None,
        meter_title=endpoint.meter_title,
        conformance=endpoint.conformance,
        pdu_max=endpoint.pdu_max,
    )
    link: Link
    if endpoint.hdlc:
        meter = server_address(endpoint.server_sap, endpoint.physical)
        link = HdlcLink(client_address(endpoint.client_sap), meter, information_max=INFORMATION_MAX)
    else:
        link = WrapperLink(endpoint.client_sap, endpoint.server_sap)
    if endpoint.keys is None:
        return Association(terms, link)
    cipher = Cipher(
        keys=endpoint.keys, title=endpoint.system_title, next_counter=next_counter, take_counter=counters.take
    )
    return Association(terms, link, cipher)


# One connection a meter: a second one breaks the firmware of real ones. A loop's locks are its own.
_LOCKS: WeakValueDictionary[tuple[int, str, int], asyncio.Lock] = WeakValueDictionary()


@asynccontextmanager
async def session(
    endpoint: Endpoint, *, next_counter: Callable[[], int], window: ReplayWindow | None = None
) -> AsyncIterator[Session]:
    """An associated session; released at the end, closed in any case.

    `next_counter` gives an invocation counter that is already kept as used. `window`: the meter's counters known from
    before. Raises SessionFailed, SessionRefused.
    """
    loop = asyncio.get_running_loop()
    key = (id(loop), endpoint.host, endpoint.port)
    lock = _LOCKS.get(key)
    if lock is None:
        lock = _LOCKS[key] = asyncio.Lock()
    async with lock:
        made = Session(endpoint, next_counter, window or ReplayWindow())
        try:
            async with asyncio.timeout(endpoint.timeout_s):
                await loop.create_connection(lambda: made, endpoint.host, endpoint.port)
        except (OSError, TimeoutError) as error:
            raise SessionFailed(f"The meter cannot be reached: {str(error) or 'no answer in time.'}") from error
        try:
            await made.open()
            yield made
            # What was asked is done; a meter that hangs up now takes nothing back.
            with suppress(SessionFailed):
                await made.release()
        finally:
            made.close()


def ask(
    endpoint: Endpoint,
    work: Callable[[Session], Awaitable[Result]],
    *,
    next_counter: Callable[[], int],
    window: ReplayWindow | None = None,
) -> Result:
    """Run `work` in a session of its own, from a thread that has no loop.

    Between threads and processes nothing here keeps a second connection away: the lease of the meter's command does.
    """

    async def whole() -> Result:
        async with session(endpoint, next_counter=next_counter, window=window) as opened:
            return await work(opened)

    return asyncio.run(whole())
