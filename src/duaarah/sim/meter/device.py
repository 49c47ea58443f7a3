# SPDX-License-Identifier: Apache-2.0
"""A simulated meter's logical device: all its COSEM objects, who may associate, and its profiles, over one SimMeter.

The meter's credit, relay, tokens, keys and counters are SimMeter's; profiles, image and settings live here. Rows of
profiles are captured when somebody looks: the register is taken to have run evenly since the row before.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from duaarah.core.obis import Obis
from duaarah.sim.meter.meter import SimMeter
from duaarah.sim.meter.objects import control, network, prepay
from duaarah.sim.meter.objects.associations import VERSIONS, Client, association
from duaarah.sim.meter.objects.base import CosemObject, Level, Value, i32, u8, u16, u32
from duaarah.sim.meter.objects.image import Images
from duaarah.sim.meter.objects.plain import CLOCK, ENERGY_IMPORT, Clock, identity, measured
from duaarah.sim.meter.objects.profile import Column, Profile
from duaarah.sim.meter.objects.security import Security
from duaarah.sim.meter.view import MWH_PER_WH
from duaarah.wire.dlms import access, axdr
from duaarah.wire.dlms.acse import Mechanism
from duaarah.wire.dlms.apdu import OBJECT_UNDEFINED, ActionRequest, SetRequest
from duaarah.wire.dlms.axdr import Data, Tag
from duaarah.wire.dlms.blocks import AttributeOf
from duaarah.wire.dlms.hls import CURRENT_ASSOCIATION
from duaarah.wire.dlms.initiate import Conformance
from duaarah.wire.dlms.sealing import Cipher
from duaarah.wire.dlms.serving import Serving

PDU_MAX = 1024
LOAD_PROFILE, DAILY_PROFILE = Obis(1, 0, 99, 1, 0), Obis(1, 0, 99, 2, 0)
STANDARD_LOG, FRAUD_LOG, RELAY_LOG = (Obis(0, 0, 99, 98, number) for number in (0, 1, 2))
PUBLIC_SAP, READER_SAP, MANAGER_SAP = 16, 2, 1
DEFAULT_PASSWORD = b"reader00"
_NO_ORDERS = (8, 40)
_READS = (
    Conformance.PRIORITY
    | Conformance.BLOCK_GET
    | Conformance.GENERAL_BLOCK_TRANSFER
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.GET
    | Conformance.SELECTIVE_ACCESS
)
_MANAGES = (
    _READS
    | Conformance.GENERAL_PROTECTION
    | Conformance.BLOCK_SET
    | Conformance.BLOCK_ACTION
    | Conformance.SET
    | Conformance.ACTION
    | Conformance.DATA_NOTIFICATION
)
CLIENTS = {
    client.sap: client
    for client in (
        Client(PUBLIC_SAP, Level.PUBLIC, Mechanism.NONE, False, _READS),
        Client(READER_SAP, Level.READER, Mechanism.LLS, False, _READS),
        Client(MANAGER_SAP, Level.MANAGER, Mechanism.HLS_GMAC, True, _MANAGES),
    )
}


def _profiles(load_period_s: int) -> list[Profile]:
    clock = Column(8, CLOCK, 2)
    energy = Column(3, ENERGY_IMPORT, 2)
    status = Column(1, Obis(0, 0, 96, 10, 1), 2)
    export = Column(3, Obis(1, 0, 2, 8, 0), 2)
    credit = Column(111, prepay.ACCOUNT, 5)
    event = [Column(1, Obis(0, 0, 96, 11, number), 2) for number in (0, 1, 2)]
    return [
        Profile(LOAD_PROFILE, (clock, status, energy), period_s=load_period_s, capacity=1_440),
        Profile(DAILY_PROFILE, (clock, energy, export, credit), period_s=86_400, capacity=62),
        *(
            Profile(obis, (clock, column), period_s=0, capacity=100)
            for obis, column in zip((STANDARD_LOG, FRAUD_LOG, RELAY_LOG), event, strict=True)
        ),
    ]


class Device:
    """The application behind every association of one meter. `now` is the world's time, aware."""

    def __init__(
        self,
        meter: SimMeter,
        now: Callable[[], datetime],
        *,
        challenge: Callable[[], bytes],
        password: bytes = DEFAULT_PASSWORD,
        load_period_s: int = 900,
        pdu_max: int = PDU_MAX,
        prefers_general_blocks: bool = False,
        association_version: int = 1,
    ) -> None:
        if association_version not in VERSIONS:
            raise ValueError("Association LN comes in the versions 0, 1 and 2 here.")
        self.meter = meter
        # What associations are made of; `defects` puts others here.
        self.serving: Callable[..., Serving] = Serving
        self.ciphering: Callable[..., Cipher] = Cipher
        self.association_version = association_version
        self._outbox: list[bytes] = []
        self.clock = Clock(now)
        self.images = Images()
        self.profiles = {profile.obis: profile for profile in _profiles(load_period_s)}
        self.terms = access.Terms(
            access={
                client.sap: access.AccessPoint(
                    mechanism=client.mechanism,
                    password=password,
                    ciphered=client.ciphered,
                    conformance=client.conformance,
                )
                for client in CLIENTS.values()
            },
            title=meter.config.system_title,
            challenge=challenge,
            pdu_max=pdu_max,
            window=4,
            prefers_general_blocks=prefers_general_blocks,
        )
        made = self._objects(pdu_max)
        self.objects = {(each.class_id, each.obis): each for each in made}
        self._lists: dict[Level, bytes] = {}
        self._current = {
            client.sap: self._association(client, CURRENT_ASSOCIATION, pdu_max) for client in CLIENTS.values()
        }

    def _association(self, client: Client, obis: Obis, pdu_max: int) -> CosemObject:
        version, server_sap = self.association_version, self.meter.model.server_sap
        return association(client, obis, server_sap, pdu_max, self._object_list, version)

    def _push(self) -> None:
        self._outbox += self.meter.push_now(self.clock.now())

    def take_pushes(self) -> list[bytes]:
        """The SMS that a push setup or script has asked for since the last call."""
        taken, self._outbox = self._outbox, []
        return taken

    def _objects(self, pdu_max: int) -> list[CosemObject]:
        meter = self.meter
        pushes = Obis(0, 6, 25, 9, 0)
        return [
            self.clock.cosem(),
            *identity(meter, lambda: self.images.version),
            *measured(meter, self.clock),
            *(profile.cosem() for profile in self.profiles.values()),
            *(
                self._association(client, Obis(0, 0, 40, 0, number), pdu_max)
                for number, client in enumerate(CLIENTS.values(), start=1)
            ),
            *prepay.objects(meter, self.clock),
            control.relay(meter),
            control.limiter(meter),
            control.calendar(),
            control.schedule(Obis(0, 1, 15, 0, 4), 1),
            control.relay_scripts(meter),
            control.scripts(Obis(0, 0, 10, 0, 108), (40, pushes, 1, self._push)),
            *(network.push_setup(number) for number in (1, 2, 3, 4, 5)),
            network.push_setup(6, (3, ENERGY_IMPORT), push=self._push),
            network.tcp_setup(4059),
            network.gsm_diagnostic(),
            self.images.cosem(),
            Security(meter).cosem(),
        ]

    def cipher(self) -> Cipher:
        """For one association: the meter's present keys and what is counted under them, also when others come."""
        present = self.meter.link.present
        return self.ciphering(
            keys=present.keys,
            title=self.meter.config.system_title,
            next_counter=present.next_counter,
            take_counter=present.take_counter,
        )

    # -- profiles --------------------------------------------------------------------------------------------------

    def fill(self, rows: int) -> None:
        """History of the load profile and of the days, up to now: the register ran evenly from nothing."""
        for obis in (LOAD_PROFILE, DAILY_PROFILE):
            profile = self.profiles[obis]
            count = min(rows, profile.capacity)
            step = timedelta(seconds=profile.period_s)
            latest = _floor(self.clock.now(), profile.period_s)
            used_wh = self.meter.used_mwh // MWH_PER_WH
            for number in range(1, count + 1):
                self._row(profile, latest - step * (count - number), used_wh * number // count)

    def capture(self) -> None:
        """The rows that are due."""
        now = self.clock.now()
        used_wh = self.meter.used_mwh // MWH_PER_WH
        for obis in (LOAD_PROFILE, DAILY_PROFILE):
            profile = self.profiles[obis]
            if not profile.rows:
                self._row(profile, _floor(now, profile.period_s), used_wh)
                continue
            due = profile.due(now)
            before_wh = profile.rows[-1].cells[2 if obis == LOAD_PROFILE else 1].value if due else 0
            for number, at in enumerate(due, start=1):
                self._row(profile, at, before_wh + (used_wh - before_wh) * number // len(due))

    def _row(self, profile: Profile, at: datetime, used_wh: int) -> None:
        if profile.obis == LOAD_PROFILE:
            profile.add(at, u8(0), u32(used_wh))
        else:
            profile.add(at, u32(used_wh), u32(0), i32(self.meter.credit_wh // self.meter.model.energy_step_wh))

    def log(self, obis: Obis, code: int) -> None:
        """An event into one of the logs."""
        self.profiles[obis].add(self.clock.now().replace(microsecond=0), u16(code))

    # -- the application -------------------------------------------------------------------------------------------

    def _find(self, sap: int, item: AttributeOf) -> CosemObject | None:
        if item.class_id == 15 and item.obis == CURRENT_ASSOCIATION:
            return self._current.get(sap)
        return self.objects.get((item.class_id, item.obis))

    def _object_list(self, level: Level) -> bytes:
        known = self._lists.get(level)
        if known is None:
            seen = [each for each in self.objects.values() if each.public or level > Level.PUBLIC]
            known = axdr.encode(Data(Tag.ARRAY, tuple(each.listed(level, self.association_version) for each in seen)))
            self._lists[level] = known
        return known

    @staticmethod
    def _orders(sap: int, item: AttributeOf) -> bool:
        """Whether it may be an order: by the manager; the session's own clock and pushes are the objects' business."""
        return CLIENTS[sap].level is Level.MANAGER and item.class_id not in _NO_ORDERS

    def get(self, sap: int, item: AttributeOf) -> Value:
        """See `access.Application`."""
        found = self._find(sap, item)
        if found is None:
            return OBJECT_UNDEFINED
        if item.class_id == 7:
            self.capture()
        return found.get(item.number, item.selector, item.selection, CLIENTS[sap].level)

    def set(self, sap: int, item: AttributeOf, value: Data) -> int:
        """See `access.Application`."""
        found = self._find(sap, item)
        if self._orders(sap, item):
            request = SetRequest(0, item.class_id, item.obis, item.number, value)
            result = self.meter.perform(request, self.clock.now())
            if result is not None:
                return result
        return OBJECT_UNDEFINED if found is None else found.set(item.number, value, CLIENTS[sap].level)

    def act(self, sap: int, item: AttributeOf, parameter: Data | None) -> tuple[int, Data | None]:
        """See `access.Application`."""
        found = self._find(sap, item)
        was_closed = self.meter.relay_closed
        ordered = None
        if self._orders(sap, item):
            request = ActionRequest(0, item.class_id, item.obis, item.number, parameter)
            ordered = self.meter.perform(request, self.clock.now())
        if ordered is not None:
            result: tuple[int, Data | None] = ordered, None
        elif found is None:
            return OBJECT_UNDEFINED, None
        else:
            result = found.act(item.number, parameter, CLIENTS[sap].level)
        if self.meter.relay_closed != was_closed:
            self.log(RELAY_LOG, 61 if self.meter.relay_closed else 60)
        return result


def _floor(at: datetime, period_s: int) -> datetime:
    """The latest multiple of the period in the day of `at`."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (at - midnight) // timedelta(seconds=period_s) * timedelta(seconds=period_s)
