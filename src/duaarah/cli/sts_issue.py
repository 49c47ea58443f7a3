# SPDX-License-Identifier: Apache-2.0
"""
`sts issue`: one token. With `--register` its making is in the audit chain before the digits are shown.

It keeps no TIDs: two tokens for one meter in one minute need `--tid`. Vending goes through the platform, which does.
"""

from __future__ import annotations

import argparse
import datetime as dt
import getpass
import json
import secrets
from typing import Any
from zoneinfo import ZoneInfo

from duaarah.cli.sts_source import KeySource, add_key_arguments, grouped, source
from duaarah.core.sts.batch import answer
from duaarah.core.sts.describe import KIND_NAMES, unit_of

_UTILITY_ZONE = ZoneInfo("Asia/Jakarta")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_key_arguments(parser)
    parser.add_argument("--class", dest="token_class", type=int, default=0, choices=[0, 1, 2], help="default 0")
    parser.add_argument("--subclass", type=int, default=0, help="default 0: electricity credit")
    parser.add_argument("--amount", help="25.6 kWh, m3 or min; base currency in 0.4-0.7; whole watts in 2.0 and 2.6")
    parser.add_argument("--field", type=int, help="the raw 16 bits, in place of --amount")
    parser.add_argument("--at", help="naive utility-local time, 2026-07-11T00:30 (default: now, in WIB)")
    parser.add_argument("--tid", type=int, help="in place of --at")
    parser.add_argument("--control", help="class 1: 9 hex digits (1.1: 7)")
    parser.add_argument("--mfr", default="0", help="class 1: manufacturer code, 2 hex digits (1.1: 4)")


def run(args: argparse.Namespace) -> int:
    if args.token_class == 1:
        record: dict[str, Any] = {"control": args.control, "mfr": args.mfr}
        made = answer(_request(args, record), lambda: secrets.randbelow(16))
        return _show(args, made, None)
    record, key_of, register = source(args)
    request = _request(args, record)
    made = answer(request, lambda: secrets.randbelow(16), key_of)
    decoded = answer({**request, "op": "decode", "token": made["token"]}, lambda: 0, key_of)
    if register is not None:
        # Judged by the token's own time. Until the audit chain has it, nobody has seen a digit.
        register.check_issuing(dt.datetime.fromisoformat(decoded["issued_at"]))
        _audit(args, request, made, decoded)
    return _show(args, made, decoded)


def _request(args: argparse.Namespace, record: dict[str, Any]) -> dict[str, Any]:
    now = dt.datetime.now(_UTILITY_ZONE).replace(tzinfo=None).isoformat(timespec="minutes")
    request = {
        "issued_at": now,
        **record,
        "op": "issue",
        "class": args.token_class,
        "subclass": args.subclass,
    }
    given = {"amount": args.amount, "field": args.field, "issued_at": args.at, "tid": args.tid}
    return {**request, **{name: value for name, value in given.items() if value is not None}}


def _show(args: argparse.Namespace, made: dict[str, Any], decoded: dict[str, Any] | None) -> int:
    record = {**made, "requested": args.amount, "encoded": decoded and decoded["amount"]}
    if args.json:
        print(json.dumps(record))
        return 0
    kind = args.token_class, args.subclass
    print(f"{KIND_NAMES[kind]} ({kind[0]}.{kind[1]})")
    print(f"  token      {grouped(made['token'])}")
    if decoded is not None:
        print(f"  TID        {made['tid']} = {decoded['issued_at'].replace('T', ' ')}")
        if record["encoded"] is not None:
            asked = f" (requested {args.amount})" if args.amount else ""
            print(f"  amount     {record['encoded']} {unit_of(kind)}{asked}".rstrip())
    return 0


def _audit(args: argparse.Namespace, request: dict[str, Any], made: dict[str, Any], decoded: dict[str, Any]) -> None:
    """Who made a token, for which meter and with which register; never its digits."""
    from django.db import Error

    from duaarah.project.database import DatabaseError
    from duaarah.project.start import database_ready

    try:
        with database_ready():
            _record(args, request, made, decoded)
    except (DatabaseError, Error) as error:
        raise KeySource(
            "audit_unwritten", f"No token is given, since the audit chain cannot be written: {error}"
        ) from None


def _record(args: argparse.Namespace, request: dict[str, Any], made: dict[str, Any], decoded: dict[str, Any]) -> None:
    from django.db import transaction

    from duaarah.audit import operations as audit
    from duaarah.clock.queries import now

    detail = {
        "register": args.register,
        "kind": f"{args.token_class}.{args.subclass}",
        "tid": made["tid"],
        "requested": args.amount,
        "encoded": decoded["amount"],
    }
    with transaction.atomic(durable=True):
        audit.record(
            at=now(),
            actor=f"command:{getpass.getuser()}",
            verb="sts.issue",
            subject=str(request["pan"]),
            detail=detail,
        )
