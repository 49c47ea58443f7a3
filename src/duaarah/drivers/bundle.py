# SPDX-License-Identifier: Apache-2.0
"""Several settings in one message: SET with list, whose answer has a result for each (IEC 62056-5-3, 7.3.4)."""

from __future__ import annotations

from collections.abc import Sequence

from duaarah.core.intent import Command
from duaarah.drivers.commands import encode_command
from duaarah.drivers.frames import frame
from duaarah.drivers.kinds import Profile
from duaarah.wire.dlms import apdu, blocks
from duaarah.wire.dlms.blocks import AttributeOf
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.errors import TooLong

INVOKE_MASK = 0x0F
BUNDLE_MAX = 8


def bundled_frame(
    profile: Profile, intents: Sequence[Command], *, keys: Keys, system_title: bytes, counter: int
) -> tuple[bytes, int]:
    """
    The payload of one SMS with as many of the intents as it takes, from the first on, and how many these are.

    Only what is written, not called, goes together, and only to a kind that takes it. Raises TooLong when the first
    alone is too long.
    """

    def framed(plain: bytes) -> bytes:
        return frame(profile, plain, keys=keys, system_title=system_title, counter=counter, to_meter=True)

    invoke_id = counter & INVOKE_MASK
    payload, taken = framed(encode_command(profile, intents[0], invoke_id)), 1
    if not profile.link.bundle:
        return payload, taken
    requests: list[apdu.SetRequest] = []
    for intent in intents[:BUNDLE_MAX]:
        request = apdu.decode(encode_command(profile, intent, invoke_id))
        if not isinstance(request, apdu.SetRequest) or request.selector is not None:
            break
        requests.append(request)
        if len(requests) == 1:
            continue
        items = tuple(AttributeOf(each.class_id, each.obis, each.attribute) for each in requests)
        together = blocks.SetWithList(request.invoke_octet, items, tuple(each.value for each in requests))
        try:
            payload, taken = framed(blocks.encode(together)), len(requests)
        except TooLong:
            break
    return payload, taken
