# SPDX-License-Identifier: Apache-2.0
"""The town as a process: one SMPP bind, a control port of JSON lines, and a loop that follows business time."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from duaarah.net.jsonport import JSONPort
from duaarah.sim.bank.atm import ATM, Sale
from duaarah.sim.bank.notify import BankError, Channel, Notifier
from duaarah.sim.meter.server import MeterServer
from duaarah.sim.town.clock import BusinessClock, instant_of, instant_us
from duaarah.sim.town.link import TownLink
from duaarah.sim.town.town import Town, UnknownInTown
from duaarah.sim.town.world import CHANNEL, World, make_world

EVENTS_AT_ONCE = 200
METERS_AT_ONCE_MAX = 1000
READ_PORTS_MAX = 64
TEXT_MAX = 160
Reply = dict[str, Any]


class BadRequest(ValueError):
    """The control port was asked something that it does not understand."""


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
    ) -> None:
        self.clock = BusinessClock()
        self.link = TownLink(host=smsc[0], port=smsc[1], system_id=system_id, password=password, receive=self._receive)
        self._notifier = Notifier(Channel(CHANNEL, world.channel_secret, notify_url)) if notify_url else None
        atm = ATM(world, self._notifier, CHANNEL) if self._notifier else None
        self._wake = asyncio.Event()
        self.town = Town(world, send=self.link.send, planned=self._wake.set, atm=atm, radio_faults=radio_faults)
        self._servers: OrderedDict[str, MeterServer] = OrderedDict()
        self._port = JSONPort(self.handlers())
        self._tasks: list[asyncio.Task[None]] = []

    def handlers(self) -> dict[str, Callable[[Reply], Awaitable[Reply]]]:
        """The verbs of the control port."""
        return {
            "clock": self._op_clock,
            "status": self._op_status,
            "meter": self._op_meter,
            "meters": self._op_meters,
            "phone": self._op_phone,
            "fault": self._op_fault,
            "power": self._op_power,
            "send": self._op_send,
            "use_up": self._op_use_up,
            "keypad": self._op_keypad,
            "buy_at_atm": self._op_buy_at_atm,
            "repeat_notification": self._op_repeat_notification,
            "forge_notification": self._op_forge_notification,
            "read_port": self._op_read_port,
        }

    # -- running ---------------------------------------------------------------------------------------------------

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Open the control port, start the link and the loop of events; returns the control port."""
        number = await self._port.start(host, port)
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
        for server in self._servers.values():
            await server.close()
        await self._port.stop()
        if self._notifier is not None:
            await asyncio.to_thread(self._notifier.close)

    def _now_us(self) -> int:
        return self.clock.now_us(time.monotonic_ns())

    def _receive(self, destination: str, payload: bytes, data_coding: int) -> None:
        self.town.receive(destination, payload, data_coding, self._now_us())

    async def _follow_time(self) -> None:
        while True:
            self._wake.clear()
            if self.town.started and self.town.run(self._now_us(), EVENTS_AT_ONCE):
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

    # -- control port ----------------------------------------------------------------------------------------------

    async def _op_clock(self, request: Reply) -> Reply:
        """{"anchor": ISO time with offset, "rate": n}: the first one starts the day."""
        try:
            anchor = datetime.fromisoformat(_text(request, "anchor"))
        except ValueError as error:
            raise BadRequest("anchor is an ISO time with its offset.") from error
        if anchor.tzinfo is None:
            raise BadRequest("anchor is an ISO time with its offset.")
        self.clock.set(instant_us(anchor), _integer(request, "rate"), time.monotonic_ns())
        self.town.start(self._now_us())
        self._wake.set()
        return await self._op_status(request)

    async def _op_status(self, _request: Reply) -> Reply:
        """`busy` counts what is due, unsent, in flight or not yet notified."""
        now_us, due_us = self._now_us(), self.town.queue.next_due_us()
        atm = self.town.atm
        return {
            "now": instant_of(now_us).isoformat(),
            "next_due_at": None if due_us is None else instant_of(due_us).isoformat(),
            "busy": self.link.busy
            + (atm.pending if atm else 0)
            + (self.town.started and due_us is not None and due_us <= now_us),
            "bound": self.link.esme.bound,
            "link": dict(self.link.counts),
            "seen": dict(self.town.seen),
            "atm_sold": atm.sold_count if atm else 0,
            "atm_sold_wh": atm.sold_wh if atm else 0,
            "notifications_refused": sum(o.status // 100 != 2 for o in atm.outcomes.values()) if atm else 0,
        }

    async def _op_meter(self, request: Reply) -> Reply:
        return self._supply_now(_text(request, "drn")).status()

    async def _op_meters(self, request: Reply) -> Reply:
        """{"offset"?, "limit"?}: a page of all meters."""
        offset = _integer(request, "offset", 0)
        limit = min(_integer(request, "limit", METERS_AT_ONCE_MAX), METERS_AT_ONCE_MAX)
        drns = list(self.town.supplies)
        return {
            "count": len(drns),
            "meters": [self._supply_now(drn).status() for drn in drns[max(offset, 0) :][: max(limit, 0)]],
        }

    async def _op_phone(self, request: Reply) -> Reply:
        phone = self.town.phones.get(_text(request, "msisdn"))
        if phone is None:
            raise UnknownInTown("There is no phone of this number in the town.")
        return {
            "msisdn": phone.number,
            "meters": [meter.drn for meter in phone.meters],
            "inbox": list(phone.inbox),
            "outbox": list(phone.outbox),
        }

    async def _op_fault(self, request: Reply) -> Reply:
        """{"drn", "tid_store_off"?: bool, "modem_dead"?: bool, "lose_next_answer"?: n}"""
        supply = self._supply_now(_text(request, "drn"))
        if "tid_store_off" in request:
            supply.sim.faults.tid_store_off = bool(request["tid_store_off"])
        if "lose_next_answer" in request:
            supply.sim.faults.lose_next_answer = int(request["lose_next_answer"])
        if "modem_dead" in request:
            self.town.set_modem_dead(supply, bool(request["modem_dead"]))
        return supply.status()

    async def _op_power(self, request: Reply) -> Reply:
        """{"drn", "on": bool}"""
        drn = _text(request, "drn")
        self._supply_now(drn)
        self.town.set_power(drn, bool(request.get("on")))
        return self.town.supplies[drn].status()

    async def _op_use_up(self, request: Reply) -> Reply:
        """{"drn"}: just under the threshold first, then to nothing."""
        drn = _text(request, "drn")
        self._supply_now(drn)
        return {"credit_wh": self.town.use_up(drn)}

    async def _op_keypad(self, request: Reply) -> Reply:
        """{"drn", "digits"}: somebody types at the meter; `result` is the meter's word."""
        drn, digits = _text(request, "drn"), _text(request, "digits")
        if not (len(digits) == 20 and digits.isascii() and digits.isdigit()):
            raise BadRequest("A token has 20 digits.")
        self._supply_now(drn)
        return {"result": self.town.key_in(drn, digits, self._now_us())}

    async def _op_send(self, request: Reply) -> Reply:
        """{"from", "text"}: an SMS from any number, known in the town or not."""
        source, text = _text(request, "from"), _text(request, "text")
        if len(text) > TEXT_MAX:
            raise BadRequest(f"A text has at most {TEXT_MAX} characters here.")
        phone = self.town.phones.get(source)
        if phone is not None:
            phone.send(text, self._now_us())
        else:
            self.town.send_text(source, text)
        return {}

    async def _op_buy_at_atm(self, request: Reply) -> Reply:
        sale = self._atm().buy(_text(request, "drn"), _integer(request, "nominal_idr"), instant_of(self._now_us()))
        return _sale(sale)

    async def _op_repeat_notification(self, _request: Reply) -> Reply:
        return _sale(self._atm().repeat_latest())

    async def _op_forge_notification(self, request: Reply) -> Reply:
        return _sale(
            self._atm().forge(_text(request, "drn"), _integer(request, "nominal_idr"), instant_of(self._now_us()))
        )

    async def _op_read_port(self, request: Reply) -> Reply:
        """A TCP port of this meter; the ports read longest ago are closed when there are too many."""
        drn = _text(request, "drn")
        supply = self._supply_now(drn)
        server = self._servers.pop(drn, None)
        if server is None:
            server = MeterServer(supply.sim)
            await server.open()
        self._servers[drn] = server
        while len(self._servers) > READ_PORTS_MAX:
            _, oldest = self._servers.popitem(last=False)
            await oldest.close()
        return {"port": server.port}

    def _supply_now(self, drn: str) -> Any:
        self.town.now_us = max(self.town.now_us, self._now_us())
        return self.town.supply(drn)

    def _atm(self) -> ATM:
        if self.town.atm is None:
            raise BankError("This town has no ATM: it was started without --notify-url.")
        return self.town.atm


def _text(request: Reply, name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"{name} is missing.")
    return value


def _integer(request: Reply, name: str, default: int | None = None) -> int:
    value = request.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadRequest(f"{name} is a whole number.")
    return value


def _sale(sale: Sale) -> Reply:
    return {
        "notification_id": sale.notification_id,
        "drn": sale.drn,
        "tid": sale.tid,
        "energy_wh": sale.energy_wh,
        "amount_idr": sale.amount_idr,
    }


# -- the command ---------------------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`./duaarah sim town`"""
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--meters", type=int, default=50)
    parser.add_argument("--smsc", default="127.0.0.1:2775", metavar="HOST:PORT")
    parser.add_argument("--smsc-user", default="town")
    parser.add_argument("--smsc-password", default="")
    parser.add_argument("--notify-url", help="where the ATM notifies, e.g. http://127.0.0.1:8000 (without: no ATM)")
    parser.add_argument("--control-port", type=int, default=0, help="default: any free port")
    parser.add_argument("--no-radio-faults", action="store_true", help="no lost frames and no dead modem")


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM; one JSON line on stdout says the control port once the SMSC took the bind."""
    host, separator, port = args.smsc.rpartition(":")
    if not separator or not port.isdigit():
        print("duaarah: --smsc is HOST:PORT.", file=sys.stderr)
        return 2
    try:
        world = make_world(args.seed, args.meters)
        return asyncio.run(_main(args, world, (host, int(port))))
    except (ValueError, BankError) as error:
        print(f"duaarah: {error}", file=sys.stderr)
        return 2


async def _main(args: argparse.Namespace, world: World, smsc: tuple[str, int]) -> int:
    process = TownProcess(
        world,
        smsc=smsc,
        system_id=args.smsc_user,
        password=args.smsc_password,
        notify_url=args.notify_url,
        radio_faults=not args.no_radio_faults,
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
