# SPDX-License-Identifier: Apache-2.0
"""The whole way in: octets of any framing, blocks, protection, APDU. For reading what foreign meters send.

It says what a message holds, not whether to act on it: replay, addresses and the wish for authenticated encryption are
the head end's (`ciphering`, `duaarah.core.replay`).
"""

from __future__ import annotations

from dataclasses import dataclass

from duaarah.wire.dlms import axdr, blocks, gbt, lenient, link, protection
from duaarah.wire.dlms.blocks import Service
from duaarah.wire.dlms.ciphering import AUTHENTICATED, ENCRYPTED
from duaarah.wire.dlms.data import Data, Tag
from duaarah.wire.dlms.errors import (
    AuthFailed,
    BadChecksum,
    DlmsError,
    Incomplete,
    Malformed,
    UnknownApdu,
    UnknownFraming,
)
from duaarah.wire.dlms.link import Carried, Frame, Framing
from duaarah.wire.dlms.notification import DATA_NOTIFICATION
from duaarah.wire.dlms.protection import ReadKeys

_LAYERS_MAX = 4  # blocks in a protected APDU in blocks ...


@dataclass(frozen=True, slots=True)
class Opened:
    """One APDU (or a value alone, without any), with the counter and the sender of its outermost protection."""

    apdu: Service | Data
    counter: int | None = None
    system_title: bytes | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """What a string of octets held: its frames, and one APDU or several complete ones."""

    framing: Framing
    frames: tuple[Frame, ...]
    opened: tuple[Opened, ...]


def receive(octets: bytes, framing: Framing | None, keys: ReadKeys) -> Received:
    """Read `octets`; framing None = try all. Raises the DlmsError of the first framing that these octets look like."""
    if framing is not None:
        return _receive(octets, framing, keys)
    if not octets:
        raise Incomplete("There are no octets.")
    refused: DlmsError | None = None
    for candidate in link.candidates(octets):
        try:
            return _receive(octets, candidate, keys)
        except BadChecksum:
            raise
        except Malformed as error:  # another framing may explain the octets; a key or a tag is a verdict
            refused = refused or error
    bare = _bare(octets)
    if bare is not None:
        return Received(Framing.RAW, (Frame(Framing.RAW, len(octets), None),), (Opened(bare),))
    raise refused or UnknownFraming("The octets begin like no HDLC or M-Bus frame, no wrapper and no APDU.")


def _receive(octets: bytes, framing: Framing, keys: ReadKeys) -> Received:
    carried = link.carried(octets, framing)
    return Received(framing, carried.frames, _open_all(carried, keys))


def _bare(octets: bytes) -> Data | None:
    """A push body alone, as optical and serial ports of some meters give it."""
    if octets[0] not in (Tag.ARRAY, Tag.STRUCTURE):
        return None
    try:
        return axdr.decode(octets)
    except DlmsError:
        return None


def _open_all(carried: Carried, keys: ReadKeys) -> tuple[Opened, ...]:
    # Link frames of some meters have octets behind a protected APDU.
    tail_ok = carried.framing in (Framing.HDLC, Framing.MBUS)
    payloads = carried.payloads
    if payloads[0][0] == gbt.TAG:
        payloads = (gbt.join(payloads, tail_ok=tail_ok),)
    if len(payloads) == 1:
        return (open_apdu(payloads[0], keys, tail_ok=tail_ok),)
    try:
        return tuple([open_apdu(payload, keys, tail_ok=tail_ok) for payload in payloads])
    except (Incomplete, UnknownApdu):
        # Parts of one APDU in frames that do not say so.
        return (open_apdu(b"".join(payloads), keys, tail_ok=tail_ok),)


def open_apdu(octets: bytes, keys: ReadKeys, *, tail_ok: bool = False) -> Opened:
    """One APDU out of its blocks and protections, `tail_ok` as in `protection.parse`."""
    counter, title, proven = None, None, True
    for _ in range(_LAYERS_MAX):
        if not octets:
            raise Incomplete("There is no APDU.")
        if octets[0] == gbt.TAG:
            octets = gbt.join((octets,))
        elif octets[0] in protection.TAGS:
            envelope = protection.parse(octets, tail_ok=tail_ok)
            octets = protection.unprotect(envelope, keys)
            if counter is None:
                counter, title = envelope.counter, envelope.system_title or keys.system_title
            control = envelope.security_control
            proven = proven and (bool(control & AUTHENTICATED) or not control & ENCRYPTED)
        else:
            return Opened(_apdu(octets, proven=proven), counter, title)
    raise Malformed(f"An APDU is wrapped in more than {_LAYERS_MAX} blocks and protections.")


def _apdu(octets: bytes, *, proven: bool) -> Service:
    try:
        # Encryption alone does not say where the text ends: some meters send a tag without announcing it.
        return blocks.decode(octets, tail_ok=not proven)
    except UnknownApdu as error:
        if proven:
            raise
        raise AuthFailed("What was decrypted is no APDU, so the key is most likely another one.") from error
    except Malformed:
        push = lenient.data_notification(octets) if octets[0] == DATA_NOTIFICATION else None
        if push is None:
            raise
        return push
