# SPDX-License-Identifier: Apache-2.0
"""The daily load profiles of the town's meters with packets: sent, confirmed or sent again; nothing leaves before it is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from duaarah.sim.town.clock import MINUTE_US, Event, instant_of
from duaarah.sim.town.packets import AGAIN_MINUTES, has_packets
from duaarah.sim.town.plans import Deed, SendProfile
from duaarah.sim.town.supply import Supply
from duaarah.sim.town.totals import TotalSupply
from duaarah.sim.town.world import TownMeter, World


class Surroundings(Protocol):
    """The town as profiles need it."""

    now_us: int

    def note(self, supply: Supply | TotalSupply) -> None: ...

    def plan(self, at_us: int, deed: Deed) -> Event: ...

    def advance(self, supply: Supply, at_us: int) -> None: ...

    def once_kept(self, action: Callable[[], None]) -> None: ...


class Packets:
    """`send(drn, octets)` hands a push to the network; without it no meter has packets."""

    def __init__(self, send: Callable[[str, bytes], None] | None = None) -> None:
        self._send = send

    def has(self, world: World, meter: TownMeter) -> bool:
        """Whether this meter's modem has IP too."""
        return self._send is not None and has_packets(world.seed, meter)

    @property
    def any(self) -> bool:
        """Whether there is a network for packets at all."""
        return self._send is not None

    def send_profile(self, town: Surroundings, supply: Supply | TotalSupply, at_us: int) -> None:
        """The oldest day that is over and not told, if there is one."""
        town.note(supply)
        if isinstance(supply, Supply):
            town.advance(supply, at_us)
        push = supply.ip.due(instant_of(at_us)) if supply.ip is not None and not supply.modem_dead else None
        send = self._send
        if push is not None and send is not None:
            town.once_kept(lambda: send(supply.known.drn, push))

    def answered(self, town: Surroundings, supply: Supply | TotalSupply, answer: bytes | None) -> None:
        """The gateway confirmed a push, or not: the next day has its turn, or the same again later."""
        town.note(supply)
        done = answer is not None and supply.ip is not None and supply.ip.receive(answer)
        town.plan(town.now_us + (0 if done else AGAIN_MINUTES * MINUTE_US), SendProfile(supply.known.drn))
