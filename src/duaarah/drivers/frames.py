# SPDX-License-Identifier: Apache-2.0
"""From a plain APDU to the payload of one SMS and back: suite-0 ciphering, then the wrapper of the meter's kind."""

from __future__ import annotations

from dataclasses import dataclass, field

from duaarah.drivers.kinds import Profile
from duaarah.wire.dlms import ciphering, wrapper
from duaarah.wire.dlms.ciphering import Ciphered, Keys
from duaarah.wire.dlms.errors import TooLong, WrongAddress
from duaarah.wire.dlms.wrapper import SMS_OCTETS, Wrapped

# A meter's message in at most 30 parts: a day of quarters of an hour with many channels has ten.
MESSAGE_OCTETS = 30 * 134


@dataclass(frozen=True, slots=True)
class Protected:
    """A meter's frame before anything in it is proven: use `system_title` only to find the keys."""

    system_title: bytes
    counter: int
    ciphered: Ciphered = field(repr=False)


def frame(profile: Profile, apdu: bytes, *, keys: Keys, system_title: bytes, counter: int, to_meter: bool) -> bytes:
    """The payload of one SMS; TooLong past 140 octets.

    `system_title` is the originator's: the head end's towards a meter, the meter's from it. It is one half of the
    GCM nonce, so the two must differ, and `counter` must be persisted before the call and never used twice.
    """
    ciphered = ciphering.protect(apdu, keys=keys, system_title=system_title, counter=counter)
    link = profile.link
    saps = (link.client_sap, link.server_sap) if to_meter else (link.server_sap, link.client_sap)
    wrapped = Wrapped(*saps, ciphered)
    order = link.short_order
    payload = wrapper.wrap(wrapped) if order is None else wrapper.wrap_short(wrapped, order)
    if len(payload) > SMS_OCTETS:
        raise TooLong(f"One SMS carries {SMS_OCTETS} octets, this frame has {len(payload)}.")
    return payload


def unframe(profile: Profile, payload: bytes) -> Protected:
    """
    Take a meter's SMS apart, unproven, whole if it came in parts. WrongAddress, Malformed or Incomplete when it is not one
    of this kind.
    """
    if len(payload) > MESSAGE_OCTETS:
        raise TooLong(f"A message in parts carries {MESSAGE_OCTETS} octets, not {len(payload)}.")
    link = profile.link
    order = link.short_order
    wrapped = wrapper.unwrap(payload) if order is None else wrapper.unwrap_short(payload, order)
    if (wrapped.source, wrapped.destination) != (link.server_sap, link.client_sap):
        raise WrongAddress("The frame does not come from the meter's SAP to ours.")
    ciphered = ciphering.parse(wrapped.apdu)
    return Protected(ciphered.system_title, ciphered.counter, ciphered)


def open_frame(protected: Protected, *, keys: Keys) -> bytes:
    """The plain APDU, authenticated; AuthFailed or Unprotected otherwise. Only after it may the counter be judged."""
    return ciphering.unprotect(protected.ciphered, keys)
