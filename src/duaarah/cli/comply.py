# SPDX-License-Identifier: Apache-2.0
"""`comply`: the compliance bench, against any meter over IP or SMS. Exit 0: nothing failed; 1: something did."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

_EPILOG = """
Examples, in two terminals:
  ./duaarah sim meter --keys lab.json --control-port 4060 --push tcp:127.0.0.1:9598
  ./duaarah comply 127.0.0.1:4059 --keys lab.json --control 127.0.0.1:4060 --listen 127.0.0.1:9598 --report report.html

What the table does not have (keys, pushes, a control port) is not judged, and the report says so.
The script, the key file and every case: docs/guides/compliance.md.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("target", nargs="?", metavar="HOST:PORT", help="the meter's DLMS port over TCP")
    parser.add_argument(
        "--profile", default="single-phase-modem", help="the kind of meter (`meters profiles` lists them)"
    )
    parser.add_argument(
        "--keys", type=Path, metavar="FILE", help="JSON: encryption_key, authentication_key, ... in hex"
    )
    parser.add_argument("--password", default="reader00", help="of the reading client; empty: not judged")
    parser.add_argument("--title", type=bytes.fromhex, metavar="HEX", help="our system title, 8 octets")
    parser.add_argument(
        "--counter", type=int, metavar="N", help="our first invocation counter (default: asks the meter)"
    )
    parser.add_argument("--tid", type=int, metavar="N", help="tokens come after this TID (default: this minute)")
    parser.add_argument("--spend-old", action="store_true", help="spend 50 tokens to see that an older one is refused")
    parser.add_argument("--state", type=Path, metavar="FILE", help="keeps counter and TID from run to run")
    table = parser.add_argument_group("the table")
    table.add_argument("--listen", metavar="HOST:PORT", help="where the meter's pushes arrive, TCP and UDP")
    table.add_argument("--control", metavar="HOST:PORT", help="JSON port that cuts the power and types (`sim meter`)")
    table.add_argument("--hdlc", action="store_true", help="the port speaks HDLC beside the wrapper")
    table.add_argument("--over-hdlc", action="store_true", help="everything over HDLC, for a port that speaks it alone")
    table.add_argument("--physical", type=int, metavar="N", help="HDLC's lower address")
    table.add_argument("--manager-sap", type=int, default=1)
    table.add_argument("--reader-sap", type=int, default=2)
    table.add_argument("--public-sap", type=int, default=16)
    table.add_argument("--timeout-s", type=float, default=5.0, help="silence longer than this is an answer")
    table.add_argument("--pause-s", type=float, default=0.0, help="before each connection, where a modem needs it")
    table.add_argument("--push-s", type=float, default=20.0, help="how long a push may take")
    table.add_argument("--nominal-v", type=int, default=230)
    sms = parser.add_argument_group("over SMS")
    sms.add_argument("--sms", metavar="HOST:PORT", help="an SMSC; the cases over SMS are played as well, or alone")
    sms.add_argument("--sms-account", default="duaarah:demo", metavar="USER:PASSWORD")
    sms.add_argument("--msisdn", default="6281200000001", help="of the meter's SIM")
    sms.add_argument("--short-code", default="3123", help="that the meter answers to")
    sms.add_argument("--quiet-s", type=float, default=30.0, help="after which silence means refused")
    out = parser.add_argument_group("what comes out")
    out.add_argument("--script", type=Path, metavar="FILE", help="another script (TOML) of the known cases")
    out.add_argument(
        "--only", action="append", default=[], metavar="ID", help="this case, or a group such as token; repeatable"
    )
    out.add_argument(
        "--report", action="append", default=[], type=Path, metavar="FILE", help=".html or .json; repeatable"
    )
    out.add_argument("--json", action="store_true", help="the report as JSON on stdout, the lines on stderr")


def run(args: argparse.Namespace) -> int:
    from duaarah.stage.comply.table import TableError, play

    try:
        return play(args)
    except TableError as error:
        print(f"duaarah: {error}", file=sys.stderr)
        return 2
