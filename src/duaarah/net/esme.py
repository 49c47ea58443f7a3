# SPDX-License-Identifier: Apache-2.0
"""An SMPP client over a socket: connects, binds, pumps bytes, comes back with backoff. No message is kept here."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import random
import ssl
import time
from dataclasses import dataclass, field
from typing import Protocol

from duaarah.core.smsparts import one_sms
from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp.errors import SMPPError
from duaarah.wire.smpp.pdu import PDU
from duaarah.wire.smpp.session import Answered, Event, LinkDead, Request, Session, State, Unanswered

BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.1, 30.0
# Who refuses a bind is asked less often; a bind that lasted is come back to at once.
REFUSED_FIRST_S, REFUSED_MAX_S = 1.0, 60.0
LASTED_S, LASTED_DEAD_S = 10.0, 60.0
TICK_S = 0.2
READ_OCTETS = 65_536
# Whoever paused us longer than this still gets a little: answers and enquire_link come by the same way as messages.
PAUSE_MAX_S = 0.5


@dataclass(frozen=True, kw_only=True)
class ESMEConfig:
    """Where and as whom to bind. The password is never printed."""

    host: str
    port: int
    system_id: str
    password: str = field(repr=False)
    address_range: str = ""
    window: int = 20
    enquire_link_s: float = 30
    response_timeout_s: float = 10
    command: int = p.BIND_TRANSCEIVER
    system_type: str = ""
    service_type: str = ""
    # (TON, NPI) of short codes (up to 6 characters) and of telephone numbers.
    short_code: tuple[int, int] = (0, 1)
    msisdn: tuple[int, int] = (1, 1)
    tls: bool = False
    tls_ca: str = ""
    tls_pin: str = ""
    # So many wrong passwords or system ids in a row and `run` ends, so that no account is locked; 0 never ends.
    bind_refusals_max: int = 0
    keep_late: bool = False
    # A text that fits no single SMS goes whole, as the TLV message_payload.
    message_payload: bool = False


class BindRefused(SMPPError):
    """The SMSC does not take us as who we say we are."""

    code = "bind_refused"


class SMSCSilent(SMPPError):
    """The SMSC does not answer enquire_link, or leaves messages without a response."""

    code = "smsc_silent"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a connection ended: the seconds that it was bound, None when it never was."""

    reason: str
    bound_s: float | None = None
    refused: bool = False
    dead: bool = False


def pause_s(before_s: float, ended: Ended) -> float:
    """Seconds to the next attempt: doubled each time, from the beginning after a bind that lasted, slower after a refusal."""
    if ended.refused:
        return min(max(before_s * 2, REFUSED_FIRST_S), REFUSED_MAX_S)
    if ended.bound_s is not None and ended.bound_s >= (LASTED_DEAD_S if ended.dead else LASTED_S):
        return BACKOFF_FIRST_S
    return min(max(before_s * 2, BACKOFF_FIRST_S), BACKOFF_MAX_S)


class ESMEHandler(Protocol):
    """Called from the event loop; none of these may block."""

    def on_bound(self) -> None: ...
    def on_response(self, token: object, status: int, message_id: str) -> None: ...
    def on_ambiguous(self, token: object) -> None: ...
    def on_deliver(self, pdu: PDU) -> None: ...
    def on_down(self, reason: str) -> None: ...


async def open_link(config: ESMEConfig) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection, over TLS where configured. Raises OSError (ssl.SSLError is one) and TimeoutError."""
    context: ssl.SSLContext | None = None
    if config.tls:
        context = ssl.create_default_context(cadata=config.tls_ca or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if config.tls_pin:
            # The pin names one certificate; it replaces authority and name.
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.wait_for(asyncio.open_connection(config.host, config.port, ssl=context), 10)
    if config.tls_pin and config.tls:
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
        if not hmac.compare_digest(hashlib.sha256(certificate).hexdigest(), config.tls_pin.lower()):
            writer.close()
            raise ssl.SSLError("not the pinned certificate")
    return reader, writer


class ESME:
    """`run` keeps the bind up until `stop`; `submit` and `ack` write at once."""

    def __init__(self, config: ESMEConfig, handler: ESMEHandler) -> None:
        self.config = config
        self._handler = handler
        self._session: Session | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._kept = bytearray()
        self._reading = asyncio.Event()
        self._reading.set()
        self._stopping = False
        self._refusals = 0
        self._bound_at_s: float | None = None
        # Seconds in which we read nothing, by our own will.
        self._unread_s = 0.0
        # Deliveries of this connection that wait for their answer, by sequence number.
        self._owed: dict[int, PDU] = {}

    @property
    def free(self) -> int:
        """How many messages the window takes now; 0 while not bound, for a receiver, and while we leave."""
        if self._session is None or self._stopping or self.config.command == p.BIND_RECEIVER:
            return 0
        return self._session.free

    @property
    def bound(self) -> bool:
        return self._session is not None and self._session.state is State.BOUND

    def submit(
        self,
        token: object,
        *,
        source: str,
        destination: str,
        short_message: bytes,
        data_coding: int,
        validity_s: int,
        registered: bool,
        esm_class: int = 0,
        service_type: str = "",
        more: bool = False,
    ) -> None:
        """
        submit_sm; its end comes by on_response or on_ambiguous. `service_type` empty: the bind's.

        `more`: the caller writes again at once, or calls `flush`, and these octets go with those.

        Raises LocalProtocolError when `free` is 0.
        """
        assert self._session is not None and self._writer is not None
        config = self.config
        source_ton, source_npi = config.msisdn if len(source) > 6 else config.short_code
        dest_ton, dest_npi = config.msisdn if len(destination) > 6 else config.short_code
        tlvs: tuple[tuple[int, bytes], ...] = ()
        if config.message_payload and not esm_class & p.ESM_UDHI and not one_sms(len(short_message), data_coding):
            short_message, tlvs = b"", ((p.TLV_MESSAGE_PAYLOAD, short_message),)
        self._put(
            self._session.send_message(
                p.SUBMIT_SM,
                token,
                self._now_s(),
                text={
                    "service_type": service_type or config.service_type,
                    "source_addr": source,
                    "destination_addr": destination,
                    "validity_period": p.relative_validity(validity_s),
                },
                number={
                    "dest_addr_ton": dest_ton,
                    "dest_addr_npi": dest_npi,
                    "source_addr_ton": source_ton,
                    "source_addr_npi": source_npi,
                    "data_coding": data_coding,
                    "registered_delivery": int(registered),
                    "esm_class": esm_class,
                },
                short_message=short_message,
                tlvs=tlvs,
            ),
            more=more,
        )

    def ack(self, request: PDU, status: int = p.ESME_ROK, *, more: bool = False) -> None:
        """
        deliver_sm_resp, on the connection that brought the request; when that is gone the SMSC delivers again.

        `more` as in `submit`. On the next connection the same sequence number is another delivery, maybe not committed yet.
        """
        if self._owed.get(request.sequence) is not request:
            return
        del self._owed[request.sequence]
        if self._session is not None and self._writer is not None and self._session.state is not State.CLOSED:
            self._put(self._session.respond(request, status), more=more)

    def _put(self, octets: bytes, *, more: bool = False) -> None:
        """Write, after what was kept for company: a call of the system a PDU would cost more than all the rest."""
        self._kept += octets
        if self._kept and not more and self._writer is not None:
            self._writer.write(bytes(self._kept))
            self._kept.clear()

    def flush(self) -> None:
        """Write what was kept."""
        self._put(b"")

    def _now_s(self) -> float:
        """Monotonic seconds but for those in which we read nothing: what was answered in time may lie unread meanwhile."""
        return time.monotonic() - self._unread_s

    def pause(self) -> None:
        """Read no more until `resume`, or only a little: the network holds the peer back, nothing has to be refused."""
        self._reading.clear()

    def resume(self) -> None:
        self._reading.set()

    async def run(self) -> None:
        """Bind, pump, come back; until `stop`."""
        backoff_s = 0.0
        while not self._stopping:
            ended = await self._connection()
            self._refusals = 0 if ended.bound_s is not None else self._refusals
            self._handler.on_down(ended.reason)
            if self._is_stopping() or 0 < self.config.bind_refusals_max <= self._refusals:
                return
            backoff_s = pause_s(backoff_s, ended)
            await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))

    def _is_stopping(self) -> bool:
        return self._stopping

    async def stop(self, drain_s: float = 0) -> None:
        """Graceful unbind: nothing new, up to `drain_s` for the responses that are due, then unbind; 0 asks at once."""
        self._stopping = True
        deadline_s = time.monotonic() + drain_s
        while self._session is not None and self._session.outstanding and time.monotonic() < deadline_s:
            await asyncio.sleep(0.01)
        if self._session is not None and self._writer is not None and self.bound:
            with contextlib.suppress(OSError, SMPPError, TimeoutError):
                self._put(self._session.unbind(self._now_s()))
                await asyncio.wait_for(self._writer.drain(), 1)
                # The answer is waited for, but not for long: who wants to be gone may be gone.
                deadline_s = time.monotonic() + (1 if drain_s else 0)
                while self._session is not None and time.monotonic() < deadline_s:
                    await asyncio.sleep(0.01)
        if self._writer is not None:
            self._writer.close()

    async def _connection(self) -> Ended:
        """One connection from connect to loss."""
        config = self.config
        try:
            reader, writer = await open_link(config)
        except (OSError, TimeoutError) as error:
            return Ended(f"cannot connect ({type(error).__name__})")
        self._writer = writer
        self._kept.clear()
        self._bound_at_s = None
        self._owed.clear()
        self._session = session = Session(
            window=config.window,
            response_timeout_s=config.response_timeout_s,
            enquire_link_s=config.enquire_link_s,
            keep_late=config.keep_late,
        )
        reason, refused, dead = "closed by the peer", False, False
        try:
            writer.write(
                session.bind(
                    system_id=config.system_id,
                    password=config.password,
                    address_range=config.address_range,
                    now_s=self._now_s(),
                    command=config.command,
                    system_type=config.system_type,
                )
            )
            await self._converse(session, reader)
        except (OSError, SMPPError) as error:
            reason = str(error) or type(error).__name__
            refused, dead = isinstance(error, BindRefused), isinstance(error, SMSCSilent)
        finally:
            self._session = self._writer = None
            for event in session.lost():
                if isinstance(event, Unanswered):
                    self._handler.on_ambiguous(event.token)
            writer.close()
        bound_s = None if self._bound_at_s is None else time.monotonic() - self._bound_at_s
        return Ended(reason, bound_s, refused, dead)

    async def _converse(self, session: Session, reader: asyncio.StreamReader) -> None:
        """Bytes in, events out, until the session is closed or the peer gone. Raises OSError and SMPPError."""
        # One read stays open over the ticks: the system's own ETIMEDOUT is a TimeoutError too, and ends the connection.
        read: asyncio.Task[bytes] | None = None
        try:
            while session.state is not State.CLOSED:
                if not self._reading.is_set():
                    await self._hold()
                read = read or asyncio.create_task(reader.read(READ_OCTETS))
                done, _ = await asyncio.wait({read}, timeout=TICK_S)
                if done:
                    data, read = read.result(), None
                    if not data:
                        return
                    events, replies = session.receive(data, self._now_s())
                    self._put(replies)
                    self._dispatch(events)
                events, request = session.tick(self._now_s())
                self._put(request)
                self._dispatch(events)
        finally:
            if read is not None:
                read.cancel()

    async def _hold(self) -> None:
        """Read nothing until `resume`, PAUSE_MAX_S at most."""
        began_s = time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PAUSE_MAX_S):
                await self._reading.wait()
        self._unread_s += time.monotonic() - began_s

    def _dispatch(self, events: list[Event]) -> None:
        """Every event is told before one of them ends the connection. Raises BindRefused and SMSCSilent."""
        end: SMPPError | None = None
        for event in events:
            match event:
                case Answered(pdu=pdu) if pdu.command & ~p.RESPONSE in p.BINDS:
                    if pdu.status != p.ESME_ROK:
                        self._refusals += pdu.status in (p.ESME_RINVPASWD, p.ESME_RINVSYSID)
                        end = BindRefused(f"The SMSC refuses the bind with status {pdu.status:#x}.")
                        continue
                    self._bound_at_s = time.monotonic()
                    self._handler.on_bound()
                case Answered(pdu=pdu, token=token) if pdu.command in (p.SUBMIT_SM | p.RESPONSE, p.GENERIC_NACK):
                    # A generic_nack is never an acceptance, whatever its status says.
                    status = pdu.status or (p.ESME_RUNKNOWNERR if pdu.command == p.GENERIC_NACK else 0)
                    self._handler.on_response(token, status, pdu.text.get("message_id", ""))
                case Unanswered(token=token):
                    self._handler.on_ambiguous(token)
                case Request(pdu=pdu) if pdu.command == p.DELIVER_SM:
                    self._owed[pdu.sequence] = pdu
                    self._handler.on_deliver(pdu)
                case LinkDead(why=why):
                    end = SMSCSilent(why)
        if end is not None:
            raise end
