# SPDX-License-Identifier: Apache-2.0
"""`sim smsc`: the built-in SMSC alone."""

from __future__ import annotations

import argparse
import asyncio


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["smsc"])
    parser.add_argument("--port", type=int, default=0, help="SMPP port (0: any free one)")
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument(
        "--account", action="append", default=[], metavar="USER:PASSWORD", help="an ESME account; repeatable"
    )


def run(args: argparse.Namespace) -> int:
    from duaarah.sim.smsc.server import serve

    accounts = dict(item.split(":", 1) for item in args.account if ":" in item) or {"duaarah": "demo", "town": "demo"}
    asyncio.run(serve(accounts, args.port, args.control_port))
    return 0
