# SPDX-License-Identifier: Apache-2.0
"""`operators new|list|revoke|limit`: who may ask the STS interface for tokens, and for how many. docs/guides/sts-api.md."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from decimal import Decimal, InvalidOperation
from typing import Any

SCOPES = ("sts:issue", "sts:engineering", "sts:decode")
PERIODS = ("day", "month", "total")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="new|list|revoke|limit")
    new = verbs.add_parser("new", help="make a key; it is printed this once")
    new.add_argument("name", help="what the key is for, e.g. 'till 3'")
    new.add_argument("--organisation", required=True, help="its code, e.g. PLN")
    new.add_argument("--organisation-name", help="found the organisation under this name when there is none")
    new.add_argument("--unit", help="the code of one of its units")
    new.add_argument("--scope", action="append", required=True, choices=SCOPES)
    new.add_argument("--register", action="append", required=True, help="a key register it may use; repeat for more")
    verbs.add_parser("list", help="show keys and limits, never a key's text")
    revoke = verbs.add_parser("revoke", help="a key opens nothing from now on")
    revoke.add_argument("id", type=int)
    limit = verbs.add_parser("limit", help="set or change a limit; it applies where all that it names fits")
    limit.add_argument("--register", default="")
    limit.add_argument("--organisation")
    limit.add_argument("--unit", help="needs --organisation")
    limit.add_argument("--key", type=int)
    limit.add_argument("--per", choices=PERIODS, required=True)
    limit.add_argument("--tokens", type=int)
    limit.add_argument("--energy-wh", type=int)
    limit.add_argument("--value", type=_decimal, help="of currency tokens, in the base currency unit")
    limit.add_argument("--off", action="store_true", help="keep it, and do not apply it")


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number.as_tuple().exponent not in range(-5, 1):
        raise argparse.ArgumentTypeError(f"{text!r} is no amount with at most 5 decimals.")
    return number


def run(args: argparse.Namespace) -> int:
    """0 when it was done, 1 when it was refused, with a sentence."""
    from duaarah.project.database import DatabaseError
    from duaarah.project.start import database_ready

    try:
        with database_ready():
            from duaarah.people.operator_keys import OperatorKeyRefused
            from duaarah.vending.operations.sts_limits import LimitRefused

            verbs = {"new": _new, "list": _list, "revoke": _revoke, "limit": _limit}
            try:
                verbs[args.verb](args)
            except (OperatorKeyRefused, LimitRefused) as error:
                return _say(str(error))
    except (LookupError, DatabaseError) as error:
        return _say(str(error.args[0]))
    return 0


def _say(sentence: str) -> int:
    print(f"duaarah: {sentence}", file=sys.stderr)
    return 1


def _actor() -> str:
    return f"command:{getpass.getuser()}"


def _of(args: argparse.Namespace) -> tuple[Any, Any]:
    """The organisation and unit that the arguments name. Raises LookupError."""
    from duaarah.people.models import Organisation, Unit

    if args.organisation is None:
        if args.unit is not None:
            raise LookupError("--unit needs --organisation.")
        return None, None
    organisation = Organisation.objects.filter(code=args.organisation).first()
    if organisation is None:
        raise LookupError(f"There is no organisation {args.organisation}; `new` with --organisation-name founds it.")
    unit = Unit.objects.filter(organisation=organisation, code=args.unit).first() if args.unit else None
    if args.unit and unit is None:
        raise LookupError(f"{args.organisation} has no unit {args.unit}.")
    return organisation, unit


def _new(args: argparse.Namespace) -> None:
    from duaarah.clock.queries import now
    from duaarah.people.operator_keys import found_organisation, make_operator_key

    if args.organisation_name:
        found_organisation(code=args.organisation, name=args.organisation_name, actor=_actor(), now=now())
    organisation, unit = _of(args)
    key, plain = make_operator_key(
        organisation=organisation,
        unit=unit,
        name=args.name,
        scopes=args.scope,
        registers=args.register,
        actor=_actor(),
        now=now(),
    )
    print(json.dumps({**_key(key), "key": plain}))
    print("Keep the key; it is not shown again. It issues nothing until a limit is set.", file=sys.stderr)


def _list(args: argparse.Namespace) -> None:
    from duaarah.people.models import OperatorKey
    from duaarah.vending.sts_models import STSLimit

    for key in OperatorKey.objects.select_related("organisation", "unit").order_by("pk"):
        print(json.dumps(_key(key)))
    for limit in STSLimit.objects.select_related("organisation", "unit").order_by("pk"):
        print(json.dumps(_limit_record(limit)))


def _revoke(args: argparse.Namespace) -> None:
    from duaarah.clock.queries import now
    from duaarah.people.operator_keys import revoke_operator_key

    if not revoke_operator_key(key_id=args.id, actor=_actor(), now=now()):
        raise LookupError(f"There is no living key {args.id}.")


def _limit(args: argparse.Namespace) -> None:
    from duaarah.clock.queries import now
    from duaarah.people.models import OperatorKey
    from duaarah.vending.operations.sts_limits import set_limit

    organisation, unit = _of(args)
    key = OperatorKey.objects.filter(pk=args.key).first() if args.key is not None else None
    if args.key is not None and key is None:
        raise LookupError(f"There is no key {args.key}.")
    made = set_limit(
        register=args.register,
        organisation=organisation,
        unit=unit,
        key=key,
        period=args.per.upper(),
        tokens_max=args.tokens,
        energy_wh_max=args.energy_wh,
        value_max=args.value,
        active=not args.off,
        actor=_actor(),
        now=now(),
    )
    print(json.dumps(_limit_record(made)))


def _key(key: Any) -> dict[str, Any]:
    return {
        "id": key.pk,
        "name": key.name,
        "organisation": key.organisation.code,
        "unit": key.unit.code if key.unit else None,
        "scopes": key.scopes,
        "registers": key.registers,
        "created_at": key.created_at.isoformat(),
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
    }


def _limit_record(limit: Any) -> dict[str, Any]:
    from duaarah.vending.operations.sts_limits import named

    return {
        "limit": limit.pk,
        **named(limit),
        "tokens_max": limit.tokens_max,
        "energy_wh_max": limit.energy_wh_max,
        "value_max": None if limit.value_max is None else str(limit.value_max),
        "active": limit.active,
    }
