"""A small town in the database: one household per call, its simulated meter, and the null modem between the two."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from django.db import connection, transaction

from duaarah.core.gsm7 import decode, encode
from duaarah.core.smsplan import ReportingPlan
from duaarah.core.sts import DecoderKey, KeyConfiguration, KeyRegister, MeterDecoder, derive, luhn_digit, pan_of
from duaarah.headend.models import InvocationCounter
from duaarah.headend.operations import claim_and_send
from duaarah.headend.ports import MeterKeys
from duaarah.keystore import FileKeyStore
from duaarah.messaging.operations import hand_over
from duaarah.notices.operations import take_frame
from duaarah.people.models import AccountHolder, Customer, Organisation
from duaarah.people.operations import set_pin
from duaarah.registry.models import Meter, Modem, Pairing, Sim
from duaarah.sim.meter import MeterConfig, SimMeter
from duaarah.sim.smsc.operator import ACTIVE, SIM, Operator
from duaarah.sms.models import Bind, InboundSms, OutboundSegment
from duaarah.sms.operations import claim_inbound
from duaarah.texting.conversation import answer
from duaarah.vending.models import Channel
from duaarah.vending.operations import fill_wallet, resume_key_changes
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wiring.drivers import HEAD_END_TITLE, DriverDirectory
from duaarah.wiring.keystores import MeterKeyring, wrap_meter_keys
from duaarah.wiring.token_sources import OwnKeys

WIB = dt.timezone(dt.timedelta(hours=7))
START = dt.datetime(2026, 2, 16, 8, 0, tzinfo=WIB)
VENDING_KEY = bytes(range(1, 21))
CONFIGURATION = KeyConfiguration(dkga="04", ea="07", sgc="999901", ti="01", krn=1, kt=2, ken=255, base_date=2014)


@dataclass
class House:
    """One household: its rows, its simulated meter, and the phone's inbox."""

    meter: Meter
    pairing: Pairing
    sim: SimMeter
    holder: AccountHolder


class Town:
    """
    The platform's verbs and the far ends, joined without a network: what a segment carries is handed over. `smsc` is the
    operator's own count of what crossed.
    """

    def __init__(self, folder: Path) -> None:
        self.store = FileKeyStore.create(folder / "keys", "a passphrase for tests")
        self.store.add(
            KeyRegister(register_id="test", dkga="04", sgc="999901", krn=1, kt=2, ken=255, base_date=2014),
            VENDING_KEY,
        )
        self.source = OwnKeys(self.store)
        self.driver, self.keys = DriverDirectory(), MeterKeyring(self.store)
        self.now = START
        self.operator = Organisation.objects.create(code="OPS", name="Opsel", kind="MOBILE_OPERATOR")
        self.bind = Bind.objects.create(
            name="test",
            operator=self.operator,
            host="127.0.0.1",
            port=1,
            system_id="x",
            password_wrapped=b"",
            short_codes=["3123", "8123"],
        )
        self.channel = Channel.objects.create(code="SMS", name="SMS", kind="WALLET")
        self.houses: list[House] = []
        self.inbox: dict[str, list[str]] = {}
        self.smsc = Operator()

    def house(
        self,
        *,
        wallet_idr: int = 200_000,
        profile: str = "single-phase-modem",
        credit_wh: int = 6_000,
        reporting: ReportingPlan | None = None,
        **meter: object,
    ) -> House:
        """Register a household with a paired meter."""
        number = len(self.houses) + 1
        payload = f"99{number:08d}"
        drn = payload + luhn_digit(payload)
        keys = MeterKeys(bytes([number]) * 16, bytes([number + 100]) * 16, bytes([number + 50]) * 16)
        holder = AccountHolder.objects.create(name=f"Contoh {number:03d}", kind="HOUSEHOLD", language="id")
        set_pin(holder=holder, pin="123456")
        customer = Customer.objects.create(idpel=f"53511{number:07d}", name=holder.name, holder=holder)
        row = Meter.objects.create(
            drn=drn,
            pan=pan_of(drn),
            profile=profile,
            customer=customer,
            **{
                "tariff_group": "R-1",
                "region": "Depok",
                "contracted_va": 1300,
                "low_credit_threshold_wh": 5_000,
                **meter,
            },
            system_title=b"DUA" + number.to_bytes(5, "big"),
            dlms_keys_wrapped=wrap_meter_keys(self.store, drn, keys),
            sts_register="test",
            sgc="999901",
            ti="01",
            krn=1,
            kt=2,
            ken=255,
            base_date=2014,
            dkga="04",
            ea="07",
        )
        InvocationCounter.objects.create(meter=row)
        sim = Sim.objects.create(
            iccid=f"8962{number:016d}", msisdn=f"6281100000{number:03d}", operator=self.operator, state="ACTIVE"
        )
        self.smsc.add(SIM(sim.iccid, sim.msisdn, ACTIVE))
        pairing = Pairing.objects.create(
            meter=row,
            sim=sim,
            modem=Modem.objects.create(imei=f"{number:015d}"),
            phone=f"6281200000{number:03d}",
            valid=(START - dt.timedelta(days=1), None),
        )
        if wallet_idr:
            fill_wallet(holder=holder, amount_idr=wallet_idr, reference=f"first:{number}", now=self.now)
        made = House(row, pairing, self._simulated(row, keys, credit_wh, reporting), holder)
        self.houses.append(made)
        return made

    def _simulated(self, row: Meter, keys: MeterKeys, credit_wh: int, reporting: ReportingPlan | None) -> SimMeter:
        key = DecoderKey("07", derive(VENDING_KEY, CONFIGURATION, row.pan))
        return SimMeter(
            MeterConfig(
                kind=row.profile,
                drn=row.drn,
                system_title=bytes(row.system_title),
                keys=Keys(keys.encryption, keys.authentication),
                client_titles=(HEAD_END_TITLE,),
                decoder=MeterDecoder(key),
                credit_wh=credit_wh,
                low_credit_threshold_wh=row.low_credit_threshold_wh,
                reporting=reporting,
                master_key=keys.master,
            )
        )

    # -- the null modem ----------------------------------------------------------------------------------------------

    def arrive(self, *, source: str, payload: bytes, kind: str, data_coding: int) -> int:
        """An SMS from the field, as the links worker commits it."""
        self.smsc.charge("", source, "3123", now=self.now.timestamp())
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            machine_now = cursor.fetchone()[0]
        return InboundSms.objects.create(
            bind=self.bind,
            kind=kind,
            source=source,
            destination="3123",
            data_coding=data_coding,
            esm_class=0,
            payload=payload,
            digest=bytes(32),
            received_at=machine_now,
            arrived_at=self.now,
            state="RECEIVED",
        ).pk

    def push(self, house: House, payloads: list[bytes]) -> None:
        for payload in payloads:
            self.arrive(source=house.pairing.sim.msisdn, payload=payload, kind="BINARY", data_coding=4)

    def text(self, house: House, words: str) -> None:
        self.arrive(source=house.pairing.phone, payload=encode(words), kind="TEXT", data_coding=0)

    def use(self, house: House, energy_wh: int) -> None:
        """The household uses energy; its meter says what it has to say."""
        self.push(house, house.sim.consume(energy_wh * 1000, self.now))

    def run(self, *, to_meters: bool = True) -> None:
        """Turn every crank until nothing moves; `to_meters=False`: the radio is dead, frames are lost."""
        for _ in range(40):
            moved = 0
            for inbound_id in claim_inbound(kind="TEXT", limit=20, lease_s=30):
                answer(inbound_id=inbound_id, token_source=self.source, now=self.now)
                moved += 1
            for inbound_id in claim_inbound(kind="BINARY", limit=20, lease_s=30):
                take_frame(inbound_id=inbound_id, driver=self.driver, keys=self.keys, now=self.now)
                moved += 1
            moved += claim_and_send(driver=self.driver, keys=self.keys, now=self.now, lease_s=60)
            moved += hand_over(now=self.now)
            moved += resume_key_changes(source=self.source, now=self.now)
            moved += self._carry(to_meters)
            if not moved:
                return
        raise AssertionError("the town does not come to rest")

    def _carry(self, to_meters: bool) -> int:
        segments = list(OutboundSegment.objects.filter(state="QUEUED").order_by("priority", "id"))
        for segment in segments:
            with transaction.atomic():
                OutboundSegment.objects.filter(pk=segment.pk).update(state="ACCEPTED")
            self.smsc.charge(str(segment.pk), segment.source, segment.destination, now=self.now.timestamp())
            if segment.data_coding == 0:
                self.inbox.setdefault(segment.destination, []).append(decode(bytes(segment.payload)))
                continue
            for house in self.houses:
                if to_meters and house.pairing.sim.msisdn == segment.destination:
                    self.push(house, house.sim.receive_sms(bytes(segment.payload), self.now))
        return len(segments)

    def end_leases_now(self) -> None:
        """Machine time passes: every open lease of a command ends."""
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE headend_command SET lease_until_at = clock_timestamp() - interval '1 second'"
                " WHERE state = 'SENT'"
            )

    def words_to(self, house: House) -> list[str]:
        return self.inbox.get(house.pairing.phone, [])
