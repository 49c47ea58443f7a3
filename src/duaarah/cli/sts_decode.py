# SPDX-License-Identifier: Apache-2.0
"""`sts decode`: what a meter with this key makes of a token. A refusal is a result, not a failure: the status is 0."""

from __future__ import annotations

import argparse
import json

from duaarah.cli.sts_source import Source, add_key_arguments, plain, source
from duaarah.core.sts.batch import answer, key_in_record
from duaarah.core.sts.describe import KIND_NAMES, unit_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("token", help="20 digits; spaces and hyphens are ignored")
    add_key_arguments(parser)
    parser.add_argument("--tids", help="TIDs that the meter has seen, separated by commas")


def run(args: argparse.Namespace) -> int:
    record, key_of, _ = source(args) if args.stdin or args.register else Source({}, key_in_record)
    request = {**record, "op": "decode", "token": plain(args.token)}
    if args.tids:
        request["tid_store"] = [int(tid) if tid.strip().isdecimal() else tid for tid in args.tids.split(",")]
    found = answer(request, lambda: 0, key_of)
    if args.json:
        print(json.dumps(found))
        return 0
    kind = found.get("class"), found.get("subclass")
    name = KIND_NAMES.get(kind, "") if None not in kind else ""  # type: ignore[arg-type]
    print(f"{found['result']}{': ' if name else ''}{name}")
    for key, value in found.items():
        if key not in ("result", "class", "subclass") and value is not None:
            unit = unit_of(kind) if key == "amount" else ""  # type: ignore[arg-type]
            print(f"  {key:<10} {value} {unit}".rstrip())
    return 0
