# SPDX-License-Identifier: Apache-2.0
"""`sms reconcile`: a month of ours against an operator's file of records. docs/guides/sms-package.md."""

from __future__ import annotations

import argparse
import datetime as dt
import getpass
import json
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="reconcile")
    compare = verbs.add_parser("reconcile", help="one JSON line for each difference, then their counts")
    compare.add_argument("file", type=Path)
    compare.add_argument("--operator", required=True, help="the mobile operator's code")
    compare.add_argument("--month", required=True, type=_month, help="YYYY-MM")


def _month(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(f"{text}-01")
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no month; write YYYY-MM.") from None


def run(args: argparse.Namespace) -> int:
    """0 when both sides agree, 1 when they differ or the file was refused, with a sentence."""
    from duaarah.project.database import DatabaseError
    from duaarah.project.start import database_ready

    try:
        content = args.file.read_bytes()
        with database_ready():
            return _reconcile(args, content)
    except (OSError, LookupError, DatabaseError) as error:
        return _say(error.strerror or "The file cannot be read." if isinstance(error, OSError) else str(error.args[0]))


def _reconcile(args: argparse.Namespace, content: bytes) -> int:
    from duaarah.clock.queries import now
    from duaarah.people.models import Organisation
    from duaarah.sms.package.reconcile import reconcile
    from duaarah.sms.package.records import BadFile

    operator = Organisation.objects.filter(code=args.operator, kind="MOBILE_OPERATOR").first()
    if operator is None:
        raise LookupError(f"There is no mobile operator {args.operator}.")
    try:
        made = reconcile(
            operator=operator,
            month_date=args.month,
            content=content,
            actor=f"command:{getpass.getuser()}",
            now=now(),
        )
    except BadFile as error:
        return _say(str(error))
    counts: dict[str, int] = {}
    for line in made.lines.order_by("pk").iterator():
        counts[line.list] = counts.get(line.list, 0) + 1
        record = {"list": line.list, "row": line.row, "segment": line.segment_id, "message_id": line.message_id}
        print(json.dumps({**record, "code": line.code, "ours": line.ours, "theirs": line.theirs}))
    print(json.dumps({"reconciliation": made.pk, "matched": made.matched, **counts}))
    return 1 if counts else 0


def _say(sentence: str) -> int:
    print(f"duaarah: {sentence}", file=sys.stderr)
    return 1
