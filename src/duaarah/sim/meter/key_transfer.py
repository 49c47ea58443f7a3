# SPDX-License-Identifier: Apache-2.0
"""New global keys as they come to a meter: wrapped by its master key (RFC 3394), all of them or none."""

from __future__ import annotations

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from duaarah.core.obis import Obis
from duaarah.sim.meter.orders import Refusal
from duaarah.wire.dlms import apdu
from duaarah.wire.dlms.axdr import Data, Tag
from duaarah.wire.dlms.ciphering import KEY_OCTETS, Keys

SECURITY_CLASS, SECURITY, TRANSFER = 64, Obis(0, 0, 43, 0, 0), 2
UNICAST, AUTHENTICATION = 0, 2


def transferred(parameter: Data | None, *, master: bytes | None, present: Keys) -> Keys:
    """global_key_transfer [{key id, wrapped key}]: the keys after it. Raises Refusal."""
    if parameter is None or parameter.tag is not Tag.ARRAY or not parameter.value:
        raise Refusal(apdu.TYPE_UNMATCHED)
    if master is None:
        raise Refusal(apdu.READ_WRITE_DENIED)
    new = {UNICAST: present.encryption_key, AUTHENTICATION: present.authentication_key}
    for item in parameter.value:
        match item:
            case Data(Tag.STRUCTURE, (Data(_, int() as key_id), Data(_, bytes() as wrapped))) if key_id in new:
                try:
                    new[key_id] = aes_key_unwrap(master, wrapped)
                except (InvalidUnwrap, ValueError):
                    raise Refusal(apdu.OTHER_REASON) from None
                if len(new[key_id]) != KEY_OCTETS:
                    raise Refusal(apdu.OTHER_REASON)
            case _:
                raise Refusal(apdu.TYPE_UNMATCHED)
    return Keys(new[UNICAST], new[AUTHENTICATION])
