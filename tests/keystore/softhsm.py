"""Debian's SoftHSM2 with a token of its own for one test."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

TOOL = Path("/usr/bin/softhsm2-util")
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", *map(str, Path("/usr/lib").glob("*/softhsm/libsofthsm2.so")))
LABEL, PIN = "duaarah-test", "pin-for-tests-7361"


def required() -> str:
    """The module's path; without SoftHSM2 a loud skip, in CI it is installed by the test command."""
    found = next((path for path in MODULES if Path(path).exists()), None)
    if found is None or not TOOL.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("softhsm2 is required in CI")
        pytest.skip("NOT TESTED WITH A SECURITY MODULE: SoftHSM2 is not installed (apt install softhsm2)")
    return found


def make_token(folder: Path) -> dict[str, str]:
    """A fresh token below the folder; the environment that finds it."""
    module = required()
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    environment = {"SOFTHSM2_CONF": str(configuration)}
    subprocess.run(
        [str(TOOL), "--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", "so-" + PIN],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    return {**environment, "DUAARAH_PKCS11_MODULE": module, "DUAARAH_PKCS11_TOKEN": LABEL, "DUAARAH_PKCS11_PIN": PIN}
