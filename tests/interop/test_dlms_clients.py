"""Clients of DLMS that nobody here wrote, each in an environment of its own, against the simulated meter.

They are driven as programs and never imported: `gurux-dlms` is GPL-2.0. The processes are the point of these tests.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.sim.meter.meters import HEAD_END_TITLE, KEYS, KINDS, NOW, build, token
from tests.sim.meter.test_session import device_of

from duaarah.sim.meter import SimMeter
from duaarah.sim.meter.server import MeterServer

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
LOCK = HERE / "dlms-clients.lock"
CACHE = HERE.parents[1] / ".cache" / "dlms-clients"
INSTALL_S, RUN_S = 180, 60


def _install() -> Path:
    """The folder with both clients and what they need; made once for each state of the lock file."""
    mark = CACHE / "installed"
    digest = sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    if mark.exists() and mark.read_text() == digest:
        return CACHE
    shutil.rmtree(CACHE, ignore_errors=True)
    quiet = ["-q", "--disable-pip-version-check", "--no-input", "--no-compile"]
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        *quiet,
        "--target",
        str(CACHE),
        "--require-hashes",
        "-r",
        str(LOCK),
    ]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_S)
    mark.write_text(digest)
    return CACHE


@pytest.fixture(scope="module")
def clients() -> Path:
    """Where both clients are installed; without them a skip here, a failure in CI."""
    try:
        return _install()
    except (subprocess.SubprocessError, OSError) as error:
        said = getattr(error, "stderr", None) or error
        if os.environ.get("CI") == "true":
            pytest.fail(f"gurux-dlms and dlms-cosem are required in CI: {said}")
        pytest.skip(f"NOT TESTED AGAINST gurux-dlms AND dlms-cosem: {said}")


def _drive(packages: Path, script: str, meter: SimMeter, **more: object) -> dict[str, Any]:
    """Serve this meter, run the foreign client against it, and give back what it printed."""

    async def whole() -> dict[str, Any]:
        async with MeterServer(meter, device_of(meter, rows=96)) as server:
            told = {
                "port": server.port,
                "client_sap": 1,
                "server_sap": 1,
                "system_title": HEAD_END_TITLE.hex(),
                "encryption_key": KEYS.encryption_key.hex(),
                "authentication_key": KEYS.authentication_key.hex(),
                "counter": 100,
                "token": token(),
                **more,
            }
            # -S: our own environment's packages are not seen, only theirs.
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-S", str(HERE / script), json.dumps(told)),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": str(packages)},
            )
            async with asyncio.timeout(RUN_S):
                out, error = await process.communicate()
            assert process.returncode == 0, error.decode() + out.decode()
            record: dict[str, Any] = json.loads(out.decode().strip().splitlines()[-1])
            return record

    return asyncio.run(whole())


def _meter() -> SimMeter:
    meter = build(KINDS[0], credit_wh=20_000)
    meter.consume(9_600_000, NOW)
    return meter


def _credited(meter: SimMeter) -> None:
    assert (meter.credit_wh, meter.tokens_accepted, meter.token_energy_wh) == (20_400, 1, 10_000)
    assert not meter.dropped


def test_dlms_cosem_reads_a_day_and_loads_a_token(clients: Path) -> None:
    meter = _meter()
    assert _drive(clients, "dlms_cosem_client.py", meter) == {"rows": 96, "latest": 9_600}
    _credited(meter)


@pytest.mark.parametrize(("hdlc", "by_entry"), [(False, False), (True, True)], ids=["wrapper-whole", "hdlc-by-entry"])
def test_gurux_reads_a_day_and_loads_a_token(clients: Path, hdlc: bool, by_entry: bool) -> None:
    meter = _meter()
    got = _drive(clients, "dlms_gurux_client.py", meter, hdlc=hdlc, by_entry=by_entry)
    assert got == {"rows": 96, "latest": 9_600}
    _credited(meter)
