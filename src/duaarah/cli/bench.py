# SPDX-License-Identifier: Apache-2.0
"""`bench topup`: JSON lines with figure, value, unit and cores."""

from __future__ import annotations

import argparse
import json
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=["topup"])
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--meters", type=int, default=400)


def run(args: argparse.Namespace) -> int:
    from duaarah.project.database import DatabaseError
    from duaarah.project.places import data_dir
    from duaarah.stage.processes import Processes, StageError

    processes = Processes(data_dir() / "bench", 7, args.meters, None, radio_faults=False)
    try:
        print("bench: setting the stage ...", file=sys.stderr, flush=True)
        processes.open_database()
        from duaarah.stage.bench_topup import run as measure

        for record in measure(processes, args.seconds):
            print(json.dumps(record), flush=True)
    except (StageError, DatabaseError) as error:
        print(f"duaarah: {error}", file=sys.stderr)
        return 1
    finally:
        processes.close()
    return 0
