"""The SMPP port over TLS."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.sim.smsc.peers import running


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, private


def test_a_client_that_trusts_the_certificate_is_served_and_one_in_clear_is_not(tmp_path: Path) -> None:
    chain, private = certificate(tmp_path)
    with running(tls=(chain, private)) as smsc:
        client = smsc.client(ssl.create_default_context(cafile=str(chain)))
        assert client.bind().status == 0
        client.submit()
        assert client.next().text["message_id"] == "0000000001"
        with pytest.raises(ssl.SSLCertVerificationError):
            smsc.client(ssl.create_default_context())
        plain = smsc.client()
        with pytest.raises((EOFError, ConnectionError)):
            plain.bind()
        assert smsc.ask("stats")["bound"] == ["platform"]
