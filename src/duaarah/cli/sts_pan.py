# SPDX-License-Identifier: Apache-2.0
"""`sts pan check|build`: a MeterPAN or DRN with its check digits, 11 and 13 digits."""

from __future__ import annotations

import argparse
import json

from duaarah.core.sts import BadRequest, check_drn, check_pan, drn_of, luhn_digit, pan_of
from duaarah.core.sts.identifiers import IIN_13_DIGIT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="check|build")
    check = verbs.add_parser("check", help="check a MeterPAN (18 digits) or a DRN (11 or 13)")
    check.add_argument("number")
    build = verbs.add_parser("build", help="add check digits to a manufacturer code and serial number")
    build.add_argument("--mfr", required=True, help="manufacturer code, 2 digits (DRN of 11) or 4 (DRN of 13)")
    build.add_argument("--serial", required=True, help="serial number, up to 8 digits")
    build.add_argument("--iin", default="600727", help="for a DRN of 11 digits (default 600727)")
    for verb in (check, build):
        verb.add_argument("--json", action="store_true", help="one JSON object, for scripts")


def run(args: argparse.Namespace) -> int:
    if args.verb == "build":
        pan = _built(args.mfr, args.serial, args.iin)
    elif len(args.number) in (11, 13):
        pan = pan_of(check_drn(args.number))
    else:
        pan = check_pan(args.number)
    drn = drn_of(pan)
    serial_from = len(drn) - 9
    record = {
        "pan": pan,
        "iin": pan[: 18 - 1 - len(drn)],
        "drn": drn,
        "mfr": drn[:serial_from],
        "serial": drn[serial_from:-1],
        "drn_check_digit": drn[-1],
        "pan_check_digit": pan[-1],
    }
    if args.json:
        print(json.dumps(record))
        return 0
    print(f"MeterPAN {pan}: both check digits are right.")
    print(f"  IIN {record['iin']}  DRN {drn}  (manufacturer {record['mfr']}, serial {record['serial']})")
    return 0


def _built(mfr: str, serial: str, iin: str) -> str:
    if len(mfr) not in (2, 4) or not all(t.isascii() and t.isdigit() for t in (mfr, serial, iin)):
        raise BadRequest("A manufacturer code is 2 or 4 digits, a serial number and an IIN are digits.")
    if len(serial) > 8 or len(iin) != 6 or iin.startswith(IIN_13_DIGIT):
        raise BadRequest("A serial number has at most 8 digits; an IIN has 6 and does not begin with 0000.")
    payload = f"{mfr}{serial:0>8}"
    return pan_of(payload + luhn_digit(payload), iin=iin)
