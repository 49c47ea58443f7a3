# SPDX-License-Identifier: Apache-2.0
"""`grid med`: the threshold of major event days from daily SAIDI (docs/records/grid-med.schema.json)."""

from __future__ import annotations

import argparse
import datetime as dt
import math
from pathlib import Path

from duaarah.cli.grid_files import BAD_ROW, GridError, readable, refuse, rows, write
from duaarah.core.indices import TooFewDays, med_days, t_med

COLUMNS = ("date", "saidi_min")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--daily", required=True, type=readable, metavar="FILE.csv", help="columns date, saidi_min; a row a day"
    )


def run(args: argparse.Namespace) -> int:
    """0, or 1 when there is no threshold."""
    try:
        daily = _daily(args.daily)
        found = t_med(daily.values())
    except TooFewDays as error:
        return refuse(GridError(error.code, str(error)))
    except GridError as error:
        return refuse(error)
    write(
        {
            "days_used": found.days_used,
            "alpha": found.alpha,
            "beta": found.beta,
            "t_med": found.t_med,
            "med_days": [str(day) for day in med_days(daily, found.t_med)],
        }
    )
    return 0


def _daily(path: Path) -> dict[dt.date, float]:
    daily: dict[dt.date, float] = {}
    for line, row in rows(path, COLUMNS):
        where = f"{path}, line {line}"
        try:
            day = dt.date.fromisoformat(row["date"])
        except ValueError as error:
            raise GridError(BAD_ROW, f"{where}: {row['date'] or 'nothing'} is no day such as 2026-07-31.") from error
        if day in daily:
            raise GridError(BAD_ROW, f"{where}: {day} is there twice.")
        daily[day] = _minutes(row["saidi_min"], where)
    return daily


def _minutes(text: str, where: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = math.nan
    if not (math.isfinite(minutes) and minutes >= 0):
        raise GridError(BAD_ROW, f"{where}: {text or 'nothing'} is no number of minutes, 0 or more.")
    return minutes
