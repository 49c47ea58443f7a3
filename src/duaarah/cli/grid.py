# SPDX-License-Identifier: Apache-2.0
"""`grid VERB`: find the verb, import only its module, call it. No verb needs a database."""

from __future__ import annotations

import argparse
import importlib

# Verb: its module in this package (with `add_arguments` and `run`), and what it does.
VERBS = {
    "indices": ("grid_indices", "SAIDI, SAIFI and their kin from a CSV of outages"),
    "med": ("grid_med", "the threshold of major event days from a CSV of daily SAIDI, and the days above it"),
    "profile": ("grid_profile", "peak, load factor, coincidence and diversity of a Parquet file of readings"),
    "balance": ("grid_balance", "losses and voltages a transformer from readings and a CSV of who hangs where"),
    "forecast": ("grid_forecast", "days left of a credit: one JSON request a line on stdin, one answer a line"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="what", required=True, metavar="|".join(VERBS))
    for name, (module, text) in VERBS.items():
        verb = verbs.add_parser(name, help=text, description=text)
        importlib.import_module(f"duaarah.cli.{module}").add_arguments(verb)


def run(args: argparse.Namespace) -> int:
    """The verb's own status."""
    status: int = importlib.import_module(f"duaarah.cli.{VERBS[args.what][0]}").run(args)
    return status
