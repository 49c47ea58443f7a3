# SPDX-License-Identifier: Apache-2.0
"""`migrate`: bring the schema up to date, one migrator at a time."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Bring the database's schema up to date; safe to run from several machines at once."


def run(args: argparse.Namespace) -> int:
    from duaarah.project.start import database_ready, migrate

    with database_ready():
        migrate()
    return 0
