# SPDX-License-Identifier: Apache-2.0
"""Where one token's key comes from: a register of the key file, or one JSON object on stdin. Never from argv."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from duaarah.cli.secret_input import PASSPHRASE, passphrase
from duaarah.core.sts import BadRequest, DecoderKey, KeyConfiguration, KeyRegister, check_pan, pan_of
from duaarah.core.sts.batch import KeyOf, configuration_of, key_in_record
from duaarah.core.sts.errors import STSError

if TYPE_CHECKING:
    from duaarah.wiring.keystores import PlatformKeyStore


class Source(NamedTuple):
    """The record that names the configuration, how its key is found, and the register; None with keys of stdin."""

    record: dict[str, Any]
    key_of: KeyOf
    register: KeyRegister | None = None


class KeySource(STSError):
    """The key file cannot be read, or has no such register; `code` says which."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class WrongUsage(Exception):
    """The command cannot be meant like this: exit 2 with the sentence."""


def add_key_arguments(parser: argparse.ArgumentParser) -> None:
    """--register with its key file, --stdin, and what a configuration needs beyond a register."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--register", metavar="NAME", help="a key register of the key file")
    where.add_argument(
        "--stdin",
        action="store_true",
        help="read vending_key, dkga, ea, pan, sgc, ti, krn, kt, ken, base_date as one JSON object from stdin",
    )
    parser.add_argument("--file", type=Path, help="default: DUAARAH_KEYSTORE, else keys.duaarah in the data folder")
    parser.add_argument("--pan", help="the MeterPAN, 18 digits")
    parser.add_argument("--drn", help="the meter number, 11 or 13 digits, in place of --pan")
    parser.add_argument("--ea", choices=["07", "11"], help="encryption algorithm (default 11)")
    parser.add_argument("--ti", help="tariff index, 2 digits (default 01)")
    parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")


def source(args: argparse.Namespace) -> Source:
    """
    See Source.

    Raises:
        WrongUsage: neither source given.
        BadRequest: what stdin holds is not a JSON object.
        KeySource: the key file or the register is not there.
    """
    named = {"pan": args.pan or (pan_of(args.drn) if args.drn else None), "ea": args.ea, "ti": args.ti}
    given = {name: value for name, value in named.items() if value is not None}
    if args.stdin:
        try:
            record = json.loads(sys.stdin.buffer.read().decode("utf-8"))
        except (ValueError, RecursionError):
            raise BadRequest("stdin holds no JSON object in UTF-8.") from None
        if not isinstance(record, dict):
            raise BadRequest("stdin holds no JSON object.")
        return Source({**record, **given}, key_in_record)
    if args.register:
        return _of_register(args, {"ea": "11", "ti": "01", **given})
    raise WrongUsage("Name a key register by --register, or give the key by --stdin.")


def _of_register(args: argparse.Namespace, given: dict[str, Any]) -> Source:
    from duaarah.core.sts import UnknownRegister
    from duaarah.keystore import ModuleError

    store = open_key_store(args.file)
    register: KeyRegister | None = next((r for r in store.registers() if r.register_id == args.register), None)
    if register is None:
        raise KeySource("unknown_register", f"There is no key register {args.register}.")
    names = ("dkga", "sgc", "krn", "kt", "ken", "base_date")
    record = {**{name: getattr(register, name) for name in names}, **given}

    def key_of(record: Mapping[str, Any]) -> tuple[KeyConfiguration, DecoderKey]:
        pan = record.get("pan")
        if not isinstance(pan, str):
            raise BadRequest("Name the meter by --pan or --drn.")
        configuration = configuration_of(record)
        try:
            return configuration, store.decoder_key(args.register, configuration, check_pan(pan))
        except (UnknownRegister, ModuleError) as error:
            raise KeySource(error.code, str(error)) from None

    return Source(record, key_of, register)


def open_key_store(file: Path | None) -> PlatformKeyStore:
    """
    The key file, opened with the passphrase of the environment or of the terminal, with the module that is configured.

    Raises:
        KeySource: no file, no passphrase, a wrong one, a changed bit, or the module does not open.
    """
    from duaarah.keystore import FileKeyStore, KeyFileDamaged, ModuleError, TwoPlaces
    from duaarah.project.places import data_dir
    from duaarah.wiring.keystores import joined

    path: Path = file or Path(os.environ.get("DUAARAH_KEYSTORE") or data_dir() / "keys.duaarah")
    try:
        word = passphrase("Passphrase of the key file", PASSPHRASE)
    except ValueError as error:
        raise KeySource("no_passphrase", str(error)) from None
    try:
        return joined(FileKeyStore.open(path, word))
    except FileNotFoundError:
        raise KeySource("no_key_file", f"There is no key file at {path}.") from None
    except (KeyFileDamaged, ModuleError, TwoPlaces) as error:
        raise KeySource(error.code, str(error)) from None


def grouped(token: str) -> str:
    """20 digits in fives of four, as people type them."""
    return " ".join(token[i : i + 4] for i in range(0, 20, 4))


def plain(digits: str) -> str:
    """A token as typed, without its spaces and hyphens."""
    return digits.replace(" ", "").replace("-", "")
