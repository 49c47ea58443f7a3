# SPDX-License-Identifier: Apache-2.0
"""High level security, mechanism 5 (IEC 62056-5-3, 9.2.7.4): passes 3 and 4 prove the keys over the peer's challenge."""

from __future__ import annotations

import hmac

from duaarah.core.obis import Obis
from duaarah.wire.dlms import ciphering
from duaarah.wire.dlms.ciphering import AUTHENTICATED, COUNTER_OCTETS, TAG_OCTETS, Keys

ASSOCIATION_CLASS, SECRET_METHOD = 15, 1
CURRENT_ASSOCIATION = Obis(0, 0, 40, 0, 0)
CHALLENGE_MIN, CHALLENGE_MAX = 8, 64
_OCTETS = 1 + COUNTER_OCTETS + TAG_OCTETS


def answer(challenge: bytes, *, keys: Keys, title: bytes, counter: int) -> bytes:
    """f(challenge): security control, the counter and the GMAC under the answerer's title."""
    tag = ciphering.gmac(challenge, keys=keys, system_title=title, counter=counter)
    return bytes((AUTHENTICATED,)) + counter.to_bytes(COUNTER_OCTETS, "big") + tag


def proves(octets: bytes, challenge: bytes, *, keys: Keys, title: bytes) -> bool:
    """Whether these octets are the peer's f(challenge). The challenge is fresh, so the counter needs no window."""
    if len(octets) != _OCTETS or octets[0] != AUTHENTICATED:
        return False
    counter = int.from_bytes(octets[1 : 1 + COUNTER_OCTETS], "big")
    return hmac.compare_digest(octets, answer(challenge, keys=keys, title=title, counter=counter))
