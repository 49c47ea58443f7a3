# SPDX-License-Identifier: Apache-2.0
"""The town as a process: one SMPP bind, a control port of JSON lines, and a loop that follows business time."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sqlite3
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from duaarah.net.jsonport import JSONPort
from duaarah.sim.bank.atm import ATM
from duaarah.sim.bank.notify import BankError, Channel, Notifier
from duaarah.sim.meter import MeterPast
from duaarah.sim.town.clock import BusinessClock
from duaarah.sim.town.control import Control
from duaarah.sim.town.link import TownLink
from duaarah.sim.town.memory import Memory
from duaarah.sim.town.packets import PacketLink
from duaarah.sim.town.profiles import Packets
from duaarah.sim.town.town import Town
from duaarah.sim.town.truth import Truth
from duaarah.sim.town.world import CHANNEL, HEAD_END_TITLE, World, make_world

EVENTS_AT_ONCE = 200
KEPT_AFTER_S = 0.05
TOTALS = "totals"  # in --memories: registers (Wh) of total meters by DRN


class TownProcess:
    """Owns the town, its link and its port. Everything runs on one event loop."""

    def __init__(
        self,
        world: World,
        *,
        smsc: tuple[str, int],
        system_id: str,
        password: str,
        notify_url: str | None = None,
        radio_faults: bool = True,
        state: Path | None = None,
        pasts: Mapping[str, MeterPast] | None = None,
        latest_tids: Mapping[str, int] | None = None,
        gateway: tuple[str, int] | None = None,
        truth: Path | None = None,
        total_registers_wh: Mapping[str, int] | None = None,
    ) -> None:
        """
        `state` is the file that outlives the process. `pasts` and the ATM's `latest_tids` are what meters bring along,
        by DRN; a town that is taken up from its file has them there. `gateway`: where meters with packets push to.
        `truth`: the folder for what really happened, the town's own; `total_registers_wh`: what total meters bring along.
        Raises StateRefused, BankError.
        """
        memory = Memory(state, world) if state is not None else None
        self.restored = memory is not None and memory.restored
        self.clock = BusinessClock()
        self.link = TownLink(
            host=smsc[0],
            port=smsc[1],
            system_id=system_id,
            password=password,
            receive=self._receive,
            settled=memory.sent if memory is not None else lambda row: None,
        )
        self._memory = memory
        self._notifier = Notifier(Channel(CHANNEL, world.channel_secret, notify_url)) if notify_url else None
        atm = None
        if self._notifier is not None:
            atm = ATM(world, self._notifier, CHANNEL, latest_tids=latest_tids, ledger=memory)
        self._wake = asyncio.Event()
        self.packets = PacketLink(*gateway, self._packets_answered) if gateway is not None else None
        self.town = Town(
            world,
            send=self.link.send,
            planned=self.wake,
            atm=atm,
            radio_faults=radio_faults,
            pasts=None if self.restored else pasts,
            memory=memory,
            packets=Packets(self.packets.send) if self.packets is not None else None,
            truth=Truth(truth),
            total_registers_wh=total_registers_wh,
        )
        if self.town.started:
            self.clock.stand_at(self.town.now_us)
        self._control = Control(self)
        self._port = JSONPort(self._control.handlers())
        self._tasks: list[asyncio.Task[None]] = []
        self._keeping: asyncio.TimerHandle | None = None

    # -- running ---------------------------------------------------------------------------------------------------

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Open the control port, start the link and the loop of events; returns the control port."""
        number = await self._port.start(host, port)
        if self._memory is not None:
            self._loop = asyncio.get_running_loop()
            self._memory.late = self._told_late
        if self.town.atm is not None:
            self.town.atm.notify_unanswered()
            self.town.keep()
        self._tasks = [asyncio.create_task(self.link.esme.run()), asyncio.create_task(self._follow_time())]
        return number

    async def ended(self) -> None:
        """Wait until a part of the process ends, and raise what ended it."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def stop(self) -> None:
        """Unbind and close everything."""
        await self.link.esme.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.packets is not None:
            await self.packets.close()
        await self._control.close()
        await self._port.stop()
        if self._notifier is not None:
            await asyncio.to_thread(self._notifier.close)
        if self._memory is not None:
            if self._keeping is not None:
                self._keeping.cancel()
            self._memory.late = lambda: None
            self.town.keep()
            self._memory.close()

    def wake(self) -> None:
        """Something new may be due."""
        self._wake.set()

    def now_us(self) -> int:
        """Business time now, in town microseconds."""
        return self.clock.now_us(time.monotonic_ns())

    def _receive(self, destination: str, payload: bytes, data_coding: int) -> None:
        self.town.receive(destination, payload, data_coding, self.now_us())
        self.town.keep()

    def _packets_answered(self, drn: str, answer: bytes | None) -> None:
        self.town.tell_time(self.now_us())
        self.town.packets.answered(self.town, self.town.teller(drn), answer)
        self.town.keep()

    def _told_late(self) -> None:
        """From any thread: something was told outside of a step (an SMS has landed, a notification is answered)."""
        self._loop.call_soon_threadsafe(self._keep_soon)

    def _keep_soon(self) -> None:
        if self._keeping is None:
            self._keeping = asyncio.get_running_loop().call_later(KEPT_AFTER_S, self._keep)

    def _keep(self) -> None:
        self._keeping = None
        self.town.keep()

    async def _follow_time(self) -> None:
        while True:
            self._wake.clear()
            if self.town.started and self.town.run(self.now_us(), EVENTS_AT_ONCE):
                self.town.keep()
                await asyncio.sleep(0)
                continue
            wait_s = self._until_due_s()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait_s)

    def _until_due_s(self) -> float | None:
        due_us = self.town.queue.next_due_us() if self.town.started else None
        if due_us is None:
            return None
        wait_ns = self.clock.machine_ns_until(due_us, time.monotonic_ns())
        return None if wait_ns is None else wait_ns / 1e9


# -- the command ---------------------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`./duaarah sim town`"""
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--meters", type=int, default=50)
    parser.add_argument("--smsc", default="127.0.0.1:2775", metavar="HOST:PORT")
    parser.add_argument("--smsc-user", default="town")
    parser.add_argument("--smsc-password", default="")
    parser.add_argument("--notify-url", help="where the ATM notifies, e.g. http://127.0.0.1:8000 (without: no ATM)")
    parser.add_argument(
        "--gateway", metavar="HOST:PORT", help="where meters with packets push to (without: none has any)"
    )
    parser.add_argument("--control-port", type=int, default=0, help="default: any free port")
    parser.add_argument("--no-radio-faults", action="store_true", help="no lost frames and no dead modem")
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="keep the town in this file: it goes on where it was, after a kill too",
    )
    parser.add_argument(
        "--memories",
        type=Path,
        metavar="FILE",
        help="JSON of meters' states by DRN: what they bring from before the first day",
    )
    parser.add_argument(
        "--truth",
        type=Path,
        metavar="FOLDER",
        help="write what really happened there: losses, thefts, cuts, lost messages",
    )


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM; one JSON line on stdout says the control port once the SMSC took the bind."""
    smsc, gateway = _address(args.smsc), _address(args.gateway or "")
    if smsc is None or (args.gateway and gateway is None):
        print("duaarah: --smsc and --gateway are HOST:PORT.", file=sys.stderr)
        return 2
    try:
        world = make_world(args.seed, args.meters)
        return asyncio.run(_main(args, world, smsc, gateway))
    except (ValueError, BankError) as error:
        print(f"duaarah: {error}", file=sys.stderr)
        return 2
    except sqlite3.Error as error:
        print(f"duaarah: the state file cannot be written: {error}.", file=sys.stderr)
        return 1


def _address(given: str) -> tuple[str, int] | None:
    host, _, port = given.rpartition(":")
    return (host, int(port)) if host and port.isdigit() else None


def _pasts(path: Path | None) -> tuple[dict[str, MeterPast], dict[str, int]]:
    """What --memories names: of customers' meters, and total meters' registers in Wh. Raises ValueError."""
    if path is None:
        return {}, {}
    try:
        states = json.loads(path.read_text())
        pasts = {drn: MeterPast.of_state(state, HEAD_END_TITLE) for drn, state in states.items() if drn != TOTALS}
        return pasts, {drn: int(register_wh) for drn, register_wh in states.get(TOTALS, {}).items()}
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path.name} holds no meters' states.") from error


async def _main(args: argparse.Namespace, world: World, smsc: tuple[str, int], gateway: tuple[str, int] | None) -> int:
    pasts, total_registers_wh = _pasts(args.memories)
    process = TownProcess(
        world,
        smsc=smsc,
        system_id=args.smsc_user,
        password=args.smsc_password,
        notify_url=args.notify_url,
        radio_faults=not args.no_radio_faults,
        state=args.state,
        pasts=pasts,
        latest_tids={drn: max(past.distinct_tids, default=0) for drn, past in pasts.items()},
        gateway=gateway,
        truth=args.truth,
        total_registers_wh=total_registers_wh,
    )
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    control_port = await process.start(port=args.control_port)
    ending = [asyncio.create_task(process.ended()), asyncio.create_task(stopped.wait())]
    bound = asyncio.create_task(process.link.bound.wait())
    try:
        await asyncio.wait([*ending, bound], return_when=asyncio.FIRST_COMPLETED)
        if bound.done():
            print(json.dumps({"control_port": control_port}), flush=True)
            await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
        if ending[0].done():
            ending[0].result()
    finally:
        for task in (*ending, bound):
            task.cancel()
        await process.stop()
    return 0
