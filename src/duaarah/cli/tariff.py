# SPDX-License-Identifier: Apache-2.0
"""`tariff VERB`: find the verb, import only its module, call it. Needs no database."""

from __future__ import annotations

import argparse
import importlib

# Verb: its module in this package (with `add_arguments` and `run`), and what it does.
VERBS = {"quote": ("tariff_quote", "what a nominal buys: one JSON request a line on stdin, one answer a line")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="what", required=True, metavar="|".join(VERBS))
    for name, (module, text) in VERBS.items():
        verb = verbs.add_parser(name, help=text, description=text)
        importlib.import_module(f"duaarah.cli.{module}").add_arguments(verb)


def run(args: argparse.Namespace) -> int:
    """The verb's own status."""
    status: int = importlib.import_module(f"duaarah.cli.{VERBS[args.what][0]}").run(args)
    return status
