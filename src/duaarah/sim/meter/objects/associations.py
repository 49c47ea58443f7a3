# SPDX-License-Identifier: Apache-2.0
"""Association LN (15): each client's view of the meter. 0.0.40.0.0 is the association that asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from duaarah.core.obis import Obis
from duaarah.sim.meter.objects.base import CosemObject, Level, array, computed, constant, enum, u8, u16
from duaarah.wire.dlms.acse import Context, Mechanism
from duaarah.wire.dlms.apdu import READ_WRITE_DENIED
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure
from duaarah.wire.dlms.initiate import Conformance

_PREFIX = bytes.fromhex("6085740508")


@dataclass(frozen=True, slots=True)
class Client:
    """A client of the meter: its SAP, what it may, and how it proves itself."""

    sap: int
    level: Level
    mechanism: Mechanism
    ciphered: bool
    conformance: Conformance


VERSIONS = (0, 1, 2)


def association(
    client: Client, obis: Obis, server_sap: int, pdu_max: int, object_list: Callable[[Level], bytes], version: int
) -> CosemObject:
    """Class 15; the secret is never read. Version 1 names the security setup, version 2 users (none here)."""
    context = Context.LN_CIPHERED if client.ciphered else Context.LN
    info = structure(
        Data(Tag.BIT_STRING, format(int(client.conformance), "024b")),
        u16(pdu_max),
        u16(pdu_max),
        u8(6),
        Data(Tag.INTEGER, 0),
        octets(b""),
    )
    attributes = {
        2: computed(lambda: object_list(client.level)),
        3: constant(structure(Data(Tag.INTEGER, client.sap), u16(server_sap))),
        4: constant(octets(_PREFIX + bytes((1, context)))),
        5: constant(info),
        6: constant(octets(_PREFIX + bytes((2, client.mechanism)))),
        8: constant(enum(2)),
    }
    if version >= 1:
        attributes[9] = constant(octets(Obis(0, 0, 43, 0, 0).to_octets()))
    if version >= 2:
        attributes[10] = constant(array([]))
        attributes[11] = constant(structure(u8(0), Data(Tag.VISIBLE_STRING, "")))
    # Method 1 belongs to the association itself (pass 3) and is refused afterwards.
    return CosemObject(15, version, obis, attributes, {1: lambda _parameter: (READ_WRITE_DENIED, None)}, public=True)
