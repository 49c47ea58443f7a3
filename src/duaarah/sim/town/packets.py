# SPDX-License-Identifier: Apache-2.0
"""The town's meters with a packet modem: which they are, and the way of their pushes to the platform's gateway over TCP."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter, deque
from collections.abc import Callable

from duaarah.sim.town.network import TotalMeter
from duaarah.sim.town.world import TownMeter
from duaarah.wire.dlms.errors import DlmsError
from duaarah.wire.dlms.push_stream import PushReader

LOG = logging.getLogger(__name__)
# Losses are only known where all meters of a transformer tell their quarter-hours.
IP_ONE_IN = 1
# After the summaries; a quarter of the meters at a time.
PROFILE_MINUTES = (100, 110, 120, 130)
AGAIN_MINUTES = 15
ANSWER_S = 10.0
AT_ONCE = 20


def _drawn(seed: int, meter: TownMeter | TotalMeter) -> int:
    name = f"duaarah packets {seed} {meter.drn}".encode("ascii")
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big")


def has_packets(seed: int, meter: TownMeter) -> bool:
    """One meter in IP_ONE_IN has a modem for packets too."""
    return _drawn(seed, meter) % IP_ONE_IN == 0


def profile_minute(seed: int, meter: TownMeter | TotalMeter) -> int:
    """The minute of the day at which it sends the profile of the day before."""
    return PROFILE_MINUTES[_drawn(seed, meter) // IP_ONE_IN % len(PROFILE_MINUTES)]


class PacketLink:
    """
    One connection a push: send, wait for the confirmation, close. `answered(drn, octets)` with the wrapped answer, or None
    when there is none: the meter sends again later.
    """

    def __init__(self, host: str, port: int, answered: Callable[[str, bytes | None], None]) -> None:
        self._host, self._port, self._answered = host, port, answered
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self.counts: Counter[str] = Counter()

    @property
    def busy(self) -> int:
        """Pushes that are not answered yet."""
        return len(self._waiting) + len(self._tasks)

    def send(self, drn: str, octets: bytes) -> None:
        """Have a push sent as soon as there is room."""
        self._waiting.append((drn, octets))
        self._pump()

    def _pump(self) -> None:
        while self._waiting and len(self._tasks) < AT_ONCE:
            task = asyncio.get_running_loop().create_task(self._one(*self._waiting.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._pump()

    async def _one(self, drn: str, octets: bytes) -> None:
        answer = None
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await self._exchange(octets)
        except (OSError, TimeoutError, DlmsError) as error:
            LOG.warning("a push was not answered (%s)", type(error).__name__)
        self.counts["confirmed" if answer else "unanswered"] += 1
        self._answered(drn, answer)

    async def _exchange(self, octets: bytes) -> bytes | None:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            writer.write(octets)
            frames = PushReader()
            while data := await reader.read(4096):
                if found := frames.receive(data):
                    return found[0].raw
            return None
        finally:
            writer.close()

    async def close(self) -> None:
        """What is under way is given up: the meters keep it."""
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
