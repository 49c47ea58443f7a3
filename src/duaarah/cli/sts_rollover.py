# SPDX-License-Identifier: Apache-2.0
"""`sts rollover plan`: the meters that need a key change, most urgent first, as CSV or JSON lines."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import datetime as dt
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from duaarah.core.sts import BadRequest, KeyConfiguration, STSError, check_pan, pan_of
from duaarah.core.sts.batch import configuration_of
from duaarah.core.sts.rollover import KeyChangeDue, Target, plan
from duaarah.core.sts.tid import BASE_DATES

_UTILITY_ZONE = ZoneInfo("Asia/Jakarta")
_NUMBERS = ("krn", "kt", "ken", "base_date")
Meters = Iterable[tuple[str, KeyConfiguration]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="plan")
    verb = verbs.add_parser("plan", help="list the meters that need a key change")
    columns = "pan or drn, dkga, ea, sgc, ti, krn, kt, ken, base_date"
    verb.add_argument("--input", help=f"CSV or JSON lines with {columns} (- = stdin); default: the platform's database")
    verb.add_argument("--now", help="naive utility-local time (default: now, in WIB)")
    verb.add_argument("--within-days", type=int, default=180, help="keys that end within so many days (default 180)")
    verb.add_argument("--to-sgc", help="towards this supply group code")
    verb.add_argument("--to-krn", type=int, help="towards this key revision number")
    verb.add_argument("--to-base-date", type=int, choices=BASE_DATES, help="towards this base date")
    verb.add_argument("--json", action="store_true", help="JSON lines in place of CSV")


def run(args: argparse.Namespace) -> int:
    target = Target(sgc=args.to_sgc, krn=args.to_krn, base_date=args.to_base_date)
    now, within = _now(args.now), dt.timedelta(days=min(max(args.within_days, 0), 36_500))
    if args.input is None:
        due = _planned_from_database(now, within, target)
    else:
        due = plan(_given(_text(args.input)), now=now, within=within, target=target)
    _print(due, as_json=args.json)
    counts = f"{len(due)} meters need a key change: {sum(d.tokens for d in due)} tokens."
    print(counts, file=sys.stderr)
    return 0


def _now(text: str | None) -> dt.datetime:
    if text is None:
        return dt.datetime.now(_UTILITY_ZONE).replace(tzinfo=None)
    try:
        now = dt.datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest("--now is a time such as 2026-07-11T00:30.") from None
    if now.tzinfo is not None:
        raise BadRequest("--now is naive utility-local time, without an offset.")
    return now


def _text(name: str) -> str:
    try:
        octets = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return octets.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise BadRequest(f"{name} cannot be read as a text in UTF-8.") from None


def _given(text: str) -> Iterator[tuple[str, KeyConfiguration]]:
    """Meters of a file. An error says the row; nothing of a plan with a gap is printed."""
    rows: Iterable[Any]
    if text.lstrip().startswith("{"):
        rows = (_json(line) for line in text.splitlines() if line.strip())
    else:
        rows = csv.DictReader(text.splitlines())
    for number, row in enumerate(rows, start=1):
        try:
            yield _meter(row)
        except STSError as error:
            raise BadRequest(f"Meter {number}: {error}") from None


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _meter(row: Any) -> tuple[str, KeyConfiguration]:
    if not isinstance(row, Mapping):
        raise BadRequest("the row is no JSON object.")
    record = dict(row)
    for name in _NUMBERS:
        value = record.get(name)
        if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 9:
            record[name] = int(value)
    pan, drn = record.get("pan"), record.get("drn")
    if not isinstance(pan or drn, str):
        raise BadRequest("pan or drn is missing.")
    return check_pan(pan) if pan else pan_of(str(drn)), configuration_of(record)


def _planned_from_database(now: dt.datetime, within: dt.timedelta, target: Target) -> tuple[KeyChangeDue, ...]:
    from duaarah.project.start import database_ready

    with database_ready():
        from duaarah.registry.models import Meter

        names = ("pan", "dkga", "ea", "sgc", "ti", "krn", "kt", "ken", "base_date")
        rows = Meter.objects.order_by("pan").values(*names).iterator(chunk_size=5_000)
        return plan(((row["pan"], configuration_of(row)) for row in rows), now=now, within=within, target=target)


def _print(due: tuple[KeyChangeDue, ...], *, as_json: bool) -> None:
    names = [field.name for field in dataclasses.fields(KeyChangeDue)]
    rows = [{**dataclasses.asdict(one), "ends_at": one.ends_at.isoformat(timespec="minutes")} for one in due]
    if as_json:
        for row in rows:
            print(json.dumps(row))
        return
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
