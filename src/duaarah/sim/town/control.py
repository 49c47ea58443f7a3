# SPDX-License-Identifier: Apache-2.0
"""
The verbs of the town's control port. Whatever a verb changed is kept before its answer leaves.

Of the network: `power` cuts or mends one house, `node_power` a feeder or a transformer, `silence` takes a concentrator off the
air, `theft` has energy go beside a meter, `network` tells what is cut, silent and stolen now.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from duaarah.sim.bank.atm import ATM, Sale
from duaarah.sim.bank.notify import BankError
from duaarah.sim.meter.device import Device
from duaarah.sim.meter.server import MeterServer
from duaarah.sim.town.clock import instant_of, instant_us
from duaarah.sim.town.supply import Supply
from duaarah.sim.town.wires import UnknownInTown, above

if TYPE_CHECKING:
    from duaarah.sim.town.server import TownProcess

METERS_AT_ONCE_MAX = 1000
READ_PORTS_MAX = 64
TEXT_MAX = 160
THEFT_W_MAX, THEFT_PERCENT_MAX = 10_000, 95
HISTORY_ROWS = 96  # of load profile when a meter is first read
Reply = dict[str, Any]
Verb = Callable[[Reply], Awaitable[Reply]]


class BadRequest(ValueError):
    """The control port was asked something that it does not understand."""


class Control:
    """What can be asked of one town's process."""

    def __init__(self, process: TownProcess) -> None:
        self._process = process
        self._town = process.town
        self._servers: OrderedDict[str, MeterServer] = OrderedDict()

    def handlers(self) -> dict[str, Verb]:
        """The verbs of the control port."""
        verbs: dict[str, Verb] = {
            "clock": self._op_clock,
            "status": self._op_status,
            "meter": self._op_meter,
            "meters": self._op_meters,
            "phone": self._op_phone,
            "fault": self._op_fault,
            "power": self._op_power,
            "node_power": self._op_node_power,
            "silence": self._op_silence,
            "theft": self._op_theft,
            "network": self._op_network,
            "send": self._op_send,
            "use_up": self._op_use_up,
            "keypad": self._op_keypad,
            "buy_at_atm": self._op_buy_at_atm,
            "repeat_notification": self._op_repeat_notification,
            "forge_notification": self._op_forge_notification,
            "read_port": self._op_read_port,
        }
        return {name: self._keeping(verb) for name, verb in verbs.items()}

    def _keeping(self, verb: Verb) -> Verb:
        async def kept(request: Reply) -> Reply:
            try:
                return await verb(request)
            finally:
                self._town.keep()

        return kept

    async def close(self) -> None:
        """Close the ports of the meters."""
        for server in self._servers.values():
            await server.close()

    # -- the verbs -------------------------------------------------------------------------------------------------

    async def _op_clock(self, request: Reply) -> Reply:
        """{"anchor": ISO time with offset, "rate": n}: the first one starts the day, or takes it up."""
        try:
            anchor = datetime.fromisoformat(_text(request, "anchor"))
        except ValueError as error:
            raise BadRequest("anchor is an ISO time with its offset.") from error
        if anchor.tzinfo is None:
            raise BadRequest("anchor is an ISO time with its offset.")
        self._process.clock.set(instant_us(anchor), _integer(request, "rate"), time.monotonic_ns())
        self._town.start(self._process.now_us())
        self._town.tell_time(self._process.now_us())
        self._process.wake()
        return await self._op_status(request)

    async def _op_status(self, _request: Reply) -> Reply:
        """`busy` counts what is due, unsent, in flight or not yet notified."""
        now_us, due_us = self._process.now_us(), self._town.queue.next_due_us()
        atm = self._town.atm
        return {
            "now": instant_of(now_us).isoformat(),
            "next_due_at": None if due_us is None else instant_of(due_us).isoformat(),
            "busy": self._process.link.busy
            + (self._process.packets.busy if self._process.packets else 0)
            + (atm.pending if atm else 0)
            + (self._town.started and due_us is not None and due_us <= now_us),
            "restored": self._process.restored,
            "running": self._process.clock.rate > 0,
            "bound": self._process.link.esme.bound,
            "link": dict(self._process.link.counts),
            "packets": dict(self._process.packets.counts) if self._process.packets else {},
            "seen": dict(self._town.seen),
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
        drns = list(self._town.supplies)
        return {
            "count": len(drns),
            "meters": [self._supply_now(drn).status() for drn in drns[max(offset, 0) :][: max(limit, 0)]],
        }

    async def _op_phone(self, request: Reply) -> Reply:
        phone = self._town.phones.get(_text(request, "msisdn"))
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
        self._town.note(supply)
        if "modem_dead" in request:
            self._town.set_modem_dead(supply, bool(request["modem_dead"]))
        return supply.status()

    async def _op_power(self, request: Reply) -> Reply:
        """{"drn", "on": bool}"""
        drn = _text(request, "drn")
        self._supply_now(drn)
        self._town.set_power(drn, bool(request.get("on")))
        return self._town.supplies[drn].status()

    async def _op_node_power(self, request: Reply) -> Reply:
        """{"node": a substation's, feeder's or transformer's code, "on": bool}: `changed` are the DRNs whose supply did."""
        self._now()
        return {"changed": self._town.set_node_power(_text(request, "node"), bool(request.get("on")))}

    async def _op_silence(self, request: Reply) -> Reply:
        """{"node", "on": bool}: on, no modem below has network while supply stays; `meters` are the DRNs below."""
        self._now()
        return {"meters": self._town.set_silence(_text(request, "node"), bool(request.get("on")))}

    async def _op_theft(self, request: Reply) -> Reply:
        """{"drn", "on": bool, "watts"?: n, "share_percent"?: n}: beside the meter always, and of all that is used there."""
        drn = _text(request, "drn")
        self._now()
        if not request.get("on"):
            return {"stopped": self._town.stop_theft(drn)}
        watts, percent = _integer(request, "watts", 0), _integer(request, "share_percent", 0)
        if not 0 <= watts <= THEFT_W_MAX or not 0 <= percent <= THEFT_PERCENT_MAX or not watts + percent:
            raise BadRequest(
                f"A theft takes up to {THEFT_W_MAX} watts, or a share of up to {THEFT_PERCENT_MAX} percent."
            )
        self._town.start_theft(drn, watts=watts, share=percent / 100)
        return {"started": 1}

    async def _op_network(self, _request: Reply) -> Reply:
        """What is cut (nodes and DRNs) and silent, where energy goes beside a meter, and the nodes with their meters' number."""
        wires = self._town.wires
        return {
            "dark": sorted(wires.dark),
            "silent": sorted(wires.silent),
            "thefts": sorted({theft.drn for theft in wires.thefts if theft.to_us is None}),
            "nodes": Counter(node for meter in self._town.world.meters for node in above(meter.place)),
        }

    async def _op_use_up(self, request: Reply) -> Reply:
        """{"drn"}: just under the threshold first, then to nothing."""
        drn = _text(request, "drn")
        self._supply_now(drn)
        return {"credit_wh": self._town.use_up(drn)}

    async def _op_keypad(self, request: Reply) -> Reply:
        """{"drn", "digits"}: somebody types at the meter; `result` is the meter's word."""
        drn, digits = _text(request, "drn"), _text(request, "digits")
        if not (len(digits) == 20 and digits.isascii() and digits.isdigit()):
            raise BadRequest("A token has 20 digits.")
        self._supply_now(drn)
        return {"result": self._town.key_in(drn, digits, self._process.now_us())}

    async def _op_send(self, request: Reply) -> Reply:
        """{"from", "text"}: an SMS from any number, known in the town or not."""
        source, text = _text(request, "from"), _text(request, "text")
        if len(text) > TEXT_MAX:
            raise BadRequest(f"A text has at most {TEXT_MAX} characters here.")
        phone = self._town.phones.get(source)
        if phone is not None:
            phone.send(text, self._process.now_us())
        else:
            self._town.send_text(source, text)
        return {}

    async def _op_buy_at_atm(self, request: Reply) -> Reply:
        sale = self._atm().buy(
            _text(request, "drn"), _integer(request, "nominal_idr"), instant_of(self._process.now_us())
        )
        return _sale(sale)

    async def _op_repeat_notification(self, _request: Reply) -> Reply:
        return _sale(self._atm().repeat_latest())

    async def _op_forge_notification(self, request: Reply) -> Reply:
        return _sale(
            self._atm().forge(
                _text(request, "drn"), _integer(request, "nominal_idr"), instant_of(self._process.now_us())
            )
        )

    async def _op_read_port(self, request: Reply) -> Reply:
        """A TCP port of this meter; the ports read longest ago are closed when there are too many."""
        drn = _text(request, "drn")
        supply = self._supply_now(drn)
        server = self._servers.pop(drn, None)
        if server is None:
            server = self._meter_server(supply)
            await server.open()
        self._servers[drn] = server
        while len(self._servers) > READ_PORTS_MAX:
            _, oldest = self._servers.popitem(last=False)
            await oldest.close()
        return {"port": server.port}

    def _meter_server(self, supply: Supply) -> MeterServer:
        """Its pre-established association and its sessions; what they changed is kept before an answer leaves."""

        def now_us() -> int:
            return max(self._town.now_us, self._process.now_us())

        def asked() -> None:
            # The load takes its energy up to now before anything is answered.
            self._supply_now(supply.known.drn)

        def answered() -> None:
            self._town.answered(supply, device.take_pushes())
            self._town.keep()

        device = Device(supply.sim, lambda: instant_of(now_us()), challenge=lambda: secrets.token_bytes(16))
        device.fill(HISTORY_ROWS)
        return MeterServer(supply.sim, device, asked=asked, answered=answered)

    def _now(self) -> None:
        self._town.now_us = max(self._town.now_us, self._process.now_us())

    def _supply_now(self, drn: str) -> Supply:
        self._now()
        return self._town.supply(drn)

    def _atm(self) -> ATM:
        if self._town.atm is None:
            raise BankError("This town has no ATM: it was started without --notify-url.")
        return self._town.atm


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
