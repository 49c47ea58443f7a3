# SPDX-License-Identifier: Apache-2.0
"""`sms reconcile|record-format`: a month of ours against an operator's file of records. docs/guides/sms-package.md."""

from __future__ import annotations

import argparse
import datetime as dt
import getpass
import json
import sys
from pathlib import Path
from typing import Any

FORMAT_WORDS = (
    "delimiter", "encoding", "message-id-column", "at-column", "destination-column", "class-column", "price-column",
    "at-format", "zone",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="reconcile|record-format")
    compare = verbs.add_parser("reconcile", help="one JSON line for each difference, then their counts")
    compare.add_argument("file", type=Path)
    compare.add_argument("--operator", required=True, help="the mobile operator's code")
    compare.add_argument("--month", required=True, type=_month, help="YYYY-MM")
    form = verbs.add_parser("record-format", help="show how the operators write their records, or set how one does")
    form.add_argument("--operator", help="the mobile operator's code; without it all are shown")
    for name in FORMAT_WORDS:
        form.add_argument(f"--{name}")
    form.add_argument(
        "--class",
        dest="classes",
        action="append",
        metavar="HIS=OURS,OURS",
        help="his class and the ones of ours it stands for; repeat for more, they replace those before",
    )


def _month(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(f"{text}-01")
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no month; write YYYY-MM.") from None


def run(args: argparse.Namespace) -> int:
    """0 when both sides agree (or the format stands), 1 when they differ or it was refused, with a sentence."""
    from duaarah.project.database import DatabaseError
    from duaarah.project.start import database_ready

    try:
        if args.verb == "record-format":
            with database_ready():
                return _record_format(args)
        content = args.file.read_bytes()
        with database_ready():
            return _reconcile(args, content)
    except OSError as error:
        return _say(f"{error.filename or 'The database'}: {error.strerror or 'it cannot be used'}.")
    except (LookupError, DatabaseError) as error:
        return _say(str(error.args[0]))


def _reconcile(args: argparse.Namespace, content: bytes) -> int:
    from duaarah.clock.queries import now
    from duaarah.sms.package.reconcile import reconcile
    from duaarah.sms.package.records import BadFile

    try:
        made = reconcile(
            operator=_operator(args.operator),
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


def _operator(code: str) -> Any:
    from duaarah.people.models import Organisation

    operator = Organisation.objects.filter(code=code, kind="MOBILE_OPERATOR").first()
    if operator is None:
        raise LookupError(f"There is no mobile operator {code}.")
    return operator


def _record_format(args: argparse.Namespace) -> int:
    """What is given changes, the rest stays; one JSON line an operator."""
    from dataclasses import asdict, fields

    from duaarah.clock.queries import now
    from duaarah.sms.models import RecordFormat
    from duaarah.sms.package.formats import Format, FormatRefused, set_record_format

    names = [field.name for field in fields(Format)]
    given: dict[str, Any] = {name: value for name in names if (value := getattr(args, name)) is not None}
    rows = RecordFormat.objects.select_related("operator").order_by("operator__code")
    if args.operator is not None:
        operator = _operator(args.operator)
        rows = rows.filter(operator=operator)
        if "classes" in given:
            given["classes"] = _classes(given["classes"])
        if given:
            stands = rows.first()
            before = {name: getattr(stands, name) for name in names} if stands is not None else asdict(Format())
            try:
                form = Format(**{**before, **given})
                set_record_format(operator=operator, form=form, actor=f"command:{getpass.getuser()}", now=now())
            except FormatRefused as error:
                return _say(str(error))
    elif given:
        return _say("Name the operator whose format this is: --operator CODE.")
    for row in rows:
        print(json.dumps({"operator": row.operator.code, **{name: getattr(row, name) for name in names}}))
    return 0


def _classes(words: list[str]) -> dict[str, list[str]]:
    pairs = [word.partition("=") for word in words]
    return {his: [name for name in ours.split(",") if name] for his, _, ours in pairs}


def _say(sentence: str) -> int:
    print(f"duaarah: {sentence}", file=sys.stderr)
    return 1
