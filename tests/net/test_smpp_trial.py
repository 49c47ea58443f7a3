"""A trial of a bind against scripted peers: each outcome by its name, and no message taken."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.sms.test_tls import certificate

from duaarah.net.esme import ESMEConfig
from duaarah.net.smpp_trial import Tried, try_bind
from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp.session import Answered, Request, Session

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class SMSC:
    """Grants or refuses the bind, may stay silent after it, may deliver one message at once."""

    def __init__(self, *, status: int = 0, silent: bool = False, deliver: bool = False) -> None:
        self.status, self.silent, self.deliver = status, silent, deliver
        self.seen: list[int] = []
        self.answers: list[int] = []
        self.passwords: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session()
        while data := await reader.read(65_536):
            if self.silent and self.seen:
                continue
            events, replies = session.receive(data, 0)
            writer.write(replies)
            for event in events:
                if isinstance(event, Answered):
                    self.answers.append(event.pdu.status)
                elif isinstance(event, Request):
                    self.seen.append(event.pdu.command)
                    if event.pdu.command in p.BINDS:
                        self.passwords.append(event.pdu.text["password"])
                        writer.write(session.respond(event.pdu, self.status, system_id="mc"))
                        if self.deliver:
                            text = {"source_addr": "628110000001", "destination_addr": "3123"}
                            writer.write(
                                session.send_message(p.DELIVER_SM, 1, 0, text=text, number={}, short_message=b"SALDO")
                            )
        writer.close()


def tried(peer: Peer, context: ssl.SSLContext | None = None, timeout_s: float = 5, **config: Any) -> Tried:
    async def run() -> Tried:
        server = await asyncio.start_server(peer, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        made = {"host": "127.0.0.1", "port": port, "system_id": "x", "password": "secret", **config}
        try:
            return await try_bind(ESMEConfig(**made), timeout_s=timeout_s)
        finally:
            server.close()

    return asyncio.run(run())


@pytest.mark.parametrize("command", p.BINDS)
def test_a_bind_that_answers_is_bound_and_unbound(command: int) -> None:
    smsc = SMSC()
    found = tried(smsc.serve, command=command)
    assert (found.outcome, found.status, found.peer, found.deferred) == ("bound", None, "mc", 0)
    assert smsc.seen == [command, p.UNBIND] and smsc.passwords == ["secret"]
    assert 0 <= found.took_ms < 5_000


@pytest.mark.parametrize("status", [0x05, 0x0D, 0x0E, 0x0F, 0x400])
def test_a_refusal_says_its_status_and_is_not_repeated(status: int) -> None:
    smsc = SMSC(status=status)
    found = tried(smsc.serve)
    assert (found.outcome, found.status) == ("refused", status) and len(smsc.passwords) == 1


def test_a_message_is_put_off_and_never_taken() -> None:
    smsc = SMSC(deliver=True)
    found = tried(smsc.serve)
    assert (found.outcome, found.deferred, smsc.answers) == ("bound", 1, [p.ESME_RX_T_APPN])


def test_silence_has_an_end() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    began_s = time.monotonic()
    assert tried(mute, timeout_s=0.3).outcome == "silent"
    assert tried(SMSC(silent=True).serve, timeout_s=0.3).outcome == "silent"
    assert time.monotonic() - began_s < 5


def test_a_peer_that_closes_or_speaks_another_language() -> None:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    assert tried(closing).outcome == "closed"
    assert tried(web).outcome == "no_smpp"


def test_no_connection_says_why() -> None:
    async def nobody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None: ...

    assert tried(nobody, port=1).outcome == "connection_refused"
    assert tried(nobody, host="smsc.invalid").outcome == "unknown_host"


def test_tls_that_is_not_trusted_gets_no_password(tmp_path: Path) -> None:
    pem, der = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    for config, outcome, binds in (
        ({"tls_ca": pem}, "bound", 1),
        ({"tls_pin": hashlib.sha256(der).hexdigest()}, "bound", 1),
        ({}, "tls_untrusted", 0),
        ({"tls_pin": "00" * 32}, "tls_pin", 0),
    ):
        smsc = SMSC()
        assert (tried(smsc.serve, context, tls=True, **config).outcome, len(smsc.passwords)) == (outcome, binds)


def test_tls_towards_a_peer_that_has_none_gets_no_password() -> None:
    seen = []

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(65_536))
        writer.write(bytes(16))
        writer.close()

    assert tried(plain, tls=True).outcome == "tls_failed"
    assert len(seen) == 1 and b"secret" not in seen[0]
