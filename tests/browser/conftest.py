"""The demo as a person starts it, and Debian's Chromium in front of it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STARTS_S = 120


def chromium() -> str:
    """Debian's Chromium; without it a loud skip, in CI it is installed by the test command."""
    found = shutil.which("chromium")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is required in CI")
        pytest.skip("NOT TESTED IN A BROWSER: chromium is not installed (apt install chromium)")
    return found


@pytest.fixture(scope="package")
def demo() -> Iterator[str]:
    """The address of a living town of 30 meters; it must end clean, and before other tests want the machine."""
    folder = Path(tempfile.mkdtemp(prefix="duaarah-browser-"))
    folder.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DUAARAH_", "DJANGO_"))}
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "duaarah", "demo", "--meters", "30", "--seed", "7", "--speed", "10"),
            *("--port", "18700", "--past-days", "45"),  # in which February spent few of the feeder's SMS for faults
        ],
        env={**environment, "PYTHONPATH": str(ROOT / "src"), "DUAARAH_DATA": str(folder)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        deadline_s, address = time.monotonic() + STARTS_S, None
        while address is None and time.monotonic() < deadline_s:
            found = re.search(r"lives at (http://\S+)/", process.stderr.readline())
            address = found[1] if found else None
        assert address is not None, "the demo does not start"
        yield address
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        shutil.rmtree(folder, ignore_errors=True)
