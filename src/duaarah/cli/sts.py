# SPDX-License-Identifier: Apache-2.0
"""`sts batch`: JSON lines in, JSON lines out. Keys come by stdin only and leave by nothing."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from typing import Any

from duaarah.cli import sts_key
from duaarah.core.sts.batch import answer
from duaarah.core.sts.errors import STSError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="what", required=True, metavar="batch|key")
    verbs.add_parser("batch", help="one JSON request a line on stdin")
    sts_key.add_arguments(verbs.add_parser("key", help="key file, security module, key ceremony"))


def run(args: argparse.Namespace) -> int:
    """0 if every line succeeded, 1 if any failed."""
    if args.what == "key":
        return sts_key.run(args)
    failed = False
    for line in sys.stdin:
        if not line.strip():
            continue
        reply = _answer(line)
        failed = failed or "error" in reply
        sys.stdout.write(json.dumps(reply, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    return 1 if failed else 0


def _answer(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return {"error": "bad_request", "message": "The line is not JSON."}
    try:
        return answer(record, lambda: secrets.randbelow(16))
    except STSError as error:
        return {"error": error.code, "message": str(error)}
