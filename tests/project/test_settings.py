"""Settings that are made or read at the start: the secret key of many processes at once, who may call the STS interface."""

from __future__ import annotations

import threading
from ipaddress import ip_network
from pathlib import Path

import pytest

from duaarah.project import settings


def test_many_that_start_at_once_have_one_secret_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DUAARAH_SECRET_KEY", raising=False)
    monkeypatch.setattr(settings, "DATA_DIR", tmp_path / "data")
    barrier, keys = threading.Barrier(8), []

    def start() -> None:
        barrier.wait(10)
        keys.append(settings._secret_key())

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8 and len(set(keys)) == 1 and len(keys[0]) > 50
    (file,) = (tmp_path / "data").iterdir()
    assert (file.name, file.read_text(), file.stat().st_mode & 0o777) == ("secret-key", keys[0], 0o600)


@pytest.mark.parametrize(
    ("given", "networks"),
    [
        ("", []),
        ("loopback", ["127.0.0.0/8", "::1"]),
        (" loopback , 10.1.2.0/24,", ["127.0.0.0/8", "::1", "10.1.2.0/24"]),
    ],
)
def test_who_may_call_the_sts_interface(monkeypatch: pytest.MonkeyPatch, given: str, networks: list[str]) -> None:
    monkeypatch.setenv("DUAARAH_STS_API", given)
    assert settings._sts_networks() == tuple(map(ip_network, networks))


@pytest.mark.parametrize("given", ["1", "yes", "10.1.2.3/24", "localhost", "0.0.0.0/33"])
def test_a_wrong_address_stops_the_start_with_a_sentence(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("DUAARAH_STS_API", given)
    with pytest.raises(ValueError, match="DUAARAH_STS_API is `loopback`, or networks"):
        settings._sts_networks()


def test_who_may_call_the_vending_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUAARAH_VENDING_API", "proxy, 10.1.2.0/24")
    assert settings._vending_networks() == (ip_network("10.1.2.0/24"),)
    monkeypatch.setenv("DUAARAH_VENDING_API", "somewhere")
    with pytest.raises(ValueError, match="DUAARAH_VENDING_API is `loopback`, or networks"):
        settings._vending_networks()
