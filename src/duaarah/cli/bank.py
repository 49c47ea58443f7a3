# SPDX-License-Identifier: Apache-2.0
"""`bank partner|bills|unsold|pending`: who may connect to the PPOB host, and what it may collect. docs/operating/ppob.md."""

from __future__ import annotations

import argparse
import datetime as dt
import getpass
import json
import sys
from collections.abc import Callable
from typing import Any

from duaarah.cli.arguments import positive

PRODUCTS = ("501", "502", "504")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="partner|bills|unsold|pending")
    partner = verbs.add_parser("partner", help="banks and switches that connect")
    _partner_arguments(partner.add_subparsers(dest="deed", required=True, metavar="new|list|block|unblock|terms|fill"))
    verbs.add_parser("bills", help="enter bills: JSON lines on stdin, one answer a line")
    unsold = verbs.add_parser(
        "unsold", help="a token that its channel did not hand out: its money back, to be sold again"
    )
    unsold.add_argument("code", help="the partner's code")
    unsold.add_argument("pln_ref", help="of the purchase")
    unsold.add_argument("--reason", required=True)
    pending = verbs.add_parser("pending", help="purchases whose money is held")
    pending.add_argument(
        "--ask-again", type=int, metavar="VEND", help="the sweeper asks for this one at its next round"
    )


def _partner_arguments(deeds: Any) -> None:
    new = deeds.add_parser("new", help="a partner, its channel and an empty deposit")
    new.add_argument("code", help="7 letters and digits: field 33 and the switcher id of field 48")
    new.add_argument("--name", required=True)
    new.add_argument("--bank", action="append", default=[], help="a code of field 32; without one all are taken")
    new.add_argument("--switcher", action="append", default=[], help="a further switcher id of field 48")
    new.add_argument("--product", action="append", choices=PRODUCTS, help="default: all of them")
    new.add_argument(
        "--network", action="append", default=[], help="where it connects from, as CIDR; default: anywhere"
    )
    new.add_argument("--access", type=_access, metavar="HH:MM-HH:MM", help="WIB; default: the whole day")
    deeds.add_parser("list", help="state, deposit and last contact of each")
    for name, text in (("block", "0006 to whatever it asks"), ("unblock", "let it in again")):
        deed = deeds.add_parser(name, help=text)
        deed.add_argument("code")
        deed.add_argument("--reason", required=True)
    terms = deeds.add_parser("terms", help="what it charges the customer on top, from a day on")
    terms.add_argument("code")
    terms.add_argument("--admin", type=int, required=True, help="rupiah a purchase or bill")
    terms.add_argument("--commission", type=int, default=0, help="rupiah of it that the partner keeps")
    terms.add_argument("--from", dest="from_date", type=_date, help="YYYY-MM-DD; default: today (WIB)")
    fill = deeds.add_parser("fill", help="pay into its deposit")
    fill.add_argument("code")
    fill.add_argument("amount", type=positive, help="rupiah")
    fill.add_argument("--reference", required=True, help="of the transfer; the same is booked once")


def _access(text: str) -> tuple[dt.time, dt.time]:
    try:
        begin, end = (dt.time.fromisoformat(part) for part in text.split("-"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no span; write 06:00-22:00.") from None
    return begin, end


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write YYYY-MM-DD.") from None


def run(args: argparse.Namespace) -> int:
    """0 when it was done, 1 when it was refused, with a sentence."""
    from duaarah.project.database import DatabaseError
    from duaarah.project.start import database_ready

    try:
        with database_ready():
            return _run(args)
    except DatabaseError as error:
        return _say(str(error))


def _run(args: argparse.Namespace) -> int:
    from django.db import IntegrityError

    from duaarah.vending.operations.ppob import NotUnsold, PartnerRefused

    if args.verb == "bills":
        return _bills()
    verbs: dict[str, Callable[[argparse.Namespace], int]] = {
        "new": _new,
        "list": _list,
        "block": _block,
        "unblock": _block,
        "terms": _terms,
        "fill": _fill,
        "unsold": _unsold,
        "pending": _pending,
    }
    try:
        return verbs[args.deed if args.verb == "partner" else args.verb](args)
    except IntegrityError:
        return _say("There are terms from this day on already; days that are set are not rewritten.")
    except (PartnerRefused, NotUnsold, LookupError, ValueError) as error:
        return _say(str(error.args[0]))


def _say(sentence: str) -> int:
    print(f"duaarah: {sentence}", file=sys.stderr)
    return 1


def _actor() -> str:
    return f"command:{getpass.getuser()}"


def _now() -> dt.datetime:
    from duaarah.clock.queries import now

    return now()


def _partner(code: str) -> Any:
    from duaarah.vending.ppob_queries import partners

    found = partners().filter(code=code).first()
    if found is None:
        raise LookupError(f"There is no partner {code}.")
    return found


def _new(args: argparse.Namespace) -> int:
    from duaarah.vending.operations.ppob import new_partner

    new_partner(
        code=args.code,
        name=args.name,
        banks=args.bank,
        switchers=args.switcher,
        products=args.product or list(PRODUCTS),
        networks=args.network,
        access=args.access,
        actor=_actor(),
        now=_now(),
    )
    return _print(_partner(args.code))


def _list(_: argparse.Namespace) -> int:
    from duaarah.vending.ppob_queries import partners

    for row in partners():
        _print(row)
    return 0


def _block(args: argparse.Namespace) -> int:
    from duaarah.vending.operations.ppob import set_partner_state

    _partner(args.code)
    set_partner_state(code=args.code, blocked=args.deed == "block", reason=args.reason, actor=_actor(), now=_now())
    return _print(_partner(args.code))


def _terms(args: argparse.Namespace) -> int:
    from duaarah.vending.operations import set_channel_terms
    from duaarah.vending.operations.policy import WIB

    at = _now()
    row = set_channel_terms(
        channel=_partner(args.code).channel,
        from_date=args.from_date or at.astimezone(WIB).date(),
        admin_idr=args.admin,
        commission_idr=args.commission,
        actor=_actor(),
        now=at,
    )
    record = {"from": row.from_date.isoformat(), "admin_idr": row.admin_idr, "commission_idr": row.commission_idr}
    print(json.dumps({"partner": args.code, **record}))
    return 0


def _fill(args: argparse.Namespace) -> int:
    from duaarah.vending.operations import fill_deposit

    channel = _partner(args.code).channel
    fill_deposit(channel=channel, amount_idr=args.amount, reference=args.reference, actor=_actor(), now=_now())
    return _print(_partner(args.code))


def _unsold(args: argparse.Namespace) -> int:
    from duaarah.vending.operations.ppob import keep_unsold

    kept = keep_unsold(
        channel=_partner(args.code).channel,
        reference=f"ppob:{args.pln_ref}",
        reason=args.reason,
        actor=_actor(),
        now=_now(),
    )
    print(json.dumps({"unsold": kept.pk, "nominal_idr": kept.nominal_idr, "vend": kept.vend_id}))
    return 0


def _pending(args: argparse.Namespace) -> int:
    from duaarah.vending.operations.ppob import ask_again
    from duaarah.vending.ppob_queries import pending

    if args.ask_again is not None and not ask_again(vend_id=args.ask_again, actor=_actor(), now=_now()):
        raise LookupError(f"The vend {args.ask_again} is not held.")
    for row in pending():
        said = {
            name: getattr(row, name) for name in ("vend_id", "channel", "pln_ref", "amount_idr", "attempts", "advices")
        }
        print(json.dumps({**said, "meter": row.drn, "paid_at": row.paid_at.isoformat()}))
    return 0


def _print(row: Any) -> int:
    record = {
        "partner": row.code,
        "name": row.channel.name,
        "channel": row.channel.code,
        "state": row.state,
        "products": row.products,
        "banks": row.banks,
        "deposit_idr": row.channel.deposit.balance_sen // 100,
        "contact_at": row.contact_at.isoformat() if row.contact_at else None,
    }
    print(json.dumps(record))
    return 0


def _bills() -> int:
    """Each line `{"registration_no": ...}` or `{"idpel": ..., "period": ...}`; a bad one gets its error and the run goes on."""
    from duaarah.vending.operations.ppob import BillRefused, new_postpaid_bill, new_registration

    failed = False
    for line in filter(str.strip, sys.stdin):
        try:
            said = json.loads(line)
            number = said.pop("registration_no", None)
            for name in [key for key in said if key.endswith("_date")]:
                said[name] = dt.date.fromisoformat(said[name])
            if number is not None:
                row: Any = new_registration(number=number, actor=_actor(), now=_now(), **said)
                answer = {"registration_no": row.number, "total_idr": sum(row.details_idr)}
            else:
                row = new_postpaid_bill(actor=_actor(), now=_now(), **said)
                answer = {"idpel": row.idpel, "period": row.period, "total_idr": row.total_idr}
        except BillRefused as error:
            answer, failed = {"error": error.code, "message": str(error)}, True
        except (ValueError, TypeError, AttributeError) as error:
            answer, failed = {"error": "bad_request", "message": str(error)}, True
        print(json.dumps(answer), flush=True)
    return int(failed)
