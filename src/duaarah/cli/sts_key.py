# SPDX-License-Identifier: Apache-2.0
"""
`sts key VERB`: the key file, the security module and the key ceremony. There is no verb that gives a key away.

Every verb that changes something first writes its intent to the audit chain, then acts, then writes the outcome: a
ceremony without a database does not begin, and a step that was killed stands in the chain as an intent without outcome.
`keys new|add|list` are the same code.
"""

from __future__ import annotations

import argparse
import datetime as dt
import getpass
import json
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from duaarah.cli.secret_input import NEW_PASSPHRASE, PASSPHRASE, octets, operator_variable, passphrase

if TYPE_CHECKING:
    from duaarah.core.sts import KeyRegister
    from duaarah.keystore.ceremony import Ceremony, Operator

CHANGES = ("new", "rekey", "operator", "component", "combine", "discard", "import", "activate", "expire")
_HELP = {
    "new": "make an empty key file",
    "rekey": "change the passphrase of the key file",
    "operator": "enrol an operator with a passphrase of his own",
    "component": "a custodian enters his component of a key, as hex digits on stdin or without echo",
    "combine": "all custodians together: the XOR of their components becomes a register",
    "discard": "forget the components of a key to be",
    "import": "a whole vending key, as hex digits on stdin, becomes a register",
    "activate": "one of two operators agrees that a register makes tokens; the second makes it so",
    "expire": "no more tokens from a time on",
    "list": "registers and keys to be: place, status, check value; never a key",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="|".join(_HELP))
    for name, text in _HELP.items():
        verb = verbs.add_parser(name, help=text, description=text)
        add_file(verb)
        if name == "operator":
            verb.add_argument("name", help="small letters, digits, dots, hyphens")
            verb.add_argument("--operator", help="an enrolled operator who vouches; needed from the third on")
        if name in ("component", "combine", "discard", "import", "activate", "expire"):
            verb.add_argument("register", help="its name here, e.g. pln-2014")
        if name == "component":
            verb.add_argument("--custodian", required=True, help="an enrolled operator")
            verb.add_argument(
                "--of", type=int, help="how many components; said by the first custodian, as the terms are"
            )
            add_terms(verb, required=False)
        if name == "import":
            add_terms(verb, required=True)
        if name in ("combine", "import"):
            verb.add_argument("--into", choices=["file", "module"], default="file", help="default: file")
        if name in ("discard", "activate"):
            verb.add_argument("--operator", required=True)
        if name == "expire":
            verb.add_argument("--operator", help="needed where operators are enrolled")
            verb.add_argument("--at", type=local_time, help="utility-local, e.g. 2026-12-31T00:00; default: now")
        if name == "activate":
            verb.add_argument("--from", dest="active_from", type=local_time, help="first instant (ACT), utility-local")
            verb.add_argument("--until", dest="issued_until", type=local_time, help="first instant no more (IUT)")


def add_file(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--file", type=Path, help="default: DUAARAH_KEYSTORE, else keys.duaarah in the data folder")


def add_terms(verb: argparse.ArgumentParser, *, required: bool) -> None:
    """What a vending key serves."""
    verb.add_argument("--dkga", choices=["02", "04"], required=required)
    verb.add_argument("--sgc", required=required, help="supply group code, 6 digits")
    verb.add_argument("--krn", type=int, required=required, help="key revision number, 1-9")
    verb.add_argument("--kt", type=int, default=2, help="key type (default 2)")
    verb.add_argument("--ken", type=int, default=255, help="key expiry number (default 255)")
    verb.add_argument("--base-date", type=int, choices=[1993, 2014, 2035], default=2014)


def local_time(text: str) -> dt.datetime:
    """Naive utility-local time for an argument. Raises argparse.ArgumentTypeError."""
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is not None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 2026-12-31T00:00, without an offset.")
    return at


def run(args: argparse.Namespace) -> int:
    """0 when done, 1 when refused."""
    from duaarah.core.sts import STSError, UnknownRegister
    from duaarah.keystore import KeyFileDamaged, ModuleError, TwoPlaces
    from duaarah.keystore.ceremony import CeremonyError
    from duaarah.project.database import DatabaseError
    from duaarah.project.places import data_dir
    from duaarah.project.start import database_ready

    path: Path = args.file or Path(os.environ.get("DUAARAH_KEYSTORE") or data_dir() / "keys.duaarah")
    try:
        if args.verb not in CHANGES:
            _VERBS[args.verb](args, path, {})
            return 0
        with database_ready(), _audited(args, path) as outcome:
            _VERBS[args.verb](args, path, outcome)
        return 0
    except FileNotFoundError:
        return _say(f"There is no key file at {path}. Make one with ./duaarah keys new.")
    except AuditUnwritten as error:
        return _say(f"{error} The database says: {error.__cause__}".strip())
    except (
        FileExistsError, ValueError, KeyFileDamaged, STSError, UnknownRegister, CeremonyError, ModuleError, TwoPlaces,
        DatabaseError,
    ) as error:  # fmt: skip
        return _say(str(error))


class AuditUnwritten(Exception):
    """The database does not take the line; the sentence says what that means for the step."""

    code = "audit_unwritten"


def _say(sentence: str) -> int:
    print(f"duaarah: {sentence}", file=sys.stderr)
    return 1


@contextmanager
def _audited(args: argparse.Namespace, path: Path) -> Iterator[dict[str, Any]]:
    """Intent, the deed, its outcome: three points in time, one correlation. The block fills the outcome's detail."""
    from django.db import Error, transaction

    from duaarah.audit import operations as audit
    from duaarah.clock.queries import now
    from duaarah.project.logs import redact

    user = getpass.getuser()
    named = getattr(args, "operator", None) or getattr(args, "custodian", None)
    line: dict[str, Any] = {
        "actor": f"operator:{named}" if named else f"command:{user}",
        "verb": f"keystore.{args.verb}",
        "subject": getattr(args, "register", None) or getattr(args, "name", None) or path.name,
        "correlation": uuid.uuid4(),
    }
    outcome: dict[str, Any] = {}

    def write(consequence: str, code: str = "", **fields: Any) -> None:
        try:
            with transaction.atomic(durable=True):
                if code:
                    audit.record_refusal(at=now(), **{**line, **fields}, code=code)
                else:
                    audit.record(at=now(), **{**line, **fields})
        except Error as error:
            raise AuditUnwritten(f"The audit chain cannot be written{consequence}.") from error

    intent = f"{line['verb']}.intent"
    write(", so nothing is changed", verb=intent, detail={"user": user, "file": path.name})
    try:
        yield outcome
    except Exception as error:
        found = str(getattr(error, "code", type(error).__name__))[:40]
        write("; the step was refused, and its intent stands there alone", code=found, reason=redact(str(error)))
        raise
    write("; the step is done, and its intent stands there alone", detail=outcome)


def _open(path: Path, *, module: bool = True) -> Ceremony:
    from duaarah.keystore import FileKeyStore, JoinedKeyStore
    from duaarah.keystore.ceremony import Ceremony
    from duaarah.wiring.keystores import joined

    file = FileKeyStore.open(path, passphrase("Passphrase of the key file", PASSPHRASE))
    store = joined(file) if module else file
    return Ceremony(file, store.module if isinstance(store, JoinedKeyStore) else None)


def _operator(name: str, *, twice: bool = False) -> Operator:
    from duaarah.keystore.ceremony import Operator

    return Operator(name, passphrase(f"Passphrase of {name}", operator_variable(name), twice=twice))


def _local(at: dt.datetime) -> dt.datetime:
    """Naive utility-local (WIB), to the minute, as tokens' times are."""
    return at.astimezone(ZoneInfo("Asia/Jakarta")).replace(tzinfo=None, second=0, microsecond=0)


def _business_now() -> dt.datetime:
    from duaarah.clock.queries import now

    return _local(now())


def _print(item: dict[str, Any]) -> None:
    print(json.dumps(item))


def _new(args: argparse.Namespace, path: Path, outcome: dict[str, Any]) -> None:
    from duaarah.keystore import FileKeyStore

    FileKeyStore.create(path, passphrase("Passphrase for the key file", PASSPHRASE, twice=True))
    print(f"An empty key file is at {path}. Keep its passphrase; nobody can replace it.", file=sys.stderr)


def _rekey(args: argparse.Namespace, path: Path, outcome: dict[str, Any]) -> None:
    from duaarah.keystore import FileKeyStore

    file = FileKeyStore.open(path, passphrase("Present passphrase", PASSPHRASE))
    file.rekey(passphrase("New passphrase", NEW_PASSPHRASE, twice=True))
    print("The key file opens with the new passphrase only. Older copies still open with the old one.", file=sys.stderr)


def _enrol(args: argparse.Namespace, path: Path, outcome: dict[str, Any]) -> None:
    ceremony = _open(path, module=False)
    witness = _operator(args.operator) if args.operator else None
    ceremony.enrol(_operator(args.name, twice=True), witness)
    outcome["operators"] = list(ceremony.operators())
    _print({"operator": args.name, "operators": outcome["operators"]})


def terms_of(args: argparse.Namespace) -> KeyRegister:
    """The register that the arguments describe. Raises ValueError."""
    from duaarah.core.sts import KeyRegister

    if not (
        len(args.sgc) == 6 and args.sgc.isascii() and args.sgc.isdigit() and 1 <= args.krn <= 9 and 0 <= args.kt <= 3
    ):
        raise ValueError("A supply group code has 6 digits, a key revision number is 1 to 9, a key type 0 to 3.")
    if not 0 <= args.ken <= 255:
        raise ValueError("A key expiry number is 0 to 255.")
    if not 1 <= len(args.register) <= 40:
        raise ValueError("A register's name has 1 to 40 characters.")
    names = ("dkga", "sgc", "krn", "kt", "ken", "base_date")
    return KeyRegister(register_id=args.register, **{name: getattr(args, name) for name in names})


def _component(args: argparse.Namespace, path: Path, outcome: dict[str, Any]) -> None:
    ceremony = _open(path)
    begun = ceremony.begun(args.register)
    given = (args.dkga, args.sgc, args.krn, args.of)
    if all(value is not None for value in given):
        terms, of = terms_of(args), args.of
    elif begun is not None and given == (None, None, None, None):
        terms, of = begun[0], begun[1]
    else:
        raise ValueError("The first custodian says --dkga, --sgc, --krn and --of; those after him say none of them.")
    custodian = _operator(args.custodian)
    value, missing = ceremony.component(terms, of, custodian, octets("Component"))
    outcome.update(terms.as_json(), check_value=value, of=of, missing=missing)
    _print({"register_id": args.register, "custodian": args.custodian, "check_value": value, "missing": missing})


def _combine(args: argparse.Namespace, path: Path, outcome: dict[str, Any]) -> None:
    ceremony = _open(path)
    begun = ceremony.begun(args.register)
    custodians = [_operator(name) for name in (begun[2] if begun else ())]
    register, value = ceremony.combine(args.register, custodians, into_module=args.into == "module")
    outcome.update(
        register.as_json(), place=args.into, check_value=value, custodians=[each.name for each in custodians]
    )
    _list_one(ceremony, args.register)


def _discard(args: argparse.Namespace, path: Path, outcome: dict[str, Any]) -> None:
    _open(path).discard(args.register, _operator(args.operator))
    _print({"register_id": args.register, "place": None})


def _import(args: argparse.Namespace, path: Path, outcome: dict[str, Any]) -> None:
    ceremony = _open(path)
    register = ceremony.put(terms_of(args), octets("Vending key"), into_module=args.into == "module")
    outcome.update(register.as_json(), place=args.into)
    _list_one(ceremony, args.register)


def _activate(args: argparse.Namespace, path: Path, outcome: dict[str, Any]) -> None:
    ceremony = _open(path)
    times = {"active_from": args.active_from, "issued_until": args.issued_until}
    register = ceremony.activate(args.register, _operator(args.operator), **times)
    waits = ceremony.waits(args.register)
    outcome.update(
        register.as_json(), agreed_by=waits, **{f"agreed_{n}": at and at.isoformat() for n, at in times.items()}
    )
    _list_one(ceremony, args.register)
    if waits:
        print("A second operator must agree to the same times before anything changes.", file=sys.stderr)


def _expire(args: argparse.Namespace, path: Path, outcome: dict[str, Any]) -> None:
    ceremony = _open(path)
    operator = _operator(args.operator) if args.operator else None
    outcome.update(ceremony.expire(args.register, operator, at=args.at or _business_now()).as_json())
    _list_one(ceremony, args.register)


def _with_status(item: dict[str, Any], at: dt.datetime) -> dict[str, Any]:
    from duaarah.core.sts import KeyRegister

    if item["place"] == "components":
        return {**item, "status": "components"}
    register = KeyRegister.from_json({name: item[name] for name in KeyRegister.__dataclass_fields__})
    return {**item, "status": register.status_at(at).value}


def _list_one(ceremony: Ceremony, register_id: str) -> None:
    for item in ceremony.overview():
        if item["register_id"] == register_id:
            _print(_with_status(item, _business_now()))


def _list(args: argparse.Namespace, path: Path, outcome: dict[str, Any]) -> None:
    """Without a database: the status is as of this machine's clock."""
    for item in _open(path).overview():
        _print(_with_status(item, _local(dt.datetime.now(dt.UTC))))


_VERBS: dict[str, Callable[[argparse.Namespace, Path, dict[str, Any]], None]] = {
    "new": _new,
    "rekey": _rekey,
    "operator": _enrol,
    "component": _component,
    "combine": _combine,
    "discard": _discard,
    "import": _import,
    "activate": _activate,
    "expire": _expire,
    "list": _list,
}
