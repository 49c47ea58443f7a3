# SPDX-License-Identifier: Apache-2.0
"""Tokens through SoftHSM2: a token of its own for the measurement, the vending key never outside it."""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
import time
from pathlib import Path

from duaarah.core.sts import KeyConfiguration, KeyRegister, issue_electricity_credit, luhn_digit, pan_of

TOOL = Path("/usr/bin/softhsm2-util")
LABEL, PIN = "duaarah-bench", "pin-of-the-bench"
REGISTER = KeyRegister(register_id="bench", dkga="04", sgc="201457", krn=1, kt=2, ken=255, base_date=2014)
CONFIGURATION = KeyConfiguration(dkga="04", ea="07", sgc="201457", ti="01", krn=1, kt=2, ken=255, base_date=2014)


class NoModule(LookupError):
    """What is missing for this figure, as a sentence."""


def measured(seconds: float) -> tuple[int, float]:
    """
    Tokens made and seconds taken, each for another meter, hence with one HMAC of the module each.

    Raises:
        NoModule: SoftHSM2 or python-pkcs11 is not installed.
    """
    modules = (Path("/usr/lib/softhsm/libsofthsm2.so"), *Path("/usr/lib").glob("*/softhsm/libsofthsm2.so"))
    library = next((path for path in modules if path.exists()), None)
    if library is None or not TOOL.exists():
        raise NoModule("SoftHSM2 is not installed (apt install softhsm2).")
    try:
        import pkcs11  # noqa: F401
    except ImportError:
        raise NoModule("python-pkcs11 is not installed (requirements-hsm.lock).") from None
    with tempfile.TemporaryDirectory() as folder:
        _make_token(Path(folder))
        return _measure(str(library), seconds)


def _make_token(folder: Path) -> None:
    (folder / "tokens").mkdir()
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    # The library reads this when it is loaded, which is later.
    os.environ["SOFTHSM2_CONF"] = str(settings)
    command = [str(TOOL), "--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", f"so-{PIN}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _measure(library: str, seconds: float) -> tuple[int, float]:
    from duaarah.keystore.pkcs11 import PKCS11KeyStore

    store = PKCS11KeyStore(library, LABEL, PIN)
    store.add(REGISTER, random.Random(7).randbytes(20))
    made, begun_s = 0, time.perf_counter()
    while (taken_s := time.perf_counter() - begun_s) < seconds:
        drn = f"99{made % 10**8:08d}"
        key = store.decoder_key(REGISTER.register_id, CONFIGURATION, pan_of(drn + luhn_digit(drn)))
        issue_electricity_credit(key, energy_wh=25_600, tid=6_000_000, rnd=5, ken=255)
        made += 1
    store.close()
    return made, taken_s
