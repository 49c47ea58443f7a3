# SPDX-License-Identifier: Apache-2.0
"""Security setup (64): the policy, and new keys wrapped by the master key (RFC 3394).

New keys count from the next association on; the one that brought them goes on under the old ones.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from duaarah.core.obis import Obis
from duaarah.sim.meter.meter import SimMeter
from duaarah.sim.meter.objects.base import CosemObject, computed, constant, enum
from duaarah.wire.dlms.apdu import OTHER_REASON, READ_WRITE_DENIED, SUCCESS, TYPE_UNMATCHED
from duaarah.wire.dlms.axdr import Data, Tag, octets
from duaarah.wire.dlms.ciphering import KEY_OCTETS, Keys

SECURITY = Obis(0, 0, 43, 0, 0)
UNICAST, BROADCAST, AUTHENTICATION, MASTER = 0, 1, 2, 3
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
        master = self._meter.config.master_key
        if parameter is None or parameter.tag is not Tag.ARRAY or not parameter.value:
            return TYPE_UNMATCHED, None
        if master is None:
            return READ_WRITE_DENIED, None
        keys = self._meter.link.keys
        new = {UNICAST: keys.encryption_key, AUTHENTICATION: keys.authentication_key}
        for item in parameter.value:
            match item:
                case Data(Tag.STRUCTURE, (Data(_, int() as key_id), Data(_, bytes() as wrapped))) if key_id in new:
                    try:
                        new[key_id] = aes_key_unwrap(master, wrapped)
                    except (InvalidUnwrap, ValueError):
                        return OTHER_REASON, None
                    if len(new[key_id]) != KEY_OCTETS:
                        return OTHER_REASON, None
                case _:
                    return TYPE_UNMATCHED, None
        self._meter.link.change_keys(Keys(new[UNICAST], new[AUTHENTICATION]))
        return SUCCESS, None

    def cosem(self) -> CosemObject:
        """The object."""
        config = self._meter.config
        return CosemObject(
            64,
            0,
            SECURITY,
            {
                2: computed(lambda: enum(self._policy)),
                3: constant(enum(0)),
                4: constant(octets(config.client_titles[0] if config.client_titles else b"")),
                5: constant(octets(config.system_title)),
            },
            {1: self.activate, 2: self.transfer},
        )
