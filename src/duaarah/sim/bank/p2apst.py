# SPDX-License-Identifier: Apache-2.0
"""
The P2APST double: a server that sells real tokens of the seeded town's meters over ISO 8583, and errs when it is told to.

It lives in the time that requests carry (field 12). One JSON line on stdout says its ports.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from duaarah.core.sts.errors import STSError
from duaarah.net.jsonport import JSONPort
from duaarah.sim.bank.central import Central, Debt, central_of
from duaarah.sim.bank.host import Desk, phase_of, target_of
from duaarah.sim.bank.host_faults import Fault, FaultRefused, Faults, from_request
from duaarah.sim.town.world import make_world
from duaarah.wire.iso8583 import Deframer, FrameError, Framing, ISOError, decode, encode, frame

READ_OCTETS = 65536
ENDED_KEPT = 100
BILLS_MAX = 4
STOP_S = 2.0
GARBAGE = "\x00\x01 no message at all"
Reply = dict[str, Any]
DEBTS = (
    Debt("5351126110001", "CONTOH PELANGGAN", "531000000018", "PEMASANGAN BARU", [1_218_000]),
    Debt("539988880001", "CONTOH PASCABAYAR", "539988880001", "", [250_000, 275_000]),
)


class P2APST:
    """`ended`: why the last connections were closed by this side."""

    def __init__(self, central: Central, framing: Framing = Framing.LENGTH2) -> None:
        self.central = central
        self.framing = framing
        self.faults = Faults()
        self.ended: deque[str] = deque(maxlen=ENDED_KEPT)
        self.taken = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> int:
        """Bind; returns the port."""
        self._server = await asyncio.start_server(self._serve, host, port)
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    async def stop(self) -> None:
        """Close every connection; answers that wait never come."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        for writer in list(self._writers):
            writer.close()
        if self._serving:
            await asyncio.wait(self._serving, timeout=STOP_S)

    def drop_connections(self) -> int:
        """Close what is open, as a network that breaks; returns how many."""
        writers = list(self._writers)
        for writer in writers:
            writer.transport.abort()
        return len(writers)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        deframer, desk = Deframer(self.framing), Desk(self.central)
        self._writers.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while octets := await reader.read(READ_OCTETS):
                try:
                    messages, broken = deframer.feed(octets), None
                except FrameError as error:
                    messages, broken = error.messages, error
                for text in messages:
                    if not self._take(desk, text, writer):
                        return
                if broken is not None:
                    self._end(writer, f"{broken.code}: {broken}")
                    return
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            self._serving.discard(task)
            writer.close()

    def _take(self, desk: Desk, text: str, writer: asyncio.StreamWriter) -> bool:
        """Begin to answer one message; False when the connection ends instead."""
        self.taken += 1
        try:
            message = decode(text)
        except ISOError as error:
            refused = desk.bad(error)
            if refused is None:
                self._end(writer, f"{error.code}: {error}")
                return False
            self._write(writer, encode(*refused))
            return True
        fault = self.faults.take(target_of(message), phase_of(message))
        try:
            answer = desk.answer(message, fault)
        except STSError as error:
            self._end(writer, f"{error.code}: {error}")
            return False
        if fault.close:
            self._end(writer, "a fault asked for it")
            return False
        self._later(self._give(writer, answer, fault))
        return True

    def _later(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _give(self, writer: asyncio.StreamWriter, answer: tuple[str, dict[str, Any]], fault: Fault) -> None:
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if fault.garbage:
            self._write(writer, GARBAGE)
        if not fault.lose:
            for _ in range(fault.repeat):
                self._write(writer, encode(*answer))

    def _write(self, writer: asyncio.StreamWriter, text: str) -> None:
        if not writer.is_closing():
            writer.write(frame(text, self.framing))

    def _end(self, writer: asyncio.StreamWriter, reason: str) -> None:
        self.ended.append(reason)
        print(f"p2apst: a connection was closed: {reason}", file=sys.stderr, flush=True)
        writer.close()


def handlers(host: P2APST) -> dict[str, Callable[[Reply], Awaitable[Reply]]]:
    """The verbs of the control port; docs/protocols/iso8583.md lists them."""
    central = host.central

    async def fault(request: Reply) -> Reply:
        host.faults.add(from_request(request))
        return {"rules": len(host.faults.rules)}

    async def clear(_: Reply) -> Reply:
        host.faults.clear()
        return {"rules": 0}

    async def status(_: Reply) -> Reply:
        sales = list(central.sales.values())
        return {
            "taken": host.taken,
            "sold": len(sales),
            "sold_idr": sum(sale.nominal_idr for sale in sales),
            "sold_wh": sum(sale.energy_wh for sale in sales),
            "faults_done": host.faults.done,
            "rules": len(host.faults.rules),
            "ended": list(host.ended),
            "deposit_idr": dict(central.deposit_idr),
            "cut_off": central.cut_off,
        }

    async def meters(request: Reply) -> Reply:
        rows = list(central.customers.values())[: int(request.get("limit", 20))]
        return {"meters": [{"meter": row.meter.drn, "idpel": row.meter.idpel} for row in rows]}

    async def drop(_: Reply) -> Reply:
        return {"dropped": host.drop_connections()}

    return {"fault": fault, "clear": clear, "status": status, "meters": meters, "drop": drop, **_books(central)}


def _books(central: Central) -> dict[str, Callable[[Reply], Awaitable[Reply]]]:
    """The verbs that change what the double's books say."""

    async def set_(request: Reply) -> Reply:
        """`cut_off` (bool); `deposit_idr` {partner: rupiah}; `blocked` [partners]."""
        if "cut_off" in request:
            central.cut_off = bool(request["cut_off"])
        if "deposit_idr" in request:
            central.deposit_idr = {str(name): int(value) for name, value in request["deposit_idr"].items()}
        if "blocked" in request:
            central.blocked = {str(name) for name in request["blocked"]}
        return {"ok": True}

    async def unsold(request: Reply) -> Reply:
        """A token of this nominal that was paid for and never collected."""
        customer = central.customers[str(request["meter"])]
        customer.unsold_idr.append(int(request["nominal_idr"]))
        return {"unsold": len(customer.unsold_idr)}

    async def debt(request: Reply) -> Reply:
        """A registration, or an IDPEL's bills."""
        bills = [int(value) for value in request["bills_idr"]]
        if not 1 <= len(bills) <= BILLS_MAX:
            raise FaultRefused(f"There are 1 to {BILLS_MAX} bills.")
        number = str(request["number"])
        name, idpel = str(request.get("name", "CONTOH PELANGGAN")), str(request.get("idpel", number))
        central.debts[number] = Debt(number, name, idpel, str(request.get("transaction_name", "")), bills)
        return {"debts": len(central.debts)}

    async def settle(_: Reply) -> Reply:
        """The day's payments are settled: a reversal comes too late now (0012)."""
        paid = [one for one in central.debts.values() if one.paid_as is not None]
        for one in paid:
            one.settled = True
        return {"settled": len(paid)}

    return {"set": set_, "unsold": unsold, "debt": debt, "settle": settle}


def made(seed: int, meters: int, framing: Framing = Framing.LENGTH2) -> P2APST:
    """The double for a seeded town. Raises ValueError for a town that cannot be."""
    debts = [Debt(one.number, one.name, one.idpel, one.transaction_name, list(one.bills_idr)) for one in DEBTS]
    return P2APST(central_of(make_world(seed, meters), debts), framing)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`./duaarah sim p2apst`"""
    parser.add_argument("--port", type=int, default=0, help="ISO 8583 port (default: any free one)")
    parser.add_argument("--control-port", type=int, default=0, help="JSON port (default: any free one)")
    parser.add_argument("--framing", choices=[str(one) for one in Framing], default=str(Framing.LENGTH2))
    parser.add_argument("--seed", type=int, default=7, help="of the town whose meters it sells for")
    parser.add_argument("--meters", type=int, default=50)


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or Ctrl-C."""
    try:
        asyncio.run(_main(made(args.seed, args.meters, Framing(args.framing)), args.port, args.control_port))
    except (ValueError, OverflowError, OSError) as error:
        print(f"duaarah: {error}", file=sys.stderr)
        return 2
    return 0


async def _main(host: P2APST, port: int, control_port: int) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    control = JSONPort(handlers(host))
    numbers = {"port": await host.start(port), "control_port": await control.start(port=control_port)}
    meter = next(iter(host.central.customers.values())).meter
    print(json.dumps({**numbers, "framing": str(host.framing), "meter": meter.drn, "idpel": meter.idpel}), flush=True)
    await stopped.wait()
    await control.stop()
    await host.stop()
