# SPDX-License-Identifier: Apache-2.0
"""`sim meter`: one prepaid meter for any client, over TCP and SMS. Its keys come from the seed, a file or the command line."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import secrets
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from duaarah.core.smsplan import COUNT_MAX, ReportingPlan
from duaarah.core.sts import DecoderKey, MeterDecoder
from duaarah.core.sts.errors import STSError
from duaarah.sim.meter import defects, device_state
from duaarah.sim.meter.config import MeterConfig
from duaarah.sim.meter.device import DEFAULT_PASSWORD, MANAGER_SAP, PUBLIC_SAP, READER_SAP, Device
from duaarah.sim.meter.lab import WIB, Carrier, Lab, LabClock
from duaarah.sim.meter.meter import SimMeter
from duaarah.sim.meter.models import MODELS
from duaarah.sim.meter.objects.associations import VERSIONS
from duaarah.sim.meter.outbound import IpCarrier, Outbound, SmsCarrier, SmsPlace
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.errors import DlmsError

USED_WH_PER_ROW = 100
DRN_DIGITS = 11
# Below 64 octets no answer of an association fits; the field on the wire has 16 bits.
PDU_OCTETS = (64, 0xFFFF)
HEAD_END_TITLE = b"HES\x00\x00\x00\x00\x01"
# A summary of each day, and every word on the supply: nobody counts SMS on a table.
PLAN = ReportingPlan((), COUNT_MAX, COUNT_MAX, daily=True)
_KEY_NAMES = ("encryption-key", "authentication-key", "master-key")
_EXAMPLES = """
Examples:
  a meter on port 4059, its keys shown:          ./duaarah sim meter --show-keys
  keys of its own, kept in a file for `comply`:  ./duaarah sim meter --keys lab.json
  pushes to a head end over TCP, a 900 W load:   ./duaarah sim meter --push tcp:127.0.0.1:9598 --load-w 900
  over SMS, at `./duaarah sim smsc`:             ./duaarah sim meter --smsc 127.0.0.1:2775 --msisdn 6281299990001
  with a fault that a bench must find:           ./duaarah sim meter --keys lab.json --defect accepts_replay

One JSON line says where it listens. With --control-port: a JSON object a line in, one out, such as
  {"op": "keypad", "keys": "12345678901234567890"}   {"op": "power", "on": false}   {"op": "faults", "lose": 1}
The operations and the codes of the keypad: docs/guides/sim-meter.md.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = "One simulated prepaid meter: a DLMS/COSEM server with an STS decoder, a relay and a modem."
    parser.epilog = _EXAMPLES + "\ndefects:\n" + "\n".join(f"  {n:<24} {d[0]}" for n, d in defects.DEFECTS.items())
    meter = parser.add_argument_group("the meter")
    meter.add_argument("--kind", "--profile", choices=sorted(MODELS), default="single-phase-modem")
    meter.add_argument("--drn", default="01234567890", help="11 digits")
    meter.add_argument("--credit-wh", type=int, default=20_000, help="credit to begin with")
    meter.add_argument("--threshold-wh", type=int, default=5_000, help="below which it warns")
    meter.add_argument("--load-w", type=int, default=0, help="what the household takes (default: nothing)")
    meter.add_argument("--rows", type=int, default=96, help="of load profile to begin with")
    meter.add_argument("--state", type=Path, metavar="FILE", help="the meter outlives the process in it")
    meter.add_argument("--defect", metavar="NAME", help="plant a known defect; their names are below")
    keys = parser.add_argument_group("keys")
    keys.add_argument("--seed", type=int, default=1, help="of the keys and the system title")
    keys.add_argument("--keys", type=Path, metavar="FILE", help="JSON; made with fresh keys when it does not exist")
    for name in _KEY_NAMES:
        keys.add_argument(f"--{name}", type=bytes.fromhex, metavar="HEX", help="16 octets; default: from the seed")
    keys.add_argument(
        "--decoder-key", type=bytes.fromhex, metavar="HEX", help="8 octets (EA07); default: from the seed"
    )
    keys.add_argument("--password", default=DEFAULT_PASSWORD.decode(), help="of the reading client (LLS)")
    keys.add_argument("--show-keys", action="store_true", help="print the keys as well: they are of a toy meter")
    keys.add_argument(
        "--client-title", type=bytes.fromhex, default=HEAD_END_TITLE, metavar="HEX", help="of the head end, for SMS"
    )
    line = parser.add_argument_group("where it listens, where it speaks")
    line.add_argument("--host", default="127.0.0.1")
    line.add_argument("--port", type=int, default=4059, help="TCP port (0: any free one)")
    line.add_argument("--control-port", type=int, metavar="PORT", help="JSON lines: faults, power, keypad (0: any)")
    line.add_argument("--push", metavar="tcp:HOST:PORT", help="where pushes go; udp:HOST:PORT for datagrams")
    line.add_argument("--smsc", metavar="HOST:PORT", help="pushes and orders go by SMS through this SMSC")
    line.add_argument("--smsc-account", default="town:demo", metavar="USER:PASSWORD")
    line.add_argument("--msisdn", default="6281200000001", help="the number of its SIM")
    line.add_argument("--short-code", default="3123", help="of the head end")
    session = parser.add_argument_group("how it speaks DLMS")
    session.add_argument("--pdu-max", type=int, default=1024)
    session.add_argument("--general-blocks", action="store_true", help="answer long GETs by general block transfer")
    session.add_argument("--association-version", type=int, choices=VERSIONS, default=1, help="of class 15")


def _check(args: argparse.Namespace) -> None:
    """Raises ValueError, in words, for what no meter can be."""
    if not (len(args.drn) == DRN_DIGITS and args.drn.isascii() and args.drn.isdigit()):
        raise ValueError(f"--drn has {DRN_DIGITS} digits, not {args.drn}.")
    if not PDU_OCTETS[0] <= args.pdu_max <= PDU_OCTETS[1]:
        raise ValueError(f"--pdu-max is {PDU_OCTETS[0]} to {PDU_OCTETS[1]}, not {args.pdu_max}.")
    if len(args.client_title) != 8:
        raise ValueError("--client-title has 8 octets, 16 hex digits.")
    for name in ("load_w", "rows"):
        if getattr(args, name) < 0:
            raise ValueError(f"--{name.replace('_', '-')} is not negative.")
    for name in ("port", "control_port"):
        if not 0 <= (getattr(args, name) or 0) <= 0xFFFF:
            raise ValueError(f"--{name.replace('_', '-')} is 0 to 65535, not {getattr(args, name)}.")
    if args.smsc is not None and ":" not in args.smsc_account:
        raise ValueError("--smsc-account is USER:PASSWORD.")


def _from_file(path: Path) -> dict[str, str]:
    """The keys of a file; a new one gets fresh keys, readable by its owner only."""
    if path.exists():
        try:
            kept = json.loads(path.read_text())
        except ValueError as error:
            raise ValueError(f"{path} is not JSON.") from error
        if not isinstance(kept, dict) or not all(isinstance(text, str) for text in kept.values()):
            raise ValueError(f"{path} is not a JSON object of keys in hex.")
        return kept
    names = {name.replace("-", "_"): secrets.token_hex(16) for name in _KEY_NAMES}
    fresh = {**names, "decoder_key": secrets.token_hex(8), "system_title": (b"DUA\x02" + secrets.token_bytes(4)).hex()}
    path.touch(mode=0o600)
    path.write_text(json.dumps(fresh, indent=2) + "\n")
    return fresh


def _config(args: argparse.Namespace) -> MeterConfig:
    draw = random.Random(args.seed)
    kept = _from_file(args.keys) if args.keys is not None else {}
    keys = []
    for name in _KEY_NAMES:
        key, field = draw.randbytes(16), name.replace("-", "_")
        keys.append(getattr(args, field) or (bytes.fromhex(kept[field]) if field in kept else key))
    title, decoder_key = b"DUA\x02" + draw.randbytes(4), draw.randbytes(8)
    if "system_title" in kept:
        title = bytes.fromhex(kept["system_title"])
    if "decoder_key" in kept:
        decoder_key = bytes.fromhex(kept["decoder_key"])
    decoder_key = args.decoder_key or decoder_key
    return MeterConfig(
        kind=args.kind,
        drn=args.drn,
        system_title=title,
        keys=Keys(keys[0], keys[1]),
        client_titles=(args.client_title,),
        decoder=MeterDecoder(DecoderKey("11" if len(decoder_key) == 16 else "07", decoder_key)),
        credit_wh=args.credit_wh,
        low_credit_threshold_wh=args.threshold_wh,
        reporting=PLAN,
        master_key=keys[2],
    )


def _told(args: argparse.Namespace, config: MeterConfig, port: int) -> dict[str, Any]:
    told: dict[str, Any] = {
        "port": port,
        "drn": config.drn,
        "kind": config.kind,
        "system_title": config.system_title.hex(),
        "clients": {"manager": MANAGER_SAP, "reader": READER_SAP, "public": PUBLIC_SAP},
    }
    if args.show_keys:
        told["encryption_key"] = config.keys.encryption_key.hex()
        told["authentication_key"] = config.keys.authentication_key.hex()
        told["master_key"] = (config.master_key or b"").hex()
        told["decoder_key"] = config.decoder.key.octets.hex()
    return told


def _keeper(path: Path | None, meter: SimMeter, device: Device, line: Outbound) -> Callable[[], None]:
    """Writes the state before an answer leaves: to a temporary name first, so that a kill leaves the old or the new."""

    def keep() -> None:
        pushes = device.take_pushes()
        if path is not None:
            fresh = path.with_suffix(path.suffix + ".new")
            fresh.touch(mode=0o600)  # keys that were changed over the air stand in it
            fresh.write_text(json.dumps({"meter": meter.state(), "device": device_state.state(device)}))
            fresh.replace(path)
        line.send(pushes)

    return keep


def made(
    args: argparse.Namespace, line: Outbound | None = None, clock: LabClock | None = None
) -> tuple[Device, Callable[[], None]]:
    """The meter as asked for, or as it was left, and how its state is kept."""
    config = _config(args)
    meter, line = SimMeter(config), line or Outbound(None)
    device = Device(
        meter,
        (clock or LabClock()).now,
        challenge=lambda: secrets.token_bytes(16),
        password=args.password.encode(),
        pdu_max=args.pdu_max,
        prefers_general_blocks=args.general_blocks,
        association_version=args.association_version,
    )
    if args.state is not None and args.state.exists():
        kept = json.loads(args.state.read_text())
        meter.restore(kept["meter"])
        device_state.restore(device, kept["device"])
    else:
        meter.consume(min(args.rows * USED_WH_PER_ROW, max(args.credit_wh - 1, 0)) * 1000, datetime.now(WIB))
    device.fill(args.rows)
    if args.defect is not None:
        defects.plant(args.defect, device, line)
    return device, _keeper(args.state, meter, device, line)


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 0xFFFF:
        raise ValueError(f"{text} is not HOST:PORT.")
    return host, int(port)


def lab(args: argparse.Namespace, *, tick_s: float = 1.0) -> Lab:
    """The meter on its table, bearers and control port included. Raises ValueError and what a wrong key raises."""
    _check(args)
    carriers: list[Carrier] = []
    made_lab: list[Lab] = []
    model = MODELS[args.kind]
    line = Outbound(None)
    if args.push is not None and args.smsc is not None:
        raise ValueError("--push and --smsc exclude each other.")
    if args.push is not None:
        scheme, _, where = args.push.partition(":")
        if scheme not in ("tcp", "udp"):
            raise ValueError(f"--push is tcp:HOST:PORT or udp:HOST:PORT, not {args.push}.")
        ip = IpCarrier(model, *_place(where), udp=scheme == "udp")
        carriers.append(ip)
        line = Outbound(ip.carry)
    elif args.smsc is not None:
        system_id, _, password = args.smsc_account.partition(":")
        host, port = _place(args.smsc)
        place = SmsPlace(
            host=host,
            port=port,
            system_id=system_id,
            password=password,
            msisdn=args.msisdn,
            short_code=args.short_code,
        )

        def receive(payload: bytes) -> None:
            table = made_lab[0]
            table.say(table.device.meter.receive_sms(payload, table.device.clock.now()))

        sms = SmsCarrier(place, receive)
        carriers.append(sms)
        line = Outbound(sms.carry)
    clock = LabClock()
    device, keep = made(args, line, clock)
    made_lab.append(
        Lab(
            device,
            clock,
            line,
            keep,
            host=args.host,
            port=args.port,
            control_port=args.control_port,
            carriers=tuple(carriers),
            load_w=args.load_w,
            tick_s=tick_s,
        )
    )
    return made_lab[0]


def _words(error: Exception) -> str:
    """What the system refused, without its number, and what file it is about."""
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    # asyncio writes the address into its text; errors of name resolution have numbers below zero.
    words = os.strerror(error.errno) if error.errno > 0 else error.strerror
    return f"{error.filename}: {words}." if error.filename else f"{words}."


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C; one JSON line says where."""
    try:
        table = lab(args)
    except (ValueError, KeyError, OSError, STSError, DlmsError) as error:
        print(f"duaarah: this meter cannot be made: {_words(error)}", file=sys.stderr)
        return 2

    async def serve() -> None:
        ended = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, ended.set)
        async with table:
            table.say(())
            told = _told(args, table.device.meter.config, table.server.port)
            if table.control_port is not None:
                told["control_port"] = table.control_port
            print(json.dumps(told), flush=True)
            await ended.wait()

    try:
        asyncio.run(serve())
    except OSError as error:
        print(f"duaarah: this meter cannot run: {_words(error)}", file=sys.stderr)
        return 2
    return 0
