# SPDX-License-Identifier: Apache-2.0
"""`grid indices`: reliability indices of a list of outages (docs/records/grid-indices.schema.json)."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

from duaarah.cli.grid_files import BAD_ROW, GridError, count, day, positive, readable, refuse, rows, say, write, zone
from duaarah.core.indices import Step, system_indices, tally

COLUMNS = ("event_id", "start", "end", "customers")
OPEN_EVENT = "open_event"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--events", required=True, type=readable, metavar="FILE.csv", help="columns event_id, start, end, customers"
    )
    parser.add_argument("--customers-served", required=True, type=positive, metavar="N", help="mean of the period")
    parser.add_argument("--from", required=True, type=day, dest="first", metavar="DATE", help="first local day")
    parser.add_argument("--to", required=True, type=day, dest="last", metavar="DATE", help="last local day, included")
    parser.add_argument(
        "--tz", type=zone, default=ZoneInfo("Asia/Jakarta"), metavar="ZONE", help="of days, naive times"
    )
    parser.add_argument("--distinct", type=count, metavar="N", help="customers interrupted at least once")


def run(args: argparse.Namespace) -> int:
    """0, 1 when the file cannot be counted, 2 for a range that ends before it begins."""
    if args.last < args.first:
        return say(f"--to {args.last} is before --from {args.first}.", 2)
    try:
        sums = tally(_steps(args.events, args.tz), args.tz, args.first, args.last)
    except GridError as error:
        return refuse(error)
    found = system_indices(
        ci=sums.ci,
        cmi=sums.cmi,
        customers_served=args.customers_served,
        period_min=((args.last - args.first).days + 1) * 1440,
        momentary=sums.momentary,
        distinct=args.distinct,
    )
    record = {
        "ci": found.ci,
        "cmi": found.cmi,
        "saifi": found.saifi,
        "saidi_min": found.saidi_min,
        "caidi_min": found.caidi_min,
        "maifi": found.maifi,
        "asai": found.asai,
        "daily_saidi_min": {str(day): cmi / args.customers_served for day, cmi in sums.daily_cmi.items()},
    }
    if args.distinct is not None:
        record |= {"caifi": found.caifi, "ctaidi_min": found.ctaidi_min}
    write(record)
    return 0


def _steps(path: Path, local: ZoneInfo) -> Iterator[Step]:
    for line, row in rows(path, COLUMNS):
        where = f"{path}, line {line}"
        if not row["event_id"]:
            raise GridError(BAD_ROW, f"{where}: the event_id is empty.")
        if not row["end"]:
            raise GridError(OPEN_EVENT, f"{where}: the event {row['event_id']} has no end; close it first.")
        if not (row["customers"].isascii() and row["customers"].isdigit()):
            raise GridError(BAD_ROW, f"{where}: {row['customers'] or 'nothing'} is no number of customers.")
        step = Step(
            event_id=row["event_id"],
            start_at=_instant(row["start"], local, where),
            end_at=_instant(row["end"], local, where),
            customers=int(row["customers"]),
        )
        if step.duration < dt.timedelta(0):
            raise GridError(BAD_ROW, f"{where}: the end is before the start.")
        yield step


def _instant(text: str, local: ZoneInfo, where: str) -> dt.datetime:
    try:
        instant = dt.datetime.fromisoformat(text)
        aware = instant.replace(tzinfo=local) if instant.tzinfo is None else instant
        return aware.astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise GridError(BAD_ROW, f"{where}: {text or 'nothing'} is no time such as 2026-07-31T18:30:00.") from error
