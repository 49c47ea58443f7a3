# SPDX-License-Identifier: Apache-2.0
"""`readings ...`: the interval store. docs/operating/readings.md."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from pathlib import Path

DAYS_SHOWN = 31


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="status|compact|backfill|rebuild|verify")
    status = verbs.add_parser("status", help="the days there are: file, rows, meters, coverage; one JSON line each")
    status.add_argument("--days", type=int, default=DAYS_SHOWN, help="how many of the newest days (default 31)")
    compact = verbs.add_parser("compact", help="landed readings into day files, now")
    compact.add_argument("--open", action="store_true", help="this hour's too")
    take = verbs.add_parser(
        "backfill", help="readings from files (Parquet or CSV); the same file twice changes nothing"
    )
    take.add_argument("files", type=Path, nargs="+", metavar="FILE")
    again = verbs.add_parser("rebuild", help="make days again from what their meters told: DAY or DAY..DAY")
    again.add_argument("days", metavar="DAY[..DAY]", type=_span)
    verbs.add_parser("verify", help="read every file and compare its checksum")


def _span(text: str) -> tuple[dt.date, dt.date]:
    first, dots, last = text.partition("..")
    try:
        span = dt.date.fromisoformat(first), dt.date.fromisoformat(last if dots else first)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write 2026-07-11 or 2026-07-01..2026-07-31.") from None
    if span[1] < span[0]:
        raise argparse.ArgumentTypeError(f"{text!r} ends before it begins.")
    return span


def run(args: argparse.Namespace) -> int:
    """0 when it was done, 1 when something is wrong, with a sentence."""
    from duaarah.project.database import DatabaseError
    from duaarah.project.start import database_ready

    try:
        with database_ready():
            from duaarah.readings.backfill import BadFile
            from duaarah.readings.days import StoreError

            try:
                return {
                    "status": _status,
                    "compact": _compact,
                    "backfill": _backfill,
                    "rebuild": _rebuild,
                    "verify": _verify,
                }[args.verb](args)
            except (StoreError, BadFile, OSError) as error:
                print(f"duaarah: {error}", file=sys.stderr)
                return 1
    except DatabaseError as error:
        print(f"duaarah: {error}", file=sys.stderr)
        return 1


def _status(args: argparse.Namespace) -> int:
    from duaarah.readings.models import DayFile
    from duaarah.readings.store import counting_days

    newest = DayFile.objects.order_by("-day_date").values_list("day_date", flat=True).first()
    if newest is None:
        _say("there are no readings in day files yet.")
        return 0
    for day in counting_days(newest - dt.timedelta(days=max(1, args.days) - 1), newest):
        line = {
            "day": day.day_date.isoformat(),
            "rows": day.rows,
            "meters": day.meters,
            "newest": f"{day.newest_at:%Y-%m-%dT%H:%M:%SZ}",
            "checked": day.checked,
        }
        print(json.dumps(line), flush=True)
    return 0


def _compact(args: argparse.Namespace) -> int:
    from duaarah.readings.days import compact, sweep

    done = compact(open_too=args.open, progress=_say)
    gone = sweep()
    print(json.dumps({"tables": done.tables, "rows": done.rows, "days": len(done.days), "swept": gone}))
    return 0


def _backfill(args: argparse.Namespace) -> int:
    from duaarah.readings.backfill import BadFile, backfill

    failed = False
    for path in args.files:
        try:
            rows = backfill(path, progress=lambda rows, path=path: _say(f"{path.name}: {rows} rows ..."))  # type: ignore[misc]
            print(json.dumps({"file": path.name, "rows": rows}), flush=True)
        except (BadFile, OSError) as error:
            failed = True
            print(f"duaarah: {path.name}: {error}", file=sys.stderr)
    _say("run ./duaarah readings compact --open to have them in day files at once.")
    return 1 if failed else 0


def _rebuild(args: argparse.Namespace) -> int:
    from duaarah.readings.days import rebuild

    first, last = args.days
    made = 0
    for number in range((last - first).days + 1):
        day = first + dt.timedelta(days=number)
        _say(f"{day} ...")
        made += rebuild(day)
    print(json.dumps({"days": made}))
    return 0


def _verify(args: argparse.Namespace) -> int:
    from duaarah.readings.days import verify

    wrong = verify(_say)
    print(json.dumps({"wrong": wrong}))
    return 1 if wrong else 0


def _say(text: str) -> None:
    print(f"readings: {text}", file=sys.stderr, flush=True)
