# SPDX-License-Identifier: Apache-2.0
"""`demo`: the living town in the browser. `demo --once`: one simulated day, then a verdict."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from duaarah.cli.arguments import port_number

if TYPE_CHECKING:
    from duaarah.stage.processes import Processes

BREAKS = ("double-load", "lost-ack", "ledger", "sms")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="run one day and print the verdict")
    parser.add_argument("--meters", type=int, help="how many meters (default 50 with --once, else 200)")
    parser.add_argument("--speed", type=int, choices=[1, 10, 60, 300], default=60, help="how fast its day goes (60)")
    parser.add_argument("--port", type=port_number, default=8000, help="of the page; a busy one takes the next (8000)")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same town (default 7)")
    parser.add_argument("--past-days", type=int, default=90, metavar="N", help="days that lie behind a new town (90)")
    parser.add_argument("--fresh", action="store_true", help="found the town anew instead of taking it up")
    parser.add_argument("--smsc", metavar="HOST:PORT", help="use this SMSC instead of the built-in one")
    parser.add_argument("--smsc-user", default="duaarah")
    parser.add_argument("--smsc-password", default="")
    parser.add_argument("--break", dest="break_name", choices=BREAKS, help="plant one defect; the verdict must name it")


def run(args: argparse.Namespace) -> int:
    """0 when every invariant holds, 1 when not, 2 for wrong usage."""
    if args.meters is None:
        args.meters = 50 if args.once else 200
    if not args.once and args.break_name:
        print("duaarah: --break belongs to --once: it plants a defect that the verdict must name.", file=sys.stderr)
        return 2
    if not 1 <= args.meters <= 2000:
        print("duaarah: --meters is 1 to 2000.", file=sys.stderr)
        return 2
    if not 1 <= args.past_days <= 90:
        print("duaarah: --past-days is 1 to 90.", file=sys.stderr)
        return 2
    from duaarah.net.jsonport import ControlFailed
    from duaarah.project.assets import ensure
    from duaarah.project.database import DatabaseError
    from duaarah.project.places import CHECKOUT, data_dir
    from duaarah.project.ports import PortTaken
    from duaarah.project.supervisor import interrupt_once
    from duaarah.stage.processes import ExternalSMSC, Processes, StageError

    external = None
    if args.smsc:
        host, _, port = args.smsc.rpartition(":")
        if not host or not port.isdigit():
            print("duaarah: --smsc is HOST:PORT, such as 127.0.0.1:2775.", file=sys.stderr)
            return 2
        external = ExternalSMSC(host, int(port), args.smsc_user, args.smsc_password)
    if not args.once:
        ensure(CHECKOUT, lambda text: print(f"demo: {text}", file=sys.stderr, flush=True))
    folder = data_dir() / ("once" if args.once else "demo")
    port = None if args.once else args.port
    try:
        processes = Processes(
            folder, args.seed, args.meters, external, radio_faults=args.once, web_port=port, town_lives=not args.once
        )
    except PortTaken as error:
        print(f"duaarah: {error}", file=sys.stderr)
        return 1
    interrupt_once()
    try:
        if not args.once:
            return _live(processes, args)
        print("demo: setting the stage: database, keys, registry ...", file=sys.stderr, flush=True)
        processes.open_database()
        # The feature packages can be imported only now that Django is configured.
        from duaarah.stage.day import run_once

        record = run_once(processes, break_name=args.break_name)
    except (StageError, DatabaseError, ControlFailed) as error:
        print(f"duaarah: {error}", file=sys.stderr)
        return 1
    finally:
        processes.close()
    _tell(record)
    print(json.dumps(record))
    return 0 if record["ok"] else 1


def _live(processes: Processes, args: argparse.Namespace) -> int:
    """The town in this folder is taken up when it is the one that was asked for; else it is founded."""
    from duaarah.sim.town.world import make_world
    from duaarah.stage.saved import SavedTown, town_digest

    digest = town_digest(make_world(args.seed, args.meters))
    found = None if args.fresh else SavedTown.read(processes.folder)
    if found is None and not args.fresh and (processes.folder / "town.json").exists():
        text = "the town in this folder is of another version, or was never finished: it is founded anew."
        print(f"demo: {text}", file=sys.stderr, flush=True)
    again = found is not None and (found.seed, found.meters, found.digest) == (args.seed, args.meters, digest)
    saved = found if again and found is not None else SavedTown.new(args.seed, args.meters, digest)
    processes.passphrase, processes.smsc_password = saved.passphrase, saved.smsc_password
    processes.open_database(keep=again)
    # The feature packages can be imported only now that Django is configured.
    from duaarah.stage.living import Living, run

    return run(processes, Living(saved, again, args.speed, args.past_days))


def _tell(record: dict[str, object]) -> None:
    """The verdict for people."""
    words = [
        "",
        f"  {record['warned']} warned, {record['bought']} bought here, {record['bought_elsewhere']} bought elsewhere",
        f"  {record['acknowledged']} of {record['issued']} tokens loaded and confirmed by the meter,"
        f" {record['pending']} pending, {record['rejected']} refused",
        f"  {record['sms_segments_by_ledger']} SMS, at most {record['sms_per_top_up_max']} a top-up,"
        f" {record['retries']} sent again",
        "  energy, money and SMS all reconciled" if record["ok"] else f"  BROKEN: {record['broken']}",
        "",
    ]
    print("\n".join(words), file=sys.stderr, flush=True)
