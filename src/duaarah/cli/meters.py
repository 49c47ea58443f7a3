# SPDX-License-Identifier: Apache-2.0
"""`meters ...`: kinds of meter, makers' shipments, firmware, lines over IP. docs/guides/meters.md."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from pathlib import Path
from typing import Any

from duaarah.cli import secret_input

FAULTS_SHOWN = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(
        dest="verb", required=True, metavar="profiles|check|maker|import|shipments|firmware-key|firmware|line"
    )
    verbs.add_parser("profiles", help="the kinds of meter that are known here, one JSON line each")
    check = verbs.add_parser("check", help="is this a profile of a meter, and does it read its own samples?")
    check.add_argument("file", type=Path, help="a TOML file; docs/guides/meters.md")
    maker = verbs.add_parser("maker", help="found a maker; its transport key is read as hex digits from stdin")
    maker.add_argument("code", help="e.g. ACME")
    maker.add_argument("--name", required=True)
    maker.add_argument("--no-key", action="store_true", help="enter no transport key now, and keep the one there is")
    take = verbs.add_parser("import", help="read a maker's file, show what is wrong, take up the meters")
    take.add_argument("file", type=Path, help="CSV or XLSX with a heading")
    take.add_argument("--maker", required=True, help="its code; `meters maker` founds it")
    take.add_argument("--clear-keys", action="store_true", help="keys may stand unwrapped in the file (recorded)")
    take.add_argument("--check-only", action="store_true", help="read and check, take nothing up")
    take.add_argument("--without-wrong", action="store_true", help="take the right rows although others are wrong")
    signer = verbs.add_parser("firmware-key", help="a maker's public key (Ed25519), hex digits from stdin")
    signer.add_argument("code", help="the maker's")
    image = verbs.add_parser("firmware", help="take an image that its maker has signed")
    image.add_argument("file", type=Path, help="the image")
    image.add_argument("--maker", required=True, help="its code")
    image.add_argument("--profile", required=True, help="the kind of meter it is for")
    image.add_argument("--version", required=True, help="as the meter says it afterwards")
    image.add_argument("--signature", type=Path, required=True, help="Ed25519, detached: 64 octets")
    line = verbs.add_parser("line", help="where a meter answers over IP")
    line.add_argument("drn")
    line.add_argument("host")
    line.add_argument("--port", type=int, default=4059)
    line.add_argument("--client-sap", type=int, default=1, help="of the managing client")
    line.add_argument("--hdlc", action="store_true", help="HDLC frames instead of the wrapper")
    verbs.add_parser("shipments", help="what was read, one JSON line each")


def run(args: argparse.Namespace) -> int:
    """0 when it was done, 1 when something is wrong or was refused, with a sentence."""
    if args.verb in ("profiles", "check"):
        return {"profiles": _profiles, "check": _check}[args.verb](args)
    from duaarah.project.database import DatabaseError
    from duaarah.project.start import database_ready

    try:
        content = args.file.read_bytes() if args.verb in ("import", "firmware") else b""
    except OSError as error:
        return _say(f"{args.file}: {error.strerror or 'it cannot be read'}.")
    try:
        with database_ready():
            if args.verb in ("firmware-key", "firmware", "line"):
                from duaarah.cli import meters_ip

                return meters_ip.run(args, content, _actor())
            return {"maker": _maker, "import": _import, "shipments": _shipments}[args.verb](args, content)
    except OSError as error:
        return _say(f"{error.filename or 'The database'}: {error.strerror or 'it cannot be used'}.")
    except (LookupError, ValueError, DatabaseError) as error:
        return _say(str(error.args[0]))


def _say(sentence: str) -> int:
    print(f"duaarah: {sentence}", file=sys.stderr)
    return 1


def _actor() -> str:
    return f"command:{getpass.getuser()}"


def _profiles(args: argparse.Namespace) -> int:
    from duaarah import drivers
    from duaarah.project.profiles import use_profiles_of_environment

    try:
        use_profiles_of_environment()
        for name in drivers.profiles():
            kind = drivers.profile(name)
            framing = "wrapper" if kind.link.short_order is None else "short"
            reports = sorted({push.report for push in kind.pushes})
            print(json.dumps({"profile": name, "framing": framing, "reports": reports, "from": drivers.origin(name)}))
    except drivers.BadProfile as error:
        return _say(str(error))
    return 0


def _check(args: argparse.Namespace) -> int:
    from duaarah import drivers

    try:
        text = args.file.read_text(encoding="utf-8")
        kind = drivers.parse(text)
        results = drivers.try_samples(kind, text)
    except (OSError, UnicodeDecodeError):
        return _say(f"{args.file} cannot be read as UTF-8 text.")
    except drivers.BadProfile as error:
        return _say(f"{args.file}: {error}")
    for result in results:
        print(json.dumps(result))
    wrong = sum(not result["ok"] for result in results)
    print(json.dumps({"profile": kind.name, "samples": len(results), "wrong": wrong}))
    if not results:
        print("The profile has no [[sample]]: nothing proves yet that it reads a frame.", file=sys.stderr)
    return 1 if wrong else 0


def _maker(args: argparse.Namespace, _content: bytes) -> int:
    from duaarah.clock.queries import now
    from duaarah.headend.shipments.operations import set_maker
    from duaarah.wiring.keystores import key_store
    from duaarah.wiring.shipments import TransportKeyRefused, wrap_transport_key

    wrapped = None
    if not args.no_key:
        try:
            wrapped = wrap_transport_key(key_store(), args.code, secret_input.octets("Transport key"))
        except TransportKeyRefused as error:
            return _say(str(error))
    maker = set_maker(code=args.code, name=args.name, transport_key_wrapped=wrapped, actor=_actor(), now=now())
    print(json.dumps({"maker": maker.code, "name": maker.name, "transport_key": bool(maker.transport_key_wrapped)}))
    return 0


def _import(args: argparse.Namespace, content: bytes) -> int:
    from duaarah.clock.queries import now
    from duaarah.headend.models import Maker
    from duaarah.headend.shipments.operations import ShipmentRefused, read_shipment, take_shipment
    from duaarah.headend.shipments.table import BadTable
    from duaarah.wiring.keystores import key_store
    from duaarah.wiring.shipments import Unwrapped, taking

    maker = Maker.objects.filter(code=args.maker).first()
    if maker is None:
        raise LookupError(f"There is no maker {args.maker}; `meters maker {args.maker} --name ...` founds it.")
    try:
        judged = taking(key_store(), maker, clear=args.clear_keys)
        shipment = read_shipment(
            maker=maker,
            file_name=args.file.name,
            content=content,
            taking=judged,
            actor=_actor(),
            now=now(),
            progress=lambda rows: print(f"{rows} rows read", file=sys.stderr),
        )
        for line in shipment.lines.filter(fine=False).order_by("row")[:FAULTS_SHOWN]:
            for fault in line.faults:
                print(json.dumps({"row": line.row, "drn": line.drn, **fault}))
        if shipment.wrong > FAULTS_SHOWN:
            print(f"{shipment.wrong - FAULTS_SHOWN} more rows are wrong.", file=sys.stderr)
        taken = shipment.taken
        if not args.check_only:
            taken = take_shipment(shipment_id=shipment.pk, without_wrong=args.without_wrong, actor=_actor(), now=now())
    except (BadTable, ShipmentRefused, Unwrapped) as error:
        return _say(str(error))
    print(json.dumps({"shipment": shipment.pk, "rows": shipment.rows, "wrong": shipment.wrong, "taken": taken}))
    return 1 if shipment.wrong else 0


def _shipments(_args: argparse.Namespace, _content: bytes) -> int:
    from duaarah.headend.models import Shipment

    for one in Shipment.objects.select_related("maker").order_by("pk").iterator():
        record: dict[str, Any] = {"shipment": one.pk, "maker": one.maker.code, "file": one.file_name}
        record |= {"state": one.state, "rows": one.rows, "wrong": one.wrong, "taken": one.taken}
        print(json.dumps({**record, "read_at": one.read_at.isoformat(), "read_by": one.read_by}))
    return 0
