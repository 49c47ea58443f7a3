# SPDX-License-Identifier: Apache-2.0
"""`grid forecast`: JSON lines in, JSON lines out (docs/records/grid-forecast*.schema.json)."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from typing import Any

from duaarah.core.forecast import ForecastError, days_left


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
        return _wrong("The line is not JSON in UTF-8.")
    if not isinstance(record, dict):
        return _wrong("A request is an object.")
    daily_kwh: Any = record.get("daily_kwh")
    weekday: Any = record.get("weekday_of_first")
    credit_kwh: Any = record.get("credit_kwh")
    if not isinstance(daily_kwh, list) or not all(used is None or _is_number(used) for used in daily_kwh):
        return _wrong("daily_kwh is a list of numbers and nulls, the oldest day first.")
    if not isinstance(weekday, int) or isinstance(weekday, bool):
        return _wrong("weekday_of_first is 0 (Monday) to 6 (Sunday).")
    if not _is_number(credit_kwh):
        return _wrong("credit_kwh is a number of kWh.")
    try:
        found = days_left(daily_kwh=daily_kwh, weekday_of_first=weekday, credit_kwh=credit_kwh)
    except ForecastError as error:
        return _wrong(str(error))
    return dataclasses.asdict(found)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _wrong(sentence: str) -> dict[str, Any]:
    return {"error": ForecastError.code, "message": sentence}
