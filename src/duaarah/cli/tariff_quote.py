# SPDX-License-Identifier: Apache-2.0
"""`tariff quote`: JSON lines in, JSON lines out."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from duaarah.core.tariff.record import answer
from duaarah.core.tariff.tables import TariffError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: everything is in the lines."""


def run(args: argparse.Namespace) -> int:
    """0 if every line succeeded, 1 if any failed."""
    failed = False
    for line in sys.stdin.buffer:
        if not line.strip():
            continue
        reply = _answer(line)
        failed = failed or "error" in reply
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()
    return 1 if failed else 0


def _answer(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return {"error": "bad_request", "message": "The line is not JSON in UTF-8."}
    try:
        return answer(record)
    except TariffError as error:
        return {"error": error.code, "message": str(error)}
