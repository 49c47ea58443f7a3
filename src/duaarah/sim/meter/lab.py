# SPDX-License-Identifier: Apache-2.0
"""One meter on a laboratory's table: its DLMS server, its pushes, a load, and a control port for what breaks meters."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from types import TracebackType
from typing import Any, Protocol

from duaarah.net.jsonport import JSONPort
from duaarah.sim.meter.device import Device
from duaarah.sim.meter.keypad import Keypad
from duaarah.sim.meter.outbound import LineFaults, Outbound
from duaarah.sim.meter.server import MeterServer

WIB = timezone(timedelta(hours=7))
COUNTER_JUMP_MAX = 1 << 31
VOLTAGE_MV = 220_400  # as its register says
Reply = dict[str, Any]


class BadOrder(ValueError):
    """The control port was asked something that it does not understand."""


class LabClock:
    """The world's time as the meter's quartz counts it: `drift_ppm` fast since it was set."""

    def __init__(self) -> None:
        self._set_at, self._told = datetime.now(WIB), datetime.now(WIB)
        self.drift_ppm = 0

    def now(self) -> datetime:
        """Now, by the quartz."""
        elapsed = datetime.now(WIB) - self._set_at
        return self._told + elapsed + elapsed * self.drift_ppm / 1_000_000

    def drift(self, ppm: int) -> None:
        """From now on so much faster; what it has gained stays."""
        self._told, self._set_at, self.drift_ppm = self.now(), datetime.now(WIB), ppm


class Carrier(Protocol):
    """A bearer with a life of its own."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Lab:
    """`async with Lab(...)`: serves until the block ends. Every change is kept (`keep`) before its answer leaves."""

    def __init__(
        self,
        device: Device,
        clock: LabClock,
        line: Outbound,
        keep: Callable[[], None],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        control_port: int | None = None,
        carriers: tuple[Carrier, ...] = (),
        load_w: int = 0,
        tick_s: float = 1.0,
    ) -> None:
        self.device, self.clock, self.line, self._keep = device, clock, line, keep
        self.load_w, self._tick_s, self._carriers = load_w, tick_s, carriers
        self.keypad = Keypad(device)
        self.server = MeterServer(device.meter, device, host=host, port=port, answered=keep)
        self._wanted_control = control_port
        self.control_port: int | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Lab:
        for carrier in self._carriers:
            await carrier.start()
            self._stack.push_async_callback(carrier.stop)
        await self._stack.enter_async_context(self.server)
        if self._wanted_control is not None:
            port = JSONPort(self._handlers())
            self.control_port = await port.start(port=self._wanted_control)
            self._stack.push_async_callback(port.stop)
        ticking = asyncio.create_task(self._tick())
        self._stack.push_async_callback(_cancelled, ticking)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    # -- the supply ------------------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        """The load runs, and the meter looks at its threshold; also without a load."""
        loop = asyncio.get_running_loop()
        before_s = loop.time()
        while True:
            await asyncio.sleep(self._tick_s)
            self._day()
            now_s = loop.time()
            self.use(int(self.load_w * (now_s - before_s) / 3.6))
            before_s = now_s

    def _day(self) -> None:
        """What the day's summary gathers, and what is due by the meter's own clock."""
        meter, now = self.device.meter, self.device.clock.now()
        meter.close_day(now)
        meter.sample(self.load_w, VOLTAGE_MV)
        if pushes := meter.report(now):
            self.say(pushes)

    def use(self, energy_mwh: int) -> None:
        """The load takes so much now."""
        meter = self.device.meter
        before = (meter.credit_mwh, meter.armed)
        pushes = meter.consume(energy_mwh, self.device.clock.now())
        if pushes or before != (meter.credit_mwh, meter.armed):
            self.say(pushes)

    def say(self, pushes: list[bytes] | tuple[bytes, ...]) -> None:
        """Keep first, then speak: a counter that left is never used again."""
        self._keep()
        self.line.send(pushes)

    # -- the control port ------------------------------------------------------------------------------------------

    def _handlers(self) -> dict[str, Callable[[Reply], Awaitable[Reply]]]:
        verbs = (self.status, self.faults, self.set_clock, self.counter_jump, self.modem, self.power, self.type)
        named = {verb.__name__: verb for verb in (*verbs, self.load, self.use_up, self.push)}
        named["clock"], named["keypad"] = named.pop("set_clock"), named.pop("type")

        def handler(verb: Callable[[Reply], Reply]) -> Callable[[Reply], Awaitable[Reply]]:
            async def run(request: Reply) -> Reply:
                return verb(request)

            return run

        return {name: handler(verb) for name, verb in named.items()}

    def status(self, _request: Reply) -> Reply:
        """The figures of the meter and of its line."""
        meter = self.device.meter
        return {
            "credit_wh": meter.credit_wh,
            "used_wh": meter.used_mwh // 1000,
            "threshold_wh": meter.threshold_wh,
            "relay_closed": meter.relay_closed,
            "powered": meter.powered,
            "reachable": meter.reachable,
            "tokens_accepted": meter.tokens_accepted,
            "sent_counter": meter.link.sent_counter,
            "now": self.device.clock.now().isoformat(),
            "offset_s": round(self.device.clock.offset.total_seconds()),
            "load_w": self.load_w,
            "dropped": dict(meter.dropped),
            "line": dict(self.line.counts),
        }

    def faults(self, request: Reply) -> Reply:
        """{"lose"?, "double"?, "reorder"?, "late"?: how many pushes, "late_s"?}"""
        for field in fields(LineFaults):
            if field.name in request:
                setattr(self.line.faults, field.name, _number(request, field.name))
        return {field.name: getattr(self.line.faults, field.name) for field in fields(LineFaults)}

    def set_clock(self, request: Reply) -> Reply:
        """{"offset_s"?: seconds wrong, "drift_ppm"?: so much too fast}"""
        if "offset_s" in request:
            self.device.clock.offset = timedelta(seconds=_number(request, "offset_s"))
        if "drift_ppm" in request:
            self.clock.drift(int(_number(request, "drift_ppm")))
        self._keep()
        return self.status(request)

    def counter_jump(self, request: Reply) -> Reply:
        """{"by": n}: the meter's invocation counter leaps ahead."""
        by = int(_number(request, "by"))
        if not 0 <= by <= COUNTER_JUMP_MAX:
            raise BadOrder("A counter leaps ahead, never back.")
        link = self.device.meter.link
        link.restore({"sent_counter": link.sent_counter + by, "windows": {}})
        self._keep()
        return self.status(request)

    def modem(self, request: Reply) -> Reply:
        """{"dead": bool}"""
        self.device.meter.faults.modem_dead = bool(request.get("dead"))
        if request.get("dead"):
            self.server.hang_up()
        return self.status(request)

    def power(self, request: Reply) -> Reply:
        """{"on": bool}: a cut ends every connection after the last gasp."""
        meter, now = self.device.meter, self.device.clock.now()
        if request.get("on"):
            self.say(meter.power_restored(now))
        else:
            self.say(meter.power_cut(now))
            self.server.hang_up()
        return self.status(request)

    def type(self, request: Reply) -> Reply:
        """{"keys": "..."}: somebody types at the meter."""
        keys = request.get("keys")
        if not isinstance(keys, str) or not 0 < len(keys) <= 40:
            raise BadOrder("keys is what is typed, 40 characters at most.")
        shown = self.keypad.type(keys)
        self.say(shown.pushes)
        return {"display": shown.display, "result": shown.result}

    def load(self, request: Reply) -> Reply:
        """{"load_w": n}"""
        load_w = int(_number(request, "load_w"))
        if not 0 <= load_w <= 100_000:
            raise BadOrder("A load is 0 to 100000 W.")
        self.load_w = load_w
        return self.status(request)

    def use_up(self, request: Reply) -> Reply:
        """{"energy_wh": n}: the load takes it at once."""
        energy_wh = int(_number(request, "energy_wh"))
        if energy_wh < 0:
            raise BadOrder("A load takes energy, it gives none back.")
        self.use(energy_wh * 1000)
        return self.status(request)

    def push(self, request: Reply) -> Reply:
        """The register block, now."""
        self.say(self.device.meter.push_now(self.device.clock.now()))
        return self.status(request)


def _number(request: Reply, name: str) -> float:
    value = request.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadOrder(f"{name} is a number.")
    return value


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
