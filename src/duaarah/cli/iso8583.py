# SPDX-License-Identifier: Apache-2.0
"""`iso8583 decode` and `iso8583 encode`: JSON lines in, JSON lines out."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from duaarah.wire.iso8583.dialect import PACKAGED, Dialect, DialectInvalid, packaged
from duaarah.wire.iso8583.errors import ISOError
from duaarah.wire.iso8583.message import decode, encode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="what", required=True, metavar="decode|encode")
    texts = {
        "decode": 'one {"message": ...} a line on stdin, its mti, kind and fields a line on stdout',
        "encode": 'one {"mti": ..., "fields": {...}} a line on stdin, {"message": ...} a line on stdout',
    }
    for name, text in texts.items():
        verb = verbs.add_parser(name, help=text, description=text)
        verb.add_argument(
            "--dialect",
            default=PACKAGED[0],
            metavar="NAME|FILE",
            help=f"{' or '.join(PACKAGED)}, or a TOML file like them (default: %(default)s)",
        )


def run(args: argparse.Namespace) -> int:
    """0 if every line succeeded, 1 if any failed, 2 for a dialect that cannot be read."""
    try:
        dialect = _dialect(args.dialect)
    except (DialectInvalid, OSError, UnicodeDecodeError) as error:
        print(f"./duaarah iso8583 {args.what}: {error}", file=sys.stderr)
        return 2
    failed = False
    for line in sys.stdin.buffer:
        if not line.strip():
            continue
        reply = answer(args.what, line, dialect)
        failed = failed or "error" in reply
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()
    return 1 if failed else 0


def answer(verb: str, line: bytes, dialect: Dialect) -> dict[str, Any]:
    """One line's answer: the record, or {"error", "message"}."""
    try:
        record = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return {"error": "bad_field", "message": "The line is not JSON in UTF-8."}
    if not isinstance(record, dict):
        return {"error": "bad_field", "message": "A line is one JSON object."}
    try:
        return _decoded(record, dialect) if verb == "decode" else _encoded(record, dialect)
    except ISOError as error:
        return {"error": error.code, "message": str(error)}


def _decoded(record: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    if "message" not in record:
        raise ISOError("bad_field", "The line has no message.")
    made = decode(record["message"], dialect=dialect)
    return {"mti": made.mti, "kind": made.kind, "fields": made.fields}


def _encoded(record: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    fields = record.get("fields")
    if not isinstance(fields, dict):
        raise ISOError("bad_field", "The line has no fields.")
    return {"message": encode(record.get("mti", ""), fields, dialect=dialect)}


def _dialect(name: str) -> Dialect:
    """A name is one of ours; whatever looks like a path is a file."""
    if "/" in name or name.endswith(".toml"):
        return Dialect.from_toml(Path(name).read_text(encoding="utf-8"))
    return packaged(name)
