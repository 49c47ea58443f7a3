# SPDX-License-Identifier: Apache-2.0
"""`ledger ...`: sales, balances, channels' figures, settlement, a channel's file against the books. docs/guides/ledger.md."""

from __future__ import annotations

import argparse
import datetime as dt
import getpass
import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

FORMATS = ("json", "csv", "xlsx", "pdf")
FORMAT_WORDS = (
    "delimiter", "encoding", "reference-column", "meter-column", "amount-column", "at-column", "pln-ref-column",
    "at-format", "zone",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    report = verbs.add_parser("report", help="tokens sold by day, unit and tariff: purchases, kWh, each line in rupiah")
    _days(report)
    report.add_argument("--format", choices=FORMATS, default="json")
    report.add_argument("--detail", action="store_true", help="each token instead of their sums (not as PDF)")
    report.add_argument("--output", type=Path, help="write here instead of to standard output")
    report.add_argument("--language", choices=("id", "en"), default="id", help="of the heads in xlsx and pdf")
    balance = verbs.add_parser("balance", help="the trial balance of one entity's books")
    _days(balance)
    balance.add_argument("--book", default="PLN", help="PLN, or an organisation's code")
    _days(verbs.add_parser("channels", help="sales, failures, pending share, median time to token; ranked"))
    verbs.add_parser("settle", help="settle the days of channels whose cut-off window is over; what is settled")
    compare = verbs.add_parser("reconcile", help="a channel's file of one settlement day against the books")
    compare.add_argument("file", type=Path)
    compare.add_argument("--channel", required=True, help="its code")
    compare.add_argument("--date", required=True, type=_date, help="the settlement day, YYYY-MM-DD")
    form = verbs.add_parser("file-format", help="show how a channel writes its file, or set it")
    form.add_argument("--channel", required=True, help="its code")
    for name in FORMAT_WORDS:
        form.add_argument(f"--{name}")
    from duaarah.cli import ledger_pay, ledger_setup

    ledger_setup.add_arguments(verbs)
    ledger_pay.add_arguments(verbs)


def _days(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--date", required=True, type=_date, help="the first day (WIB), YYYY-MM-DD")
    parser.add_argument("--to", type=_date, help="the last day; without it the first day alone")


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write YYYY-MM-DD.") from None


def run(args: argparse.Namespace) -> int:
    """0 when done (and, for reconcile, when both sides agree), 1 when they differ or it was refused, with a sentence."""
    from duaarah.project.database import DatabaseError
    from duaarah.project.start import database_ready

    if getattr(args, "to", None) is not None and args.to < args.date:
        return say("The last day is before the first.")
    try:
        content = args.file.read_bytes() if args.verb == "reconcile" else b""
        with database_ready():
            if args.verb == "reconcile":
                return _reconcile(args, content)
            return _VERBS[args.verb](args)
    except OSError as error:
        return say(f"{error.filename or 'The database'}: {error.strerror or 'it cannot be used'}.")
    except (LookupError, DatabaseError) as error:
        return say(str(error.args[0]))


def say(sentence: str) -> int:
    print(f"duaarah: {sentence}", file=sys.stderr)
    return 1


def actor() -> str:
    return f"command:{getpass.getuser()}"


def channel_of(code: str) -> Any:
    from duaarah.vending.models import Channel

    found = Channel.objects.filter(code=code).first()
    if found is None:
        raise LookupError(f"There is no channel {code}.")
    return found


def _print(values: dict[str, Any]) -> None:
    print(json.dumps(values, default=str))


def _between(args: argparse.Namespace) -> dict[str, dt.date]:
    return {"from_date": args.date, "to_date": args.to or args.date}


def _report(args: argparse.Namespace) -> int:
    """JSON and CSV are for programs: money in 1/100 rupiah, energy in Wh. XLSX and PDF are for people."""
    from duaarah.vending.reports import SalesRow, TokenRow, sales, tokens

    if args.format == "pdf" and args.detail:
        return say("A PDF has the sums; take csv or xlsx for each token.")
    if args.format in ("xlsx", "pdf"):
        return _file(args)
    rows = tokens(**_between(args)) if args.detail else iter(sales(**_between(args)))
    kind: type[Any] = TokenRow if args.detail else SalesRow
    with _text_output(args) as out:
        if args.format == "json":
            for row in rows:
                out.write(json.dumps(asdict(row), default=str) + "\n")
            return 0
        import csv

        writer = csv.writer(out, lineterminator="\n")
        names = list(kind.__dataclass_fields__)
        writer.writerow(names)
        writer.writerows([getattr(row, name) for name in names] for row in rows)
    return 0


class _Kept:
    """Standard output as a context that does not close it."""

    def __enter__(self) -> IO[str]:
        return sys.stdout

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()


def _text_output(args: argparse.Namespace) -> Any:
    return args.output.open("w", encoding="utf-8", newline="") if args.output else _Kept()


def _file(args: argparse.Namespace) -> int:
    from django.utils import translation

    from duaarah.project import catalogues
    from duaarah.project.places import CHECKOUT
    from duaarah.web.shared.export import xlsx_file
    from duaarah.web.shared.pdf_table import pdf_file
    from duaarah.web.shared.sales_report import sales_printed, sales_table, tokens_table

    # Words are compiled when pages start; a command may be the first to need them.
    catalogues.ensure(CHECKOUT)
    with translation.override(args.language):
        if args.format == "pdf":
            made = pdf_file(sales_printed(**_between(args)))
        else:
            made = xlsx_file((tokens_table if args.detail else sales_table)(**_between(args)))
    with made:
        if args.output is None:
            shutil.copyfileobj(made, sys.stdout.buffer)
            return 0
        with args.output.open("wb") as file:
            shutil.copyfileobj(made, file)
    return 0


def _balance(args: argparse.Namespace) -> int:
    from duaarah.vending.balances import books, trial_balance

    if args.book not in books():
        raise LookupError(f"There are no books of {args.book}.")
    rows = trial_balance(book=args.book, **_between(args))
    for row in rows:
        _print(asdict(row))
    names = ("opening_sen", "debit_sen", "credit_sen", "closing_sen")
    _print({"book": args.book, **{name: sum(getattr(row, name) for row in rows) for name in names}})
    return 0


def _channels(args: argparse.Namespace) -> int:
    from duaarah.vending.reports import channel_figures

    for row in channel_figures(**_between(args)):
        _print(asdict(row))
    return 0


def _settle(args: argparse.Namespace) -> int:
    from duaarah.clock.queries import now
    from duaarah.vending.ledger_models import Settlement
    from duaarah.vending.operations import settle_due

    last = Settlement.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    settle_due(now=now())
    names = ("day_date", "entries", "purchases", "filled_sen", "sold_sen", "commission_sen", "deposit_sen")
    for row in Settlement.objects.filter(pk__gt=last).select_related("channel").order_by("pk"):
        _print({"channel": row.channel.code, **{name: getattr(row, name) for name in names}})
    return 0


def _reconcile(args: argparse.Namespace, content: bytes) -> int:
    from duaarah.clock.queries import now
    from duaarah.vending.channel_file import BadFile
    from duaarah.vending.operations.reconcile import reconcile

    try:
        made = reconcile(
            channel=channel_of(args.channel),
            day_date=args.date,
            content=content,
            file_name=args.file.name,
            actor=actor(),
            now=now(),
        )
    except BadFile as error:
        return say(str(error))
    names = ("list", "row", "reference", "codes", "ours_idr", "theirs_idr", "ours_meter", "theirs_meter")
    for line in made.lines.order_by("pk").iterator():
        at = {
            name: getattr(line, name).isoformat() if getattr(line, name) else None for name in ("ours_at", "theirs_at")
        }
        _print({**{name: getattr(line, name) for name in names}, **at})
    counts = ("matched", "ours_only", "theirs_only", "different")
    sums = {key: getattr(made, key) for name in counts for key in (name, f"{name}_idr")}
    _print({"reconciliation": made.pk, **sums, "errors": made.errors})
    return 1 if made.ours_only + made.theirs_only + made.different + made.errors else 0


def _file_format(args: argparse.Namespace) -> int:
    """What is given changes, the rest stays; one JSON line."""
    from duaarah.clock.queries import now
    from duaarah.vending.ledger_models import ChannelFileFormat
    from duaarah.vending.operations.file_format import FileFormat, FormatRefused, set_file_format

    channel = channel_of(args.channel)
    names = list(asdict(FileFormat()))
    stands = ChannelFileFormat.objects.filter(channel=channel).first()
    form = {name: getattr(stands, name) for name in names} if stands else asdict(FileFormat())
    given = {name: value for name in names if (value := getattr(args, name)) is not None}
    if given:
        try:
            set_file_format(channel=channel, form=FileFormat(**{**form, **given}), actor=actor(), now=now())
        except FormatRefused as error:
            return say(str(error))
    _print({"channel": channel.code, **form, **given})
    return 0


def _setup(args: argparse.Namespace) -> int:
    from duaarah.cli import ledger_setup

    return ledger_setup.run(args)


def _pay(args: argparse.Namespace) -> int:
    from duaarah.cli import ledger_pay

    return ledger_pay.run(args)


_VERBS = {
    "report": _report,
    "balance": _balance,
    "channels": _channels,
    "settle": _settle,
    "file-format": _file_format,
    "gerai": _setup,
    "arrears": _setup,
    "pay-commission": _pay,
    "invoice-paid": _pay,
    "pay-share": _pay,
}
