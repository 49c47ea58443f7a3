# SPDX-License-Identifier: Apache-2.0
"""`sts tid`: an instant to its TID or a TID to its instant, the KEN it needs, and where a KEN and a base date end."""

from __future__ import annotations

import argparse
import datetime as dt
import json

from duaarah.core.sts import BadRequest, instant_of, tid_at
from duaarah.core.sts.tid import BASE_DATES, TID_MAX


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("value", metavar="INSTANT|TID", help="2026-07-11T00:30 (naive utility-local time), or a number")
    parser.add_argument("--base-date", type=int, choices=BASE_DATES, default=2014, help="default 2014")
    parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")


def run(args: argparse.Namespace) -> int:
    base = args.base_date
    if args.value.isascii() and args.value.isdigit():
        tid = int(args.value[:12])
    else:
        try:
            at = dt.datetime.fromisoformat(args.value)
        except ValueError:
            raise BadRequest("Give a TID, or a time such as 2026-07-11T00:30.") from None
        tid = tid_at(at, base)
    record = {
        "tid": tid,
        "tid_hex": f"{tid:06X}",
        "base_date": base,
        "instant": _minute(tid, base),
        "ken": tid >> 16,
        "ken_ends": _minute(min(tid | 0xFFFF, TID_MAX), base),
        "last_tid": TID_MAX,
        "base_date_ends": _minute(TID_MAX, base),
    }
    if args.json:
        print(json.dumps(record))
        return 0
    print(f"TID {tid} ({record['tid_hex']}) of base date {base} is {record['instant'].replace('T', ' ')}.")
    print(f"  It needs a key with KEN {record['ken']} or higher; a key of that KEN ends {record['ken_ends']}.")
    print(f"  The last TID of base date {base} is {TID_MAX}, {record['base_date_ends']}.")
    return 0


def _minute(tid: int, base: int) -> str:
    return instant_of(tid, base).isoformat(timespec="minutes")
