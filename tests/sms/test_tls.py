"""The link over TLS: an authority of its own, a pinned certificate, and a certificate that is neither."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from duaarah.net.esme import ESME, ESMEConfig
from duaarah.wire.smpp.pdu import PDU
from duaarah.wire.smpp.session import Request, Session

pytestmark = pytest.mark.slow


class Told:
    def __init__(self) -> None:
        self.bounds = 0
        self.downs: list[str] = []

    def on_bound(self) -> None:
        self.bounds += 1

    def on_down(self, reason: str) -> None:
        self.downs.append(reason)

    def on_response(self, token: object, status: int, message_id: str) -> None: ...
    def on_ambiguous(self, token: object) -> None: ...
    def on_deliver(self, pdu: PDU) -> None: ...


def certificate(folder: Path) -> tuple[str, bytes]:
    """A self-signed certificate for 127.0.0.1: PEM and DER; key and certificate are written to server.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "smsc")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2090, 1, 1, tzinfo=dt.UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(pem + secret)
    return pem.decode(), made.public_bytes(serialization.Encoding.DER)


def play(folder: Path, **config: str) -> tuple[Told, int]:
    """What an ESME was told until it was bound or down, and how many binds the SMSC saw."""
    binds = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal binds
        session = Session()
        while data := await reader.read(65_536):
            events, replies = session.receive(data, 0)
            writer.write(replies)
            for event in events:
                if isinstance(event, Request) and not event.pdu.is_response and "system_id" in event.pdu.text:
                    binds += 1
                    writer.write(session.respond(event.pdu))
        writer.close()

    async def run() -> Told:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem")
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        told = Told()
        port = server.sockets[0].getsockname()[1]
        esme = ESME(ESMEConfig(host="127.0.0.1", port=port, system_id="x", password="y", tls=True, **config), told)
        task = asyncio.create_task(esme.run())
        for _ in range(500):
            if told.bounds or told.downs:
                break
            await asyncio.sleep(0.01)
        await esme.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.close()
        return told

    return asyncio.run(run()), binds


def test_an_authority_or_a_pin_lets_us_bind(tmp_path: Path) -> None:
    pem, der = certificate(tmp_path)
    for config in ({"tls_ca": pem}, {"tls_pin": hashlib.sha256(der).hexdigest()}):
        told, binds = play(tmp_path, **config)
        assert (told.bounds, binds) == (1, 1)


def test_no_password_goes_to_a_stranger(tmp_path: Path) -> None:
    certificate(tmp_path)
    for config in ({}, {"tls_pin": "00" * 32}):
        told, binds = play(tmp_path, **config)
        assert (told.bounds, binds) == (0, 0) and "cannot connect" in told.downs[0]
