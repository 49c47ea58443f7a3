# SPDX-License-Identifier: Apache-2.0
"""One try to bind: connect, bind, enquire_link, unbind, and a word for what came. It takes no message and loses none."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from dataclasses import dataclass, replace

from duaarah.net.esme import ESMEConfig, open_link
from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp.errors import SMPPError
from duaarah.wire.smpp.session import Answered, LinkDead, Request, Session, State

TRIAL_S = 15.0
READ_OCTETS = 65_536
TICK_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Tried:
    """
    `outcome`: bound, refused (with `status`), unknown_host, no_route, connection_refused, tls_untrusted, tls_failed,
    tls_pin, timeout (no connection in time), silent (connected, no answer in time), closed, or no_smpp.
    """

    outcome: str
    took_ms: int
    status: int | None = None
    peer: str = ""
    deferred: int = 0


class _Told(Exception):
    """The trial has its outcome."""

    def __init__(self, outcome: str, status: int | None = None) -> None:
        super().__init__(outcome)
        self.outcome, self.status = outcome, status


async def try_bind(config: ESMEConfig, *, timeout_s: float = TRIAL_S) -> Tried:
    """
    Bind once as `config` says, ask enquire_link, unbind; never longer than about `timeout_s`. Raises nothing of its own.

    A message that arrives meanwhile is answered with 0x64 (a temporary error): the SMSC delivers it again, to the live bind.
    """
    began_s = time.monotonic()
    trial = _Trial(config, began_s + timeout_s)
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await open_link(config)
    except (OSError, TimeoutError) as error:
        return Tried(outcome=_why(error), took_ms=_since_ms(began_s))
    outcome, status = "bound", None
    try:
        await trial.run(reader, writer)
    except _Told as told:
        outcome, status = told.outcome, told.status
    except SMPPError:
        outcome = "no_smpp"
    except OSError:
        outcome = "closed"
    finally:
        writer.close()
    took_ms = trial.proven_ms(began_s) if outcome == "bound" else _since_ms(began_s)
    return Tried(outcome=outcome, took_ms=took_ms, status=status, peer=trial.peer, deferred=trial.deferred)


def _since_ms(began_s: float) -> int:
    return int((time.monotonic() - began_s) * 1000)


def _why(error: Exception) -> str:
    """A code for why there is no connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "tls_untrusted"
    if isinstance(error, ssl.SSLError):
        return "tls_pin" if "pinned" in str(error) else "tls_failed"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, socket.gaierror):
        return "unknown_host"
    return "connection_refused" if isinstance(error, ConnectionRefusedError) else "no_route"


class _Trial:
    """The conversation of one trial over an open connection."""

    def __init__(self, config: ESMEConfig, until_s: float) -> None:
        self._config = replace(config, window=1)
        self._until_s = until_s
        # enquire_link goes out as soon as the bind is granted; the trial's own clock is the timer.
        self._session = Session(window=1, response_timeout_s=3_600, enquire_link_s=0)
        self._granted = self._asked = False
        self._proven_at_s: float | None = None
        self.peer, self.deferred = "", 0

    def proven_ms(self, began_s: float) -> int:
        """From connecting to the answer of enquire_link."""
        return int(((self._proven_at_s or time.monotonic()) - began_s) * 1000)

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the unbind is answered. Raises _Told for anything but a bind that answers, SMPPError and OSError."""
        session, config = self._session, self._config
        writer.write(
            session.bind(
                system_id=config.system_id,
                password=config.password,
                address_range=config.address_range,
                now_s=time.monotonic(),
                command=config.command,
                system_type=config.system_type,
            )
        )
        while session.state is not State.CLOSED:
            if time.monotonic() > self._until_s:
                # Proven and only the answer to our unbind is missing: that is a bind that works.
                if self._proven_at_s is None:
                    raise _Told("silent")
                return
            try:
                data = await asyncio.wait_for(reader.read(READ_OCTETS), TICK_S)
            except TimeoutError:
                pass
            else:
                if not data:
                    if self._proven_at_s is None:
                        raise _Told("closed")
                    return
                self._take(data, writer)
            self._go_on(writer)

    def _take(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        events, replies = self._session.receive(data, time.monotonic())
        writer.write(replies)
        for event in events:
            match event:
                case Answered(pdu=pdu) if pdu.command & ~p.RESPONSE in p.BINDS:
                    if pdu.status != p.ESME_ROK:
                        raise _Told("refused", pdu.status)
                    self._granted, self.peer = True, pdu.text.get("system_id", "")
                case Request(pdu=pdu) if pdu.command == p.DELIVER_SM:
                    self.deferred += 1
                    writer.write(self._session.respond(pdu, p.ESME_RX_T_APPN))
                case LinkDead():
                    raise _Told("silent")

    def _go_on(self, writer: asyncio.StreamWriter) -> None:
        """enquire_link once bound, unbind once that is answered."""
        if not self._granted or self._session.state is not State.BOUND:
            return
        if not self._asked:
            _, request = self._session.tick(time.monotonic())
            writer.write(request)
            self._asked = True
        elif not self._session.unanswered:
            self._proven_at_s = time.monotonic()
            writer.write(self._session.unbind(time.monotonic()))
