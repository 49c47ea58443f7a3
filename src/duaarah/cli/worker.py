# SPDX-License-Identifier: Apache-2.0
"""`worker NAME`: one worker process against the database that DUAARAH_DATABASE_URL names."""

from __future__ import annotations

import argparse
import importlib
import os

WORKERS = ("links", "headend", "messenger", "sweeper", "chores", "gateway", "bank")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=WORKERS)


def run(args: argparse.Namespace) -> int:
    from duaarah.project.start import setup

    if args.name == "bank":
        # Six threads and the journal; the settings read it.
        os.environ.setdefault("DUAARAH_POOL_MAX", "7")
    setup(f"worker-{args.name}")
    module = importlib.import_module(f"duaarah.workers.{args.name}")
    status: int = module.main()
    return status
