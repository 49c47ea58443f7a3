# SPDX-License-Identifier: Apache-2.0
"""`vendors new|list|revoke|fill|terms`: third parties that sell through the API from a deposit. docs/guides/vending-api.md."""

from __future__ import annotations

import argparse
import datetime as dt
import getpass
import json
import sys
from typing import Any

SCOPES = ("vend", "free_issue", "statement")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="new|list|revoke|fill|terms")
    new = verbs.add_parser("new", help="make a key; it is printed this once")
    new.add_argument("name", help="what the key is for, e.g. 'till 3'")
    new.add_argument("--channel", required=True, help="the code of the channel that it sells for")
    new.add_argument("--channel-name", help="found the channel under this name when there is none")
    new.add_argument("--scope", action="append", required=True, choices=SCOPES)
    new.add_argument("--login", help="who answers for tokens without money; needed for the scope free_issue")
    verbs.add_parser("list", help="show channels with their deposits, and keys, never a key's text")
    revoke = verbs.add_parser("revoke", help="a key opens nothing from now on")
    revoke.add_argument("id", type=int)
    fill = verbs.add_parser("fill", help="a payment into the deposit has come, once for each reference")
    fill.add_argument("channel")
    fill.add_argument("--amount", type=int, required=True, help="whole rupiah")
    fill.add_argument("--reference", required=True, help="the payment's, at most 40 characters")
    terms = verbs.add_parser("terms", help="what the channel charges from a day on, and its own part of that")
    terms.add_argument("channel")
    terms.add_argument("--from", dest="from_date", type=dt.date.fromisoformat, required=True, help="a day, WIB")
    terms.add_argument("--admin", type=int, required=True, help="whole rupiah, on top of the nominal")
    terms.add_argument("--commission", type=int, default=0, help="the channel's, of the fee")


def run(args: argparse.Namespace) -> int:
    """0 when it was done, 1 when it was refused, with a sentence."""
    from duaarah.project.database import DatabaseError
    from duaarah.project.start import database_ready

    try:
        with database_ready():
            from django.db import IntegrityError

            from duaarah.vending.operations.vendors.keys import VendorKeyRefused

            verbs = {"new": _new, "list": _list, "revoke": _revoke, "fill": _fill, "terms": _terms}
            try:
                verbs[args.verb](args)
            except IntegrityError:
                return _say("There are terms for this day already; they are not rewritten.")
            except (VendorKeyRefused, ValueError) as error:
                return _say(str(error))
    except (LookupError, DatabaseError) as error:
        return _say(str(error.args[0]))
    return 0


def _say(sentence: str) -> int:
    print(f"duaarah: {sentence}", file=sys.stderr)
    return 1


def _actor() -> str:
    return f"command:{getpass.getuser()}"


def _channel(code: str) -> Any:
    """The channel of a code. Raises LookupError."""
    from duaarah.vending.models import Channel

    found = Channel.objects.filter(code=code).first()
    if found is None:
        raise LookupError(f"There is no channel {code}; `new` with --channel-name founds it.")
    return found


def _new(args: argparse.Namespace) -> None:
    from duaarah.clock.queries import now
    from duaarah.people.models import Login
    from duaarah.vending.operations.vendors.keys import make_vendor_key, open_vendor

    login = Login.objects.filter(username=args.login, is_active=True).first() if args.login else None
    if args.login and login is None:
        raise LookupError(f"Nobody signs in as {args.login}.")
    if args.channel_name:
        open_vendor(code=args.channel, name=args.channel_name, actor=_actor(), now=now())
    key, plain = make_vendor_key(
        channel=_channel(args.channel), name=args.name, scopes=args.scope, login=login, actor=_actor(), now=now()
    )
    print(json.dumps({**_key(key), "key": plain}))
    print("Keep the key; it is not shown again. It sells what the channel's deposit holds.", file=sys.stderr)


def _list(args: argparse.Namespace) -> None:
    from duaarah.vending.vendor_queries import vendors

    for channel in vendors():
        print(json.dumps(_channel_record(channel)))
        for key in channel.vendor_keys.all():
            print(json.dumps(_key(key)))


def _revoke(args: argparse.Namespace) -> None:
    from duaarah.clock.queries import now
    from duaarah.vending.operations.vendors import revoke_vendor_key

    if not revoke_vendor_key(key_id=args.id, actor=_actor(), now=now()):
        raise LookupError(f"There is no living key {args.id}.")


def _fill(args: argparse.Namespace) -> None:
    from duaarah.clock.queries import now
    from duaarah.vending.operations import fill_deposit

    channel = _channel(args.channel)
    if not 0 < len(args.reference) <= 40:
        raise ValueError("A reference has 1 to 40 characters.")
    fill_deposit(channel=channel, amount_idr=args.amount, reference=args.reference, actor=_actor(), now=now())
    print(json.dumps(_channel_record(channel)))


def _terms(args: argparse.Namespace) -> None:
    from duaarah.clock.queries import now
    from duaarah.vending.operations import set_channel_terms

    row = set_channel_terms(
        channel=_channel(args.channel),
        from_date=args.from_date,
        admin_idr=args.admin,
        commission_idr=args.commission,
        actor=_actor(),
        now=now(),
    )
    print(
        json.dumps(
            {
                "channel": args.channel,
                "from": row.from_date.isoformat(),
                "admin_idr": row.admin_idr,
                "commission_idr": row.commission_idr,
            }
        )
    )


def _channel_record(channel: Any) -> dict[str, Any]:
    from duaarah.vending.vendor_queries import deposit_sen

    return {
        "channel": channel.code,
        "name": channel.name,
        "active": channel.active,
        "deposit_sen": deposit_sen(channel.pk),
    }


def _key(key: Any) -> dict[str, Any]:
    return {
        "id": key.pk,
        "name": key.name,
        "channel": key.channel.code,
        "scopes": key.scopes,
        "login": key.login.username if key.login else None,
        "created_at": key.created_at.isoformat(),
        "used_at": key.used_at.isoformat() if key.used_at else None,
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
    }
