# SPDX-License-Identifier: Apache-2.0
"""Image transfer (class 18, IEC 62056-6-2) over an open session: begin, the missing blocks, verification, activation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from duaarah.core.obis import Obis
from duaarah.net.dlms import ServiceRefused, Session, SessionFailed
from duaarah.wire.dlms.apdu import OTHER_REASON, TEMPORARY_FAILURE
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure

IMAGE_CLASS, IMAGE = 18, Obis(0, 0, 44, 0, 0)
VERSION_CLASS, VERSION = 1, Obis(1, 0, 0, 2, 0)
INITIATE, TRANSFER, VERIFY, ACTIVATE = 1, 2, 3, 4
BLOCK_SIZE, BITMAP, STATUS = 2, 3, 6
VERIFIED, VERIFY_FAILED, ACTIVATION_FAILED = 3, 4, 7
POLL_S, POLLS_MAX = 2.0, 15
_NOTHING = Data(Tag.INTEGER, 0)


@dataclass(frozen=True, slots=True)
class Progress:
    """Blocks of the whole image, those that the meter has by its own bitmap, those sent in this session."""

    blocks: int
    there: int
    sent: int


async def version(session: Session) -> str:
    """The firmware that runs, as text."""
    value = (await session.get(VERSION_CLASS, VERSION, 2)).value
    return value.decode("utf-8", "replace").strip("\x00 ") if isinstance(value, bytes) else str(value)


async def initiate(session: Session, identification: bytes, size_octets: int) -> None:
    """Begin an image: the meter forgets a former one."""
    size = Data(Tag.DOUBLE_LONG_UNSIGNED, size_octets)
    await session.act(IMAGE_CLASS, IMAGE, INITIATE, structure(octets(identification), size))


async def send_missing(session: Session, content: bytes, blocks_max: int, told: Callable[[Progress], None]) -> Progress:
    """Send at most so many blocks that are not in the meter's bitmap; `told` after each. Raises as `Session` does."""
    size_octets = (await session.get(IMAGE_CLASS, IMAGE, BLOCK_SIZE)).value
    if not isinstance(size_octets, int) or size_octets <= 0:
        raise SessionFailed("The meter names no size of a block.")
    blocks = -(-len(content) // size_octets)
    bitmap = (await session.get(IMAGE_CLASS, IMAGE, BITMAP)).value
    if not isinstance(bitmap, str) or len(bitmap) < blocks:
        # Another image, or none: ours has to be begun anew.
        raise ServiceRefused(TEMPORARY_FAILURE)
    missing = [number for number in range(blocks) if bitmap[number] == "0"]
    progress = Progress(blocks, blocks - len(missing), 0)
    told(progress)
    for number in missing[:blocks_max]:
        block = content[number * size_octets : (number + 1) * size_octets]
        value = structure(Data(Tag.DOUBLE_LONG_UNSIGNED, number), octets(block))
        await session.act(IMAGE_CLASS, IMAGE, TRANSFER, value)
        progress = Progress(blocks, progress.there + 1, progress.sent + 1)
        told(progress)
    return progress


async def verify(session: Session) -> None:
    """The meter checks what it has; one that needs its time is asked again. ServiceRefused when it does not fit."""
    await _act_and_wait(session, VERIFY, VERIFIED, VERIFY_FAILED)


async def activate(session: Session) -> None:
    """Start what was verified. A meter that hangs up to start anew has done it: the version read back tells."""
    try:
        await session.act(IMAGE_CLASS, IMAGE, ACTIVATE, _NOTHING)
    except ServiceRefused as error:
        if error.result != TEMPORARY_FAILURE or await _status(session) == ACTIVATION_FAILED:
            raise


async def _status(session: Session) -> int:
    return int((await session.get(IMAGE_CLASS, IMAGE, STATUS)).value)


async def _act_and_wait(session: Session, method: int, good: int, bad: int) -> None:
    try:
        await session.act(IMAGE_CLASS, IMAGE, method, _NOTHING)
        return
    except ServiceRefused as error:
        # "temporary failure" says here that it is at it (Blue Book, 4.4.6: the result is in the status).
        if error.result != TEMPORARY_FAILURE:
            raise
    for _ in range(POLLS_MAX):
        status = await _status(session)
        if status == good:
            return
        if status == bad:
            raise ServiceRefused(OTHER_REASON)
        await asyncio.sleep(POLL_S)
    raise SessionFailed("The meter does not come to the end of it.")


__all__ = ["Progress", "activate", "initiate", "send_missing", "verify", "version"]
