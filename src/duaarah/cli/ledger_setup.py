# SPDX-License-Identifier: Apache-2.0
"""`ledger gerai|arrears`: a shop that sells from a float, and what somebody pays off with each purchase."""

from __future__ import annotations

import argparse
import datetime as dt
import json
from typing import Any

from duaarah.cli.arguments import positive


def add_arguments(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    gerai = verbs.add_parser("gerai", help="set up a gerai's channel, its terms, limits and float; what it has")
    gerai.add_argument("code", help="the channel's code")
    gerai.add_argument("--unit", metavar="ORG/UNIT", help="whose shop a new one is")
    gerai.add_argument("--name", help="of a new one")
    gerai.add_argument("--admin", type=int, help="rupiah on top of each purchase, from --from on")
    gerai.add_argument("--commission", type=int, default=0, help="rupiah of it that the gerai keeps")
    gerai.add_argument("--purchase-limit", type=positive, help="rupiah at once, from --from on")
    gerai.add_argument("--day-limit", type=positive, help="rupiah in a day, from --from on")
    gerai.add_argument("--from", dest="from_date", type=_date, help="YYYY-MM-DD; without it today")
    gerai.add_argument("--credit", type=int, help="rupiah that the float may go below zero")
    gerai.add_argument("--fill", type=positive, help="rupiah paid into the float")
    gerai.add_argument("--reference", help="of what was paid in; the same is booked once")
    arrears = verbs.add_parser("arrears", help="arrears of a meter or customer, paid off with each purchase")
    owner = arrears.add_mutually_exclusive_group(required=True)
    owner.add_argument("--meter", help="meter number")
    owner.add_argument("--idpel")
    arrears.add_argument("--reference", required=True, help="of the decision; the same is entered once")
    arrears.add_argument("--title", required=True, help="what the customer reads, as P2TL")
    arrears.add_argument("--total", required=True, type=positive, help="rupiah")
    rule = arrears.add_mutually_exclusive_group(required=True)
    rule.add_argument("--fixed", type=positive, help="rupiah each time")
    rule.add_argument("--share", type=positive, help="1/10,000 of each nominal")
    arrears.add_argument("--rank", type=positive, default=1, help="the smallest is collected first")
    arrears.add_argument("--from", dest="from_date", type=_date, help="YYYY-MM-DD; without it today")


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write YYYY-MM-DD.") from None


def run(args: argparse.Namespace) -> int:
    """0 when it stands, 1 when it was refused, with a sentence."""
    from duaarah.cli.ledger import say

    try:
        return _gerai(args) if args.verb == "gerai" else _arrears(args)
    except ValueError as error:
        return say(str(error))


def _gerai(args: argparse.Namespace) -> int:
    from django.db import IntegrityError

    from duaarah.cli.ledger import actor, say
    from duaarah.clock.queries import now
    from duaarah.vending.operations import fill_deposit, set_channel_limits, set_channel_terms, set_credit
    from duaarah.vending.operations.deposit import CreditInUse
    from duaarah.vending.operations.policy import WIB

    at = now()
    channel = _channel(args, at)
    said: dict[str, Any] = {"channel": channel, "actor": actor(), "now": at}
    from_date = args.from_date or at.astimezone(WIB).date()
    try:
        if args.admin is not None:
            set_channel_terms(from_date=from_date, admin_idr=args.admin, commission_idr=args.commission, **said)
        if args.purchase_limit or args.day_limit:
            set_channel_limits(from_date=from_date, purchase_idr=args.purchase_limit, day_idr=args.day_limit, **said)
        if args.credit is not None:
            set_credit(credit_idr=args.credit, **said)
    except IntegrityError:
        return say(f"There are terms or limits from {from_date} on already; days that are set are not rewritten.")
    except CreditInUse as error:
        return say(str(error))
    if args.fill is not None:
        if not args.reference:
            return say("What is paid in has a --reference, so that it is booked once.")
        fill_deposit(amount_idr=args.fill, reference=args.reference, **said)
    print(json.dumps(_said(channel, at)))
    return 0


def _channel(args: argparse.Namespace, at: dt.datetime) -> Any:
    from duaarah.cli.ledger import actor, channel_of
    from duaarah.people.models import Unit
    from duaarah.vending.models import Channel
    from duaarah.vending.operations.deposit import open_gerai

    if Channel.objects.filter(code=args.code).exists():
        return channel_of(args.code)
    if not args.unit:
        raise LookupError(f"There is no channel {args.code}; with --unit ORG/UNIT it is made.")
    organisation, _, unit = args.unit.partition("/")
    found = Unit.objects.filter(organisation__code=organisation, code=unit).select_related("organisation").first()
    if found is None:
        raise LookupError(f"There is no unit {args.unit}.")
    return open_gerai(code=args.code, name=args.name or found.name, unit=found, actor=actor(), now=at)


def _said(channel: Any, at: dt.datetime) -> dict[str, Any]:
    from duaarah.vending.models import Deposit
    from duaarah.vending.operations.policy import WIB

    today = at.astimezone(WIB).date()
    deposit = Deposit.objects.filter(pk=channel.pk).first()
    terms = channel.terms.filter(from_date__lte=today).order_by("-from_date").first()
    limits = channel.limits.filter(from_date__lte=today).order_by("-from_date").first()
    return {
        "channel": channel.code,
        "name": channel.name,
        "unit": channel.unit.code if channel.unit else None,
        "float_idr": deposit.balance_sen // 100 if deposit else 0,
        "credit_idr": deposit.credit_sen // 100 if deposit else 0,
        "admin_idr": terms.admin_idr if terms else 0,
        "commission_idr": terms.commission_idr if terms else 0,
        "purchase_limit_idr": limits.purchase_idr if limits else None,
        "day_limit_idr": limits.day_idr if limits else None,
    }


def _arrears(args: argparse.Namespace) -> int:
    from duaarah.cli.ledger import actor
    from duaarah.clock.queries import now
    from duaarah.people.models import Customer
    from duaarah.registry.models import Meter
    from duaarah.vending.operations import open_arrears
    from duaarah.vending.operations.arrears import Terms
    from duaarah.vending.operations.policy import WIB

    at = now()
    owner: Meter | Customer | None
    if args.meter:
        owner = Meter.objects.filter(drn=args.meter).first()
    else:
        owner = Customer.objects.filter(idpel=args.idpel).first()
    if owner is None:
        raise LookupError("There is no such meter or customer.")
    row = open_arrears(
        owner=owner,
        reference=args.reference,
        title=args.title,
        terms=Terms(total_idr=args.total, amount_idr=args.fixed, parts=args.share, rank=args.rank),
        from_date=args.from_date or at.astimezone(WIB).date(),
        actor=actor(),
        now=at,
    )
    names = ("reference", "total_idr", "paid_idr", "reserved_idr", "open")
    print(json.dumps({name: getattr(row, name) for name in names}))
    return 0
