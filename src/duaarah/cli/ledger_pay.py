# SPDX-License-Identifier: Apache-2.0
"""`ledger pay-commission|invoice-paid|pay-share`: money that a party has paid, booked once by its reference."""

from __future__ import annotations

import argparse
import json
from typing import Any

from duaarah.cli.arguments import positive


def add_arguments(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    commission = verbs.add_parser(
        "pay-commission", help="a channel's settled commission: paid out, or into its deposit"
    )
    commission.add_argument("--channel", required=True, help="its code")
    commission.add_argument("--into-deposit", action="store_true", help="added to its deposit instead of paid out")
    invoice = verbs.add_parser("invoice-paid", help="who was invoiced for SMS packages has paid the data operator")
    invoice.add_argument("--data-operator", required=True, help="whose invoice: the organisation's code")
    invoice.add_argument("--payer", required=True, help="who paid: the organisation's code")
    share = verbs.add_parser("pay-share", help="the data operator has paid a party its share of the packages")
    share.add_argument("--data-operator", required=True, help="who paid: the organisation's code")
    share.add_argument("--party", required=True, help="to whom: the organisation's code")
    for parser in (commission, invoice, share):
        parser.add_argument("--amount", required=True, type=positive, help="rupiah")
        parser.add_argument("--reference", required=True, help="of the transfer; the same is booked once")


def run(args: argparse.Namespace) -> int:
    """0 when it stands, also when it was booked before; 1 when it was refused, with a sentence."""
    from duaarah.cli.ledger import actor, channel_of, say
    from duaarah.clock.queries import now
    from duaarah.vending.operations.accounts import AmountTooHigh
    from duaarah.vending.operations.commission import pay_commission
    from duaarah.vending.operations.packages import pay_share, receive_invoice_payment

    paid: dict[str, Any] = {"amount_idr": args.amount, "reference": args.reference, "actor": actor(), "now": now()}
    try:
        if args.verb == "pay-commission":
            booked = pay_commission(channel=channel_of(args.channel), into_deposit=args.into_deposit, **paid)
        else:
            operator = _organisation(args.data_operator)
            if args.verb == "invoice-paid":
                booked = receive_invoice_payment(data_operator=operator, payer=_organisation(args.payer), **paid)
            else:
                booked = pay_share(data_operator=operator, party=_organisation(args.party), **paid)
    except AmountTooHigh as error:
        return say(str(error))
    print(json.dumps({"reference": args.reference, "amount_idr": args.amount, "booked_now": booked}))
    return 0


def _organisation(code: str) -> Any:
    from duaarah.people.models import Organisation

    found = Organisation.objects.filter(code=code).first()
    if found is None:
        raise LookupError(f"There is no organisation {code}.")
    return found
