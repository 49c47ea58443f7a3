# SPDX-License-Identifier: Apache-2.0
"""`sim smsc`, `sim town`, `sim bank`, `sim meter`, `sim p2apst`, `sim ppob`: one simulator alone."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from duaarah.sim.bank import p2apst, ppob_steps
    from duaarah.sim.bank import server as bank
    from duaarah.sim.meter import alone as meter
    from duaarah.sim.town import server as town

    kinds = parser.add_subparsers(dest="what", required=True, metavar="smsc|town|bank|meter|p2apst|ppob")
    smsc = kinds.add_parser("smsc", help="the built-in SMSC")
    smsc.add_argument("--port", type=int, default=0, help="SMPP port (0: any free one)")
    smsc.add_argument("--control-port", type=int, default=0)
    smsc.add_argument(
        "--account", action="append", default=[], metavar="USER:PASSWORD", help="an ESME account; repeatable"
    )
    smsc.add_argument(
        "--fault", action="append", default=[], metavar="NAME=VALUE", help="a fault switch; a wrong name lists them all"
    )
    for name, what in (("lose", "messages never delivered"), ("double", "messages delivered twice")):
        smsc.add_argument(f"--{name}", metavar="SHARE", help=f"share of {what}, such as 0.05")
    smsc.add_argument("--seed", type=int, default=1, help="of the faults that fall by chance")
    smsc.add_argument("--tls-cert", type=Path, help="PEM; with --tls-key the SMPP port speaks TLS")
    smsc.add_argument("--tls-key", type=Path)
    smsc.add_argument("--state", type=Path, metavar="FILE", help="messages and SIMs outlive the process in it")
    town.add_arguments(kinds.add_parser("town", help="meters, phones and an ATM, on any SMSC"))
    bank.add_arguments(kinds.add_parser("bank", help="the ATM alone"))
    meter.add_arguments(kinds.add_parser("meter", help="one meter's DLMS server over TCP, wrapper and HDLC"))
    p2apst.add_arguments(kinds.add_parser("p2apst", help="PLN's P2APST over ISO 8583: sells tokens, errs on demand"))
    ppob_steps.add_arguments(kinds.add_parser("ppob", help="a bank or loket over ISO 8583: buys, pays, asks, errs"))


def run(args: argparse.Namespace) -> int:
    if args.what == "town":
        from duaarah.sim.town import server as town

        return town.run(args)
    if args.what == "bank":
        from duaarah.sim.bank import server as bank

        return bank.run(args)
    if args.what == "meter":
        from duaarah.sim.meter import alone as meter

        return meter.run(args)
    if args.what == "p2apst":
        from duaarah.sim.bank import p2apst

        return p2apst.run(args)
    if args.what == "ppob":
        from duaarah.sim.bank import ppob_steps

        # A shell that starts it in the background has Ctrl-C ignored; who sends the signal to this process means it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return ppob_steps.run(args)
    return _smsc(args)


def _smsc(args: argparse.Namespace) -> int:
    from duaarah.sim.smsc.faults import FaultRefused, from_words
    from duaarah.sim.smsc.server import serve
    from duaarah.sim.smsc.store import StateRefused

    accounts = dict(item.split(":", 1) for item in args.account if ":" in item) or {"duaarah": "demo", "town": "demo"}
    if (args.tls_cert is None) != (args.tls_key is None):
        print("duaarah: --tls-cert and --tls-key go together.", file=sys.stderr)
        return 2
    tls = (args.tls_cert, args.tls_key) if args.tls_cert else None
    try:
        faults = from_words(args.fault)
        faults |= {name: getattr(args, name) for name in ("lose", "double") if getattr(args, name) is not None}
        asyncio.run(
            serve(accounts, args.port, args.control_port, faults=faults, seed=args.seed, tls=tls, state=args.state)
        )
    except (FaultRefused, StateRefused, OSError) as error:
        print(f"duaarah: {error}", file=sys.stderr)
        return 2
    return 0
