# SPDX-License-Identifier: Apache-2.0
"""`meters firmware-key|firmware|line`: what is needed to bring firmware to meters over IP."""

from __future__ import annotations

import argparse
import json
import sys

from duaarah.cli import secret_input


def run(args: argparse.Namespace, content: bytes, actor: str) -> int:
    """0 when it was done, 1 when it was refused, with a sentence. Raises LookupError, ValueError, OSError."""
    from duaarah.clock.queries import now
    from duaarah.headend.firmware.operations import FirmwareRefused, set_firmware_key, take_firmware
    from duaarah.headend.operations import set_line
    from duaarah.registry.models import Meter

    if args.verb == "line":
        meter = Meter.objects.filter(drn=args.drn).first()
        if meter is None:
            raise LookupError(f"There is no meter {args.drn}.")
        line = set_line(
            meter=meter,
            host=args.host,
            port=args.port,
            client_sap=args.client_sap,
            hdlc=args.hdlc,
            actor=actor,
            now=now(),
        )
        print(json.dumps({"drn": meter.drn, "host": line.host, "port": line.port}))
        return 0
    try:
        if args.verb == "firmware-key":
            maker = _maker(args.code)
            set_firmware_key(maker=maker, key=secret_input.octets("Public key"), actor=actor, now=now())
            print(json.dumps({"maker": maker.code, "firmware_key": True}))
            return 0
        taken = take_firmware(
            maker=_maker(args.maker),
            profile=args.profile,
            version=args.version,
            file_name=args.file.name,
            content=content,
            signature=args.signature.read_bytes(),
            actor=actor,
            now=now(),
        )
    except FirmwareRefused as error:
        print(f"duaarah: {error}", file=sys.stderr)
        return 1
    told = {"firmware": taken.pk, "version": taken.version, "profile": taken.profile, "octets": taken.octets}
    print(json.dumps({**told, "sha256": bytes(taken.digest).hex()}))
    return 0


def _maker(code: str):  # type: ignore[no-untyped-def]
    from duaarah.headend.models import Maker

    found = Maker.objects.filter(code=code).first()
    if found is None:
        raise LookupError(f"There is no maker {code}; `meters maker {code} --name ...` founds it.")
    return found
