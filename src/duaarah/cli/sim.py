# SPDX-License-Identifier: Apache-2.0
"""`sim smsc`, `sim town`, `sim bank`: one simulator alone."""

from __future__ import annotations

import argparse
import asyncio


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from duaarah.sim.bank import server as bank
    from duaarah.sim.town import server as town

    kinds = parser.add_subparsers(dest="what", required=True, metavar="smsc|town|bank")
    smsc = kinds.add_parser("smsc", help="the built-in SMSC")
    smsc.add_argument("--port", type=int, default=0, help="SMPP port (0: any free one)")
    smsc.add_argument("--control-port", type=int, default=0)
    smsc.add_argument(
        "--account", action="append", default=[], metavar="USER:PASSWORD", help="an ESME account; repeatable"
    )
    town.add_arguments(kinds.add_parser("town", help="meters, phones and an ATM, on any SMSC"))
    bank.add_arguments(kinds.add_parser("bank", help="the ATM alone"))


def run(args: argparse.Namespace) -> int:
    if args.what == "town":
        from duaarah.sim.town import server as town

        return town.run(args)
    if args.what == "bank":
        from duaarah.sim.bank import server as bank

        return bank.run(args)
    from duaarah.sim.smsc.server import serve

    accounts = dict(item.split(":", 1) for item in args.account if ":" in item) or {"duaarah": "demo", "town": "demo"}
    asyncio.run(serve(accounts, args.port, args.control_port))
    return 0
