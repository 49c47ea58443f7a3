# SPDX-License-Identifier: Apache-2.0
"""`sts VERB`: find the verb, import only its module, call it. Named errors of the engine end with 1 and a sentence."""

from __future__ import annotations

import argparse
import importlib
import json
import sys

from duaarah.core.sts.errors import STSError

# Verb: its module in this package (with `add_arguments` and `run`), and what it does.
VERBS = {
    "batch": ("sts_batch", "one JSON request a line on stdin, one answer a line"),
    "issue": ("sts_issue", "make one token"),
    "decode": ("sts_decode", "what a meter makes of a token"),
    "explain": ("sts_explain", "a token bit by bit"),
    "pan": ("sts_pan", "check or build a MeterPAN and its DRN"),
    "tid": ("sts_tid", "an instant to a TID and back, with the key expiry number it needs"),
    "selftest": ("sts_selftest", "every published vector: expected and actual"),
    "rollover": ("sts_rollover", "plan: which meters need a key change, and why"),
    "key": ("sts_key", "the key registers"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="what", required=True, metavar="|".join(VERBS))
    for name, (module, text) in VERBS.items():
        verb = verbs.add_parser(name, help=text, description=text)
        importlib.import_module(f"duaarah.cli.{module}").add_arguments(verb)


def run(args: argparse.Namespace) -> int:
    """The verb's own status; 1 for an error of the engine."""
    from duaarah.cli.sts_source import WrongUsage
    from duaarah.project.tables import use_tables_of_environment

    module = importlib.import_module(f"duaarah.cli.{VERBS[args.what][0]}")
    try:
        use_tables_of_environment()
        status: int = module.run(args)
    except WrongUsage as error:
        print(f"./duaarah sts {args.what}: {error}", file=sys.stderr)
        return 2
    except STSError as error:
        return refuse(error.code, str(error), as_json=getattr(args, "json", False))
    return status


def refuse(code: str, sentence: str, *, as_json: bool) -> int:
    """Say what was refused: a record for scripts on stdout, a sentence for people on stderr. Returns 1."""
    if as_json:
        print(json.dumps({"error": code, "message": sentence}))
    else:
        print(f"duaarah: {sentence} ({code})", file=sys.stderr)
    return 1
