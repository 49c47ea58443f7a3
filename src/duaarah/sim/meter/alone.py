# SPDX-License-Identifier: Apache-2.0
"""`sim meter`: one meter and its DLMS server, for any client. Its keys come from the seed, or from the command line."""

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
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from duaarah.core.sts import DecoderKey, MeterDecoder
from duaarah.core.sts.errors import STSError
from duaarah.sim.meter import device_state
from duaarah.sim.meter.config import MeterConfig
from duaarah.sim.meter.device import DEFAULT_PASSWORD, MANAGER_SAP, PUBLIC_SAP, READER_SAP, Device
from duaarah.sim.meter.meter import SimMeter
from duaarah.sim.meter.models import MODELS
from duaarah.sim.meter.objects.associations import VERSIONS
from duaarah.sim.meter.server import MeterServer
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.errors import DlmsError

WIB = timezone(timedelta(hours=7))
USED_WH_PER_ROW = 100
_KEY_NAMES = ("encryption-key", "authentication-key", "master-key")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4059, help="TCP port (0: any free one)")
    parser.add_argument("--kind", choices=sorted(MODELS), default="single-phase-modem")
    parser.add_argument("--drn", default="01234567890", help="11 digits")
    parser.add_argument("--seed", type=int, default=1, help="of the keys and the system title")
    for name in _KEY_NAMES:
        parser.add_argument(f"--{name}", type=bytes.fromhex, metavar="HEX", help="16 octets; default: from the seed")
    parser.add_argument(
        "--decoder-key", type=bytes.fromhex, metavar="HEX", help="8 octets (EA07); default: from the seed"
    )
    parser.add_argument("--password", default=DEFAULT_PASSWORD.decode(), help="of the reading client (LLS)")
    parser.add_argument("--credit-wh", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=96, help="of load profile to begin with")
    parser.add_argument("--pdu-max", type=int, default=1024)
    parser.add_argument("--general-blocks", action="store_true", help="answer long GETs by general block transfer")
    parser.add_argument("--association-version", type=int, choices=VERSIONS, default=1, help="of class 15")
    parser.add_argument("--show-keys", action="store_true", help="print the keys as well: they are of a toy meter")
    parser.add_argument("--state", type=Path, metavar="FILE", help="the meter outlives the process in it")


def _config(args: argparse.Namespace) -> MeterConfig:
    draw = random.Random(args.seed)
    drawn = [draw.randbytes(16) for _ in _KEY_NAMES]
    encryption, authentication, master = (
        getattr(args, name.replace("-", "_")) or key for name, key in zip(_KEY_NAMES, drawn, strict=True)
    )
    return MeterConfig(
        kind=args.kind,
        drn=args.drn,
        system_title=b"DUA\x02" + draw.randbytes(4),
        keys=Keys(encryption, authentication),
        client_titles=(),
        decoder=MeterDecoder(DecoderKey("07", args.decoder_key or draw.randbytes(8))),
        credit_wh=args.credit_wh,
        low_credit_threshold_wh=5_000,
        master_key=master,
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


def _keeper(path: Path | None, meter: SimMeter, device: Device) -> Callable[[], None]:
    """Writes the state before an answer leaves: to a temporary name first, so that a kill leaves the old or the new."""

    def keep() -> None:
        device.take_pushes()  # this meter has no SIM
        if path is None:
            return
        fresh = path.with_suffix(path.suffix + ".new")
        fresh.touch(mode=0o600)  # keys that were changed over the air stand in it
        fresh.write_text(json.dumps({"meter": meter.state(), "device": device_state.state(device)}))
        fresh.replace(path)

    return keep


def made(args: argparse.Namespace) -> tuple[Device, Callable[[], None]]:
    """The meter as asked for, or as it was left, and how its state is kept."""
    config = _config(args)
    meter = SimMeter(config)
    device = Device(
        meter,
        lambda: datetime.now(WIB),
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
    return device, _keeper(args.state, meter, device)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C; one JSON line says where."""
    try:
        device, keep = made(args)
    except (ValueError, KeyError, OSError, STSError, DlmsError) as error:
        print(f"duaarah: this meter cannot be made: {error}", file=sys.stderr)
        return 2
    keep()

    async def serve() -> None:
        ended = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, ended.set)
        server = MeterServer(device.meter, device, host=args.host, port=args.port, answered=keep)
        async with server:
            print(json.dumps(_told(args, device.meter.config, server.port)), flush=True)
            await ended.wait()

    try:
        asyncio.run(serve())
    except OSError as error:
        print(f"duaarah: {os.strerror(error.errno) if error.errno else error}", file=sys.stderr)
        return 2
    return 0
