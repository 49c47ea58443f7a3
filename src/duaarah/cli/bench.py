# SPDX-License-Identifier: Apache-2.0
"""`bench topup|web|sts|sms|dlms|ppob|forecast|grid|readings|reliability|losses`: JSON lines of figures."""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duaarah.stage.processes import Processes

NAMES = ("topup", "web", "sts", "sms", "dlms", "ppob", "forecast", "grid", "readings", "reliability", "losses")
# Benches without a database: their modules.
PURE = {
    "sts": ("duaarah.stage.bench_sts",),
    "dlms": ("duaarah.stage.bench_dlms", "duaarah.stage.bench_dlms_session"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--messages", type=int, default=10_000, help="sms: how many each way")
    parser.add_argument(
        "--meters", type=int, help="default: topup 400, web, grid, readings and reliability 100000, dlms 200"
    )
    parser.add_argument(
        "--decode", action="store_true", help="dlms: decoding only, without a database or other processes"
    )
    parser.add_argument("--pushes", type=int, default=8_000, help="dlms: how many over TCP, in each round")
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="forecast: households of your own, columns household,date,energy_kwh"
    )
    parser.add_argument("--days", type=int, help="of readings, default: grid 11, readings 3")
    parser.add_argument("--seeds", type=int, default=200, help="losses: how many transformers")
    parser.add_argument("--spark", action="store_true", help="grid: also on a Spark cluster of two workers")


def run(args: argparse.Namespace) -> int:
    if args.name == "forecast":
        return _run_forecast(args)
    if args.name == "grid":
        return _run_grid(args)
    if args.name == "losses":
        return _run_losses(args)
    if args.name in PURE:
        for module in PURE[args.name][: 1 if args.decode else None]:
            _run_pure(module)
    pure = args.name == "sts" or (args.name == "dlms" and args.decode)
    return 0 if pure else _run_on_stage(args)


def _run_forecast(args: argparse.Namespace) -> int:
    """Without a database; exit 3 without the extra, 2 with a file that cannot be read."""
    from duaarah.stage.bench_forecast import BadFile, ExtraMissing
    from duaarah.stage.bench_forecast import run as measure

    try:
        for record in measure(args.csv):
            print(json.dumps(record), flush=True)
    except (BadFile, OSError, UnicodeDecodeError) as error:
        print(f"duaarah: {args.csv}: {error}", file=sys.stderr)
        return 2
    except ExtraMissing as error:
        print(f"duaarah: {error}", file=sys.stderr)
        return 3
    return 0


def _run_grid(args: argparse.Namespace) -> int:
    """Without a database; exit 3 when Spark is asked for and Java or pyspark is missing."""
    from duaarah.analytics.engines import EngineMissing
    from duaarah.stage.bench_grid import run as measure

    if any(number is not None and number < 1 for number in (args.meters, args.days)):
        print("duaarah: --meters and --days are 1 or more.", file=sys.stderr)
        return 2
    try:
        for record in measure(args.meters, args.days, args.spark):
            print(json.dumps(record), flush=True)
    except EngineMissing as error:
        print(f"duaarah: {error}", file=sys.stderr)
        return 3
    return 0


def _run_losses(args: argparse.Namespace) -> int:
    """Without a database."""
    from duaarah.stage.bench_losses import run as measure

    if args.seeds < 1:
        print("duaarah: --seeds is 1 or more.", file=sys.stderr)
        return 2
    for record in measure(args.seeds):
        print(json.dumps(record), flush=True)
    return 0


def _run_pure(module: str) -> None:
    """A bench without a database."""
    for record in importlib.import_module(module).run():
        print(json.dumps(record), flush=True)


def _run_on_stage(args: argparse.Namespace) -> int:
    from duaarah.project.database import DatabaseError
    from duaarah.project.places import data_dir
    from duaarah.stage.processes import Processes, StageError

    large = args.name in ("web", "readings", "reliability")
    meters = args.meters or (100_000 if large else 400)
    processes = Processes(data_dir() / "bench", 7, 20 if large else meters, None, radio_faults=False)
    try:
        print("bench: setting the stage ...", file=sys.stderr, flush=True)
        processes.open_database()
        for record in _records(processes, args, meters):
            print(json.dumps(record), flush=True)
    except (StageError, DatabaseError) as error:
        print(f"duaarah: {error}", file=sys.stderr)
        return 1
    finally:
        processes.close()
    return 0


def _records(processes: Processes, args: argparse.Namespace, meters: int) -> Iterator[dict[str, Any]]:
    # Feature packages can be imported only now that Django is configured.
    if args.name == "web":
        from duaarah.stage.bench_web import run as measure_web

        return measure_web(processes, max(2, args.seconds // 4), meters)
    if args.name == "readings":
        from duaarah.stage.bench_readings import run as measure_readings

        return measure_readings(meters, args.days or 3)
    if args.name == "reliability":
        from duaarah.stage.bench_reliability import run as measure_reliability

        return measure_reliability(meters)
    if args.name == "ppob":
        from duaarah.stage.bench_ppob import run as measure_ppob

        return measure_ppob(processes, args.seconds)
    if args.name == "dlms":
        from duaarah.stage.bench_loss import run as measure_loss
        from duaarah.stage.bench_pushes import run as measure_pushes

        lossy = measure_loss(processes.folder, processes.passphrase, **({"meters": args.meters} if args.meters else {}))
        return itertools.chain(lossy, measure_pushes(processes, args.pushes))
    if args.name == "sms":
        from duaarah.stage.bench_sms import run as measure_sms

        return measure_sms(processes, args.messages)
    from duaarah.stage.bench_topup import run as measure

    return measure(processes, args.seconds)
