# SPDX-License-Identifier: Apache-2.0
"""`tokens import|check|batches`: files of tokens that were sold elsewhere. docs/guides/tokens-from-elsewhere.md."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from pathlib import Path
from typing import Any

SHOWN = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="import|check|batches")
    for name, words in (
        ("import", "take a channel's file: its tokens load themselves; one JSON line for each row that was refused"),
        ("check", "judge a file without loading anything; one JSON line a row"),
    ):
        verb = verbs.add_parser(name, help=words)
        verb.add_argument("file", type=Path)
        verb.add_argument("--channel", required=True, help="the code of the channel that signed it")
    batches = verbs.add_parser("batches", help=f"the latest {SHOWN} files, newest first")
    batches.add_argument("--channel", help="of this channel only")


def run(args: argparse.Namespace) -> int:
    """0 when every row was taken (or would be), 1 when the file or a row was refused, with a sentence."""
    from duaarah.project.database import DatabaseError
    from duaarah.project.start import database_ready

    try:
        content = args.file.read_bytes() if args.verb != "batches" else b""
        with database_ready():
            return {"import": _import, "check": _check, "batches": _batches}[args.verb](args, content)
    except OSError as error:
        return _say(f"{error.filename or 'The database'}: {error.strerror or 'it cannot be used'}.")
    except (LookupError, DatabaseError) as error:
        return _say(str(error.args[0]))


def _say(sentence: str) -> int:
    print(f"duaarah: {sentence}", file=sys.stderr)
    return 1


def _channel(code: str) -> Any:
    from duaarah.vending.models import Channel

    channel = Channel.objects.filter(code=code).first()
    if channel is None:
        raise LookupError(f"There is no channel {code}.")
    return channel


def _import(args: argparse.Namespace, content: bytes) -> int:
    from duaarah.clock.queries import now
    from duaarah.vending.operations.batches import file_away, load_batch, outcome_counts, receive_batch
    from duaarah.wiring.keystores import key_store
    from duaarah.wiring.token_sources import OwnKeys
    from duaarah.workers.token_folder import secret_of

    channel = _channel(args.channel)
    made, before = receive_batch(
        channel=channel,
        file_name=args.file.name,
        content=content,
        secret=secret_of(channel),
        actor=f"command:{getpass.getuser()}",
        now=now(),
    )
    # The caller keeps his file: there is nothing to put away.
    file_away(batch_id=made.pk)
    if made.state == "REFUSED":
        return _say(f"The file was refused, nothing of it was loaded: {made.reason} ({made.code})")
    load_batch(batch_id=made.pk, reader=OwnKeys(key_store()), now=now())
    made.refresh_from_db()
    for row in made.rows.filter(state="REFUSED").order_by("line"):
        print(json.dumps({"line": row.line, "notification_id": row.notification_id, "code": row.code}))
    counts = outcome_counts(made.pk)
    print(json.dumps({**_record(made), **{state.lower(): number for state, number in sorted(counts.items())}}))
    if before:
        print("This file was here before; nothing was loaded twice.", file=sys.stderr)
    return 1 if counts.get("REFUSED") else 0


def _check(args: argparse.Namespace, content: bytes) -> int:
    from duaarah.clock.queries import now
    from duaarah.core.tokenbatch import BadBatch
    from duaarah.vending.operations.batches import check_batch
    from duaarah.wiring.keystores import key_store
    from duaarah.wiring.token_sources import OwnKeys
    from duaarah.workers.token_folder import secret_of

    channel = _channel(args.channel)
    secret = secret_of(channel)
    if secret is None:
        raise LookupError(f"The channel {args.channel} has no secret: it tells of no tokens.")
    counts = {"TAKEN": 0, "REPEATED": 0, "REFUSED": 0}
    try:
        reader = OwnKeys(key_store())
        for verdict in check_batch(channel=channel, content=content, secret=secret, reader=reader, now=now()):
            counts[verdict.state] += 1
            record = {"line": verdict.line, "notification_id": verdict.notification_id}
            print(json.dumps({**record, "state": verdict.state.lower(), "code": verdict.code or None}))
    except BadBatch as error:
        return _say(f"The file would be refused whole: {error} ({error.code})")
    print(
        f"{counts['TAKEN']} would be loaded, {counts['REPEATED']} are known already, {counts['REFUSED']} are wrong."
        " Nothing was loaded.",
        file=sys.stderr,
    )
    return 1 if counts["REFUSED"] else 0


def _batches(args: argparse.Namespace, _content: bytes) -> int:
    from duaarah.vending.batch_models import TokenBatch
    from duaarah.vending.operations.batches import outcome_counts

    rows = TokenBatch.objects.select_related("channel").order_by("-pk")
    if args.channel is not None:
        rows = rows.filter(channel=_channel(args.channel))
    for made in rows[:SHOWN]:
        counts = outcome_counts(made.pk)
        print(json.dumps({**_record(made), **{state.lower(): n for state, n in sorted(counts.items())}}))
    return 0


def _record(made: Any) -> dict[str, Any]:
    return {
        "batch": made.pk,
        "channel": made.channel.code,
        "batch_id": made.batch_id or None,
        "date": made.of_date.isoformat() if made.of_date else None,
        "file": made.file_name,
        "state": made.state,
        "code": made.code or None,
        "count": made.count,
        "sum_idr": made.sum_idr,
        "received_at": made.received_at.isoformat(),
    }
