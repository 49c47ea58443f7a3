# SPDX-License-Identifier: Apache-2.0
"""Security setup (64): the policy, and new keys wrapped by the master key (RFC 3394).

New keys count from the next association on; the one that brought them goes on under the old ones.
"""

from __future__ import annotations

from duaarah.sim.meter.key_transfer import SECURITY, SECURITY_CLASS, TRANSFER, transferred
from duaarah.sim.meter.meter import SimMeter
from duaarah.sim.meter.objects.base import CosemObject, computed, constant, enum
from duaarah.sim.meter.orders import Refusal
from duaarah.wire.dlms.apdu import READ_WRITE_DENIED, SUCCESS, TYPE_UNMATCHED
from duaarah.wire.dlms.axdr import Data, Tag, octets

ALL_PROTECTED = 3


class Security:
    """The keys' transfer and the policy, which can only become stricter."""

    def __init__(self, meter: SimMeter) -> None:
        self._meter = meter
        self._policy = ALL_PROTECTED

    def activate(self, parameter: Data | None) -> tuple[int, Data | None]:
        """security_activate: a policy below the present one is refused."""
        if parameter is None or parameter.tag is not Tag.ENUM:
            return TYPE_UNMATCHED, None
        if parameter.value != ALL_PROTECTED:
            return READ_WRITE_DENIED, None
        return SUCCESS, None

    def transfer(self, parameter: Data | None) -> tuple[int, Data | None]:
        """global_key_transfer [{key id, wrapped key}]: all of them or none."""
        meter = self._meter
        try:
            new = transferred(parameter, master=meter.config.master_key, present=meter.link.keys)
        except Refusal as refusal:
            return refusal.result, None
        meter.link.change_keys(new)
        return SUCCESS, None

    def cosem(self) -> CosemObject:
        """The object."""
        config = self._meter.config
        return CosemObject(
            SECURITY_CLASS,
            0,
            SECURITY,
            {
                2: computed(lambda: enum(self._policy)),
                3: constant(enum(0)),
                4: constant(octets(config.client_titles[0] if config.client_titles else b"")),
                5: constant(octets(config.system_title)),
            },
            {1: self.activate, TRANSFER: self.transfer},
        )
