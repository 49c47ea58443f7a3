# SPDX-License-Identifier: Apache-2.0
"""Association LN (15): each client's view of the meter. 0.0.40.0.0 is the association that asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from duaarah.core.obis import Obis
from duaarah.sim.meter.objects.base import CosemObject, Level, computed, constant, enum, u8, u16
from duaarah.wire.dlms.acse import Context, Mechanism
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


def association(
    client: Client, obis: Obis, server_sap: int, pdu_max: int, object_list: Callable[[Level], bytes]
) -> CosemObject:
    """Class 15, version 1; the secret is never read."""
    context = Context.LN_CIPHERED if client.ciphered else Context.LN
    info = structure(
        Data(Tag.BIT_STRING, format(int(client.conformance), "024b")),
        u16(pdu_max),
        u16(pdu_max),
        u8(6),
        Data(Tag.INTEGER, 0),
        octets(b""),
    )
    return CosemObject(
        15,
        1,
        obis,
        {
            2: computed(lambda: object_list(client.level)),
            3: constant(structure(Data(Tag.INTEGER, client.sap), u16(server_sap))),
            4: constant(octets(_PREFIX + bytes((1, context)))),
            5: constant(info),
            6: constant(octets(_PREFIX + bytes((2, client.mechanism)))),
            8: constant(enum(2)),
            9: constant(octets(Obis(0, 0, 43, 0, 0).to_octets())),
        },
        {1: lambda _parameter: (3, None)},
        public=True,
    )
