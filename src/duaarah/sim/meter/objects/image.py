# SPDX-License-Identifier: Apache-2.0
"""Image transfer (18): blocks in any order, a bitmap to resume from, verification, activation.

An image of this maker ends with the SHA-256 of what stands before; its first line is the version it brings.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from duaarah.core.obis import Obis
from duaarah.sim.meter.link import Dropped
from duaarah.sim.meter.objects.base import CosemObject, array, computed, constant, enum, u32
from duaarah.wire.dlms.apdu import OTHER_REASON, SUCCESS, TEMPORARY_FAILURE, TYPE_UNMATCHED
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure

IMAGE = Obis(0, 0, 44, 0, 0)
BLOCK_OCTETS, IMAGE_MAX, DIGEST_OCTETS = 192, 1 << 20, 32
IDLE, INITIATED, VERIFIED, VERIFY_FAILED, ACTIVATED = 0, 1, 3, 4, 6


def image_of(version: bytes, body: bytes) -> bytes:
    """An image that verifies."""
    content = version + b"\n" + body
    return content + hashlib.sha256(content).digest()


@dataclass(slots=True)
class ImageFaults:
    """What a test may break: the connection after so many more blocks, the block that is kept with a flipped bit."""

    lose_connection_after: int | None = None
    spoil_block: int | None = None


class Images:
    """What has been transferred so far, and the firmware that runs. `received` counts blocks, repeats too."""

    def __init__(self, version: bytes = b"DUA-1.0") -> None:
        self.version = version
        self.faults = ImageFaults()
        self.received: list[int] = []
        self._identification, self._size = b"", 0
        self._blocks: dict[int, bytes] = {}
        self._status = IDLE

    @property
    def _count(self) -> int:
        return -(-self._size // BLOCK_OCTETS)

    def _missing(self) -> int:
        return next((number for number in range(self._count) if number not in self._blocks), self._count)

    def initiate(self, parameter: Data | None) -> tuple[int, Data | None]:
        """image_transfer_initiate {identification, size}: forgets a former image."""
        match parameter:
            case Data(Tag.STRUCTURE, (Data(_, bytes() as name), Data(_, int() as size))) if 0 < size <= IMAGE_MAX:
                self._identification, self._size, self._blocks, self._status = name, size, {}, INITIATED
                return SUCCESS, None
        return TYPE_UNMATCHED, None

    def transfer(self, parameter: Data | None) -> tuple[int, Data | None]:
        """image_block_transfer {number from 0, octets}: a block twice is the same block."""
        match parameter:
            case Data(Tag.STRUCTURE, (Data(_, int() as number), Data(_, bytes() as block))):
                expected = min(BLOCK_OCTETS, self._size - number * BLOCK_OCTETS)
                if self._status != INITIATED or not 0 <= number < self._count:
                    return TEMPORARY_FAILURE, None
                if len(block) != expected:
                    return OTHER_REASON, None
                self._lose_connection()
                if number == self.faults.spoil_block:
                    block = bytes((block[0] ^ 1,)) + block[1:]
                self._blocks[number] = block
                self.received.append(number)
                return SUCCESS, None
        return TYPE_UNMATCHED, None

    def _lose_connection(self) -> None:
        left = self.faults.lose_connection_after
        if left is not None:
            self.faults.lose_connection_after = left - 1 if left else None
            if not left:
                raise Dropped("connection_lost")

    def _content(self) -> bytes:
        return b"".join(self._blocks[number] for number in range(self._count))

    def verify(self, _parameter: Data | None) -> tuple[int, Data | None]:
        """image_verify: complete, and the digest matches."""
        if self._status not in (INITIATED, VERIFIED, VERIFY_FAILED) or self._missing() < self._count:
            return TEMPORARY_FAILURE, None
        content = self._content()
        good = hashlib.sha256(content[:-DIGEST_OCTETS]).digest() == content[-DIGEST_OCTETS:]
        self._status = VERIFIED if good and b"\n" in content else VERIFY_FAILED
        return (SUCCESS if self._status == VERIFIED else OTHER_REASON), None

    def activate(self, _parameter: Data | None) -> tuple[int, Data | None]:
        """image_activate: only what was verified."""
        if self._status != VERIFIED:
            return TEMPORARY_FAILURE, None
        self.version = self._content().split(b"\n", 1)[0][:32]
        self._status = ACTIVATED
        return SUCCESS, None

    def state(self) -> dict[str, Any]:
        """As JSON values: a transfer is resumed after a power failure."""
        return {
            "version": self.version.hex(),
            "identification": self._identification.hex(),
            "size": self._size,
            "status": self._status,
            "blocks": {str(number): block.hex() for number, block in self._blocks.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a former `state()`."""
        self.version = bytes.fromhex(state["version"])
        self._identification, self._size = bytes.fromhex(state["identification"]), state["size"]
        self._status = state["status"]
        self._blocks = {int(number): bytes.fromhex(block) for number, block in state["blocks"].items()}

    def cosem(self) -> CosemObject:
        """The object."""

        def bitmap() -> Data:
            return Data(Tag.BIT_STRING, "".join("01"[number in self._blocks] for number in range(self._count)))

        def info() -> Data:
            if self._status not in (VERIFIED, ACTIVATED):
                return array([])
            digest = self._content()[-DIGEST_OCTETS:]
            return array([structure(u32(self._size), octets(self._identification), octets(digest))])

        return CosemObject(
            18,
            0,
            IMAGE,
            {
                2: constant(u32(BLOCK_OCTETS)),
                3: computed(bitmap),
                4: computed(lambda: u32(self._missing())),
                5: constant(Data(Tag.BOOLEAN, True)),
                6: computed(lambda: enum(self._status)),
                7: computed(info),
            },
            {1: self.initiate, 2: self.transfer, 3: self.verify, 4: self.activate},
        )
