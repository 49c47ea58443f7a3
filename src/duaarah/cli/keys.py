# SPDX-License-Identifier: Apache-2.0
"""`keys new`, `keys add`, `keys list`: the encrypted key file. Keys come by stdin only and are never printed."""

from __future__ import annotations

import argparse
import dataclasses
import getpass
import json
import os
import sys
from pathlib import Path

PASSPHRASE = "DUAARAH_KEYSTORE_PASSPHRASE"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="new|add|list")
    for name, text in (
        ("new", "make an empty key file"),
        ("add", "add a key register; its vending key is read as hex digits from stdin"),
        ("list", "show the registers, never the keys"),
    ):
        verb = verbs.add_parser(name, help=text, description=text)
        verb.add_argument("--file", type=Path, help="default: DUAARAH_KEYSTORE, else keys.duaarah in the data folder")
        if name == "add":
            verb.add_argument("register", help="its name here, e.g. pln-2014")
            verb.add_argument("--dkga", choices=["02", "04"], required=True)
            verb.add_argument("--sgc", required=True, help="supply group code, 6 digits")
            verb.add_argument("--krn", type=int, required=True, help="key revision number, 1-9")
            verb.add_argument("--kt", type=int, default=2, help="key type (default 2)")
            verb.add_argument("--ken", type=int, default=255, help="key expiry number (default 255)")
            verb.add_argument("--base-date", type=int, choices=[1993, 2014, 2035], default=2014)


def run(args: argparse.Namespace) -> int:
    from duaarah.core.sts import STSError
    from duaarah.keystore import FileKeyStore, KeyFileDamaged
    from duaarah.project.database import DatabaseError
    from duaarah.project.places import data_dir

    path: Path = args.file or Path(os.environ.get("DUAARAH_KEYSTORE") or data_dir() / "keys.duaarah")
    try:
        if args.verb == "new":
            FileKeyStore.create(path, _passphrase(twice=True))
            _audit("keystore.create", path.name, {})
            print(f"An empty key file is at {path}. Keep its passphrase; nobody can replace it.", file=sys.stderr)
            return 0
        store = FileKeyStore.open(path, _passphrase(twice=False))
        if args.verb == "add":
            _add(args, store)
        for register in store.registers():
            print(json.dumps(dataclasses.asdict(register)))
        return 0
    except FileNotFoundError:
        return _say(f"There is no key file at {path}. Make one with ./duaarah keys new.")
    except (FileExistsError, ValueError, KeyFileDamaged, STSError, DatabaseError) as error:
        return _say(str(error))


def _say(sentence: str) -> int:
    print(f"duaarah: {sentence}", file=sys.stderr)
    return 1


def _passphrase(*, twice: bool) -> str:
    given = os.environ.get(PASSPHRASE)
    if given:
        return given
    if not sys.stdin.isatty():
        raise ValueError(f"Set {PASSPHRASE}, or run this on a terminal to be asked.")
    first = getpass.getpass("Passphrase: ")
    if twice and getpass.getpass("Once more: ") != first:
        raise ValueError("The two passphrases differ.")
    return first


def _add(args: argparse.Namespace, store: object) -> None:
    from duaarah.core.sts import KeyRegister
    from duaarah.keystore import FileKeyStore

    assert isinstance(store, FileKeyStore)
    text = (getpass.getpass("Vending key (hex): ") if sys.stdin.isatty() else sys.stdin.read()).strip()
    try:
        key = bytes.fromhex(text)
    except ValueError:
        # Not the parser's own words: they quote what was typed.
        raise ValueError("The vending key is not a string of hex digits.") from None
    if not (len(args.sgc) == 6 and args.sgc.isdigit() and 1 <= args.krn <= 9 and 0 <= args.kt <= 3):
        raise ValueError("A supply group code has 6 digits, a key revision number is 1 to 9, a key type 0 to 3.")
    register = KeyRegister(
        register_id=args.register,
        dkga=args.dkga,
        sgc=args.sgc,
        krn=args.krn,
        kt=args.kt,
        ken=args.ken,
        base_date=args.base_date,
    )
    store.add(register, key)
    _audit("keystore.add", register.register_id, dataclasses.asdict(register))


def _audit(verb: str, subject: str, detail: dict[str, object]) -> None:
    """Who holds a key may make tokens: its arrival is in the chain, beside the key file's own lock."""
    from duaarah.project.start import database_ready

    with database_ready():
        from django.db import transaction

        from duaarah.audit import operations as audit
        from duaarah.clock.queries import now

        with transaction.atomic(durable=True):
            audit.record(at=now(), actor=f"command:{getpass.getuser()}", verb=verb, subject=subject, detail=detail)
