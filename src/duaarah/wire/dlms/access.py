# SPDX-License-Identifier: Apache-2.0
"""What a meter's side of associations is made of: its objects behind `Application`, who may associate, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from duaarah.wire.dlms.acse import Mechanism
from duaarah.wire.dlms.axdr import Data
from duaarah.wire.dlms.blocks import AttributeOf
from duaarah.wire.dlms.initiate import Conformance

SERVICE_NOT_ALLOWED, SERVICE_UNKNOWN = 1, 2
NOT_POSSIBLE, NOT_SUPPORTED, OTHER_REASON, PDU_TOO_LONG, DECIPHERING = 1, 2, 3, 4, 5
NO_LONG_GET, NO_LONG_SET, BLOCK_NUMBER_INVALID = 16, 18, 19
PDU_MIN = 64


class Application(Protocol):
    """The objects of a meter, as one client (its SAP) sees them. Results are Data-Access- and Action-Results."""

    def get(self, sap: int, item: AttributeOf) -> Data | bytes | int:
        """The value (bytes: already in A-XDR), or why there is none."""

    def set(self, sap: int, item: AttributeOf, value: Data) -> int:
        """Write, 0 on success."""

    def act(self, sap: int, item: AttributeOf, parameter: Data | None) -> tuple[int, Data | None]:
        """Call a method: its result and value."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AccessPoint:
    """How one client associates: mechanism, password, whether APDUs must be ciphered, what it may use."""

    mechanism: Mechanism
    password: bytes = b""
    ciphered: bool = False
    conformance: Conformance = Conformance.GET | Conformance.BLOCK_GET


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What all associations of a meter share. `challenge` gives 8 to 64 fresh random octets."""

    access: Mapping[int, AccessPoint]
    title: bytes
    challenge: Callable[[], bytes]
    pdu_max: int = 1024
    window: int = 1
    prefers_general_blocks: bool = False
