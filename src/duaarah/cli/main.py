# SPDX-License-Identifier: Apache-2.0
"""Find the command, import only its module, call it. Exit 2 means wrong usage, with a sentence that helps."""

from __future__ import annotations

import argparse
import importlib
import sys

from duaarah import __version__

COMMANDS = {
    "demo": "a living town on real protocols (--once: one simulated day, then a verdict)",
    "up": "production: database, links, workers and web on this machine",
    "keys": "the encrypted key file: new, add, list",
    "web": "the web process alone",
    "worker": "one worker alone: links, headend, messenger, sweeper, chores, gateway, bank",
    "sim": "a simulator alone: smsc, town, bank, meter, p2apst, ppob",
    "sts": "STS tokens: batch, issue, decode, explain, pan, tid, selftest, rollover, key (ceremony, security module)",
    "tariff": "prices: quote a nominal on any loaded date",
    "dlms": "DLMS/COSEM: decode what any meter pushed",
    "iso8583": "the bank's messages (PLN's dialect): decode, encode",
    "grid": "numbers of the grid from files: indices, med, profile, balance, forecast",
    "readings": "the interval store: status, compact, backfill, rebuild, verify",
    "comply": "the compliance bench: a scored test of any meter, over IP or SMS",
    "bench": "measure: topup, web, sts, sms, dlms, forecast, ppob, grid, readings",
    "audit": "the audit chain: verify",
    "meters": "kinds of meter, makers and their shipments: profiles, check, maker, import, shipments",
    "operators": "keys and limits of vending operators' programs (STS interface): new, list, revoke, limit",
    "tokens": "tokens sold elsewhere: import a channel's file, check one, list them",
    "vendors": "third parties that sell through the API: keys, deposits, fees: new, list, revoke, fill, terms",
    "sms": "the SMS package: reconcile a month with an operator's records, and how these are written",
    "ledger": "the books: report, balance, channels, settle, reconcile, file-format, gerai, arrears, payments of the parties",
    "bank": "the PPOB host: partner (new, list, block, unblock, terms, fill), bills, unsold, pending",
    "migrate": "bring the database's schema up to date",
}


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            f"Dua Arah {__version__}: two-way prepaid electricity.",
            "",
            "usage: ./duaarah COMMAND ...",
            "",
            *lines,
            f"  {'test':<{width}}  every check (--quick: the fast ones)",
            "",
            "./duaarah COMMAND --help says more.",
        ]
    )


def main(argv: list[str]) -> int:
    """Run one command; returns the exit status."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(_overview(), file=sys.stdout if argv else sys.stderr)
        return 0 if argv else 2
    if argv[0] == "--version":
        print(__version__)
        return 0
    name = argv[0]
    if name not in COMMANDS:
        print(f"duaarah: there is no command {name!r}.\n\n{_overview()}", file=sys.stderr)
        return 2
    module = importlib.import_module(f"duaarah.cli.{name}")
    parser = argparse.ArgumentParser(prog=f"./duaarah {name}", description=COMMANDS[name])
    module.add_arguments(parser)
    args = parser.parse_args(argv[1:])
    try:
        status: int = module.run(args)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1
    except Exception as error:
        # Files that the settings name are read before any command can speak for itself.
        if getattr(error, "code", None) not in ("bad_profile", "tables_invalid"):
            raise
        print(f"duaarah: {error}", file=sys.stderr)
        return 1
    return status
