# SPDX-License-Identifier: Apache-2.0
"""Deeds of the past as rows of every table that they would have touched, in the platform's own words."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from duaarah.core.gsm7 import encode
from duaarah.core.intent import DailySummary, DataBlock, LowCredit, PowerRestored, TokenResult
from duaarah.headend.operations.frames import KINDS
from duaarah.headend.operations.told import event_data
from duaarah.messaging.texts import kwh, local_time, render, rupiah, short_drn, token_groups
from duaarah.notices.operations import CODE_DIGITS, CODE_LETTERS, CODE_LIFE_S, SUGGESTED_IDR
from duaarah.registry.models import Meter
from duaarah.sim.town.past import SMS
from duaarah.sim.town.world import TownMeter
from duaarah.sms.models import Bind, MessageClass, PackageRule, Priority
from duaarah.sms.operations.enqueue import package_month
from duaarah.stage.history.days import day_rows
from duaarah.stage.history.money import Money
from duaarah.stage.history.replay import Asked, Bought, Heard, Sent
from duaarah.stage.history.tables import Row, Table
from duaarah.vending.models import Channel
from duaarah.vending.operations.configuration import COLUMNS

SHORT_CODE = "3123"
BINARY, GSM7 = 4, 0
DELIVERED = 2  # SMPP message_state
_ZONE = "Asia/Jakarta"
_TABLES = (
    *("sms_inboundsms", "sms_outboundsegment", "sms_receipt", "sms_packageentry", "notices_replycode"),
    *("messaging_message", "headend_attempt", "headend_meterevent", "readings_interval"),
)


@dataclass(frozen=True)
class Registered:
    """The ids of what is registered, by the names that the world uses."""

    meter_ids: dict[str, int]
    holder_ids: dict[str, int]
    configurations: dict[str, dict[str, Any]]
    channel_ids: dict[str, int]
    bind_id: int
    counting: dict[str, bool]

    @classmethod
    def read(cls) -> Registered:
        """From the database."""
        meters = list(Meter.objects.select_related("customer"))
        rules = PackageRule.objects.order_by("valid_from_date").values_list("message_class", "counts")
        return cls(
            meter_ids={m.drn: m.pk for m in meters},
            holder_ids={m.drn: m.customer.holder_id for m in meters if m.customer is not None},
            configurations={m.drn: {name: getattr(m, name) for name in COLUMNS} for m in meters},
            channel_ids=dict(Channel.objects.values_list("code", "id")),
            bind_id=Bind.objects.values_list("pk", flat=True)[0],
            counting=dict(rules),
        )


class Rows:
    """Collects rows in the order of time; `segments_counted` is what an SMSC would have counted, receipts excluded."""

    def __init__(self, known: Registered) -> None:
        self.known = known
        self.balances: dict[str, tuple[int, datetime]] = {}
        self.supplied_since: dict[str, datetime] = {}
        self.segments_counted = 0
        self._dice = random.Random("duaarah history")
        self._codes: dict[str, Row] = {}
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            self.machine_now_at: datetime = cursor.fetchone()[0]
        self.money = Money(known, self._dice, self.machine_now_at)
        self._tables = {name: Table(name) for name in _TABLES}

    def tables(self) -> list[Table]:
        """All of them; each after those that it points to."""
        return [*self.money.tables(), *self._tables.values()]

    # -- deeds -----------------------------------------------------------------------------------------------------

    def asked(self, deed: Asked) -> None:
        """SALDO, and its answer."""
        meter, at = deed.meter, deed.at
        if meter.drn not in self.balances:
            return
        balance_wh, read_at = self.balances[meter.drn]
        words = "SALDO" if meter.site is None else f"SALDO {meter.site.alias}"
        inbound = self._text_in(meter, words, "balance", at)
        language = meter.holder.language
        text = render(
            "balance",
            language,
            kwh=kwh(balance_wh, language),
            meter=_name(meter),
            time=local_time(read_at, _ZONE, language),
        )
        self._message(
            meter,
            f"reply:{inbound['id']}",
            "balance",
            text,
            (MessageClass.REPLY, Priority.REPLY),
            at,
            bind_name="opsel-1",
        )

    def bought(self, deed: Bought) -> None:
        """A purchase up to the queued command; one by SMS has its question first, which spends the reply code."""
        reference = f"web:{uuid.UUID(int=self._dice.getrandbits(128), version=4)}"
        if deed.what.via == SMS:
            code = self._codes.get(deed.meter.drn)
            fits = code is not None and deed.what.nominal_idr <= SUGGESTED_IDR and code["used_at"] is None
            authority = code["code"] if fits and code is not None else deed.meter.holder.pin
            inbound = self._text_in(deed.meter, f"ISI {deed.what.nominal_idr} {authority}", "bought", deed.at)
            reference = f"sms:{inbound['id']}"
            if fits and code is not None:
                code["used_at"], code["used_by"] = deed.at, reference
        self.money.bought(deed, reference)

    def sent(self, deed: Sent) -> None:
        """A frame: segment, attempt, and what the network said of it."""
        purchase = self.money.purchase(deed)
        again = purchase.command["attempts"] > 0
        purchase.command["attempts"] += 1
        segment = self._segment(
            deed.meter,
            (MessageClass.METER_FRAME, Priority.TOKEN),
            deed.meter.msisdn,
            deed.payload,
            deed.at,
            purchase.correlation,
            coding=BINARY,
            again=again,
        )
        self._tables["headend_attempt"].add(
            command_id=purchase.command["id"],
            meter_id=self.known.meter_ids[deed.meter.drn],
            counter=deed.counter,
            segment_id=segment["id"],
            started_at=self.machine_now_at,
        )

    def heard(self, deed: Heard) -> None:
        """A meter's frame: event, package, and what follows from what it says."""
        meter, at, report = deed.meter, deed.at, deed.report
        kind = KINDS[type(report)].value
        outcome = f"token_{report.result}" if isinstance(report, TokenResult) else kind.lower()
        inbound = self._inbound("BINARY", meter.msisdn, deed.payload, BINARY, outcome, at)
        purchase = self.money.purchase(deed) if deed.purchase is not None else None
        self._package(
            inbound_id=inbound["id"],
            meter=meter,
            message_class=MessageClass.METER_ANSWER if purchase is not None else _pushed(kind),
            again=deed.again,
            correlation=None if purchase is None else purchase.correlation,
            at=at,
        )
        self._tables["headend_meterevent"].add(
            meter_id=self.known.meter_ids[meter.drn],
            kind=kind,
            counter=deed.counter,
            inbound_id=inbound["id"],
            meter_at=report.at,
            arrived_at=at,
            recorded_at=self.machine_now_at,
            data=event_data(report),
        )
        if isinstance(report, DailySummary):
            for row in day_rows(self.known.meter_ids[meter.drn], report, deed.counter, at):
                self._tables["readings_interval"].add(**row)
        match report:
            case LowCredit(remaining_wh=remaining_wh):
                self.balances[meter.drn] = (remaining_wh, at)
                self._warn(meter, remaining_wh, at)
            case TokenResult():
                self.balances[meter.drn] = (report.balance_wh, at)
                self.supplied_since.setdefault(meter.drn, at)
                self._receipt(deed, report)
            case DataBlock() | DailySummary():
                self.balances[meter.drn] = (report.balance_wh, at)
            case PowerRestored():
                self.supplied_since[meter.drn] = at

    # -- SMS -------------------------------------------------------------------------------------------------------

    def _warn(self, meter: TownMeter, remaining_wh: int, at: datetime) -> None:
        earlier = self._codes.get(meter.drn)
        if earlier is not None and earlier["used_at"] is None:
            earlier["used_at"], earlier["used_by"] = at, "replaced"
        drawn = "".join(self._dice.choice(letters) for letters in (CODE_LETTERS, CODE_DIGITS, CODE_LETTERS))
        live = {(row["phone"], row["code"]) for row in self._codes.values() if row["used_at"] is None}
        while (meter.holder.phone, drawn) in live:
            drawn = "".join(self._dice.choice(letters) for letters in (CODE_LETTERS, CODE_DIGITS, CODE_LETTERS))
        row = self._tables["notices_replycode"].add(
            phone=meter.holder.phone,
            code=drawn,
            meter_id=self.known.meter_ids[meter.drn],
            nominal_idr=SUGGESTED_IDR,
            created_at=at,
            expires_at=at + timedelta(seconds=CODE_LIFE_S),
            used_at=None,
            used_by="",
        )
        self._codes[meter.drn] = row
        language = meter.holder.language
        text = render(
            "low_credit",
            language,
            kwh=kwh(remaining_wh, language),
            meter=_name(meter),
            nominal_plain=str(SUGGESTED_IDR),
            nominal=rupiah(SUGGESTED_IDR, language),
            code=drawn,
        )
        occasion = f"low_credit:code:{row['id']}"
        self._message(meter, occasion, "low_credit", text, (MessageClass.WARNING, Priority.LOW_CREDIT), at)

    def _receipt(self, deed: Heard, report: TokenResult) -> None:
        purchase, language = self.money.purchase(deed), deed.meter.holder.language
        self.money.loaded(purchase, report, deed.at)
        text = render(
            "receipt",
            language,
            kwh=kwh(purchase.vend["encoded_wh"], language),
            nominal=rupiah(purchase.bought.what.nominal_idr, language),
            balance=kwh(report.balance_wh, language),
            token=token_groups(purchase.bought.digits),
        )
        occasion = f"receipt:vend:{purchase.vend['id']}"
        ranks = (MessageClass.RECEIPT, Priority.TOKEN)
        self._message(deed.meter, occasion, "receipt", text, ranks, deed.at, correlation=purchase.correlation)

    def _text_in(self, meter: TownMeter, words: str, outcome: str, at: datetime) -> Row:
        inbound = self._inbound("TEXT", meter.holder.phone, encode(words), GSM7, outcome, at)
        self._package(
            inbound_id=inbound["id"],
            meter=meter,
            message_class=MessageClass.CUSTOMER_MO,
            again=False,
            correlation=None,
            at=at,
        )
        return inbound

    def _inbound(self, kind: str, source: str, payload: bytes, coding: int, outcome: str, at: datetime) -> Row:
        self.segments_counted += 1
        return self._tables["sms_inboundsms"].add(
            bind_id=self.known.bind_id,
            kind=kind,
            source=source,
            destination=SHORT_CODE,
            data_coding=coding,
            esm_class=0,
            payload=payload,
            digest=self._dice.randbytes(32),
            received_at=self.machine_now_at,
            arrived_at=at,
            state="DONE",
            lease_until_at=None,
            attempts=1,
            outcome=outcome,
        )

    def _message(
        self,
        meter: TownMeter,
        dedupe: str,
        template: str,
        text: str,
        ranks: tuple[MessageClass, Priority],
        at: datetime,
        *,
        correlation: uuid.UUID | None = None,
        bind_name: str = "",
    ) -> None:
        segment = self._segment(meter, ranks, meter.holder.phone, encode(text), at, correlation)
        self._tables["messaging_message"].add(
            dedupe=dedupe,
            meter_id=self.known.meter_ids[meter.drn],
            phone=meter.holder.phone,
            source=SHORT_CODE,
            template=template,
            language=meter.holder.language,
            text=text,
            message_class=ranks[0].value,
            priority=int(ranks[1]),
            bind_name=bind_name,
            correlation=correlation,
            state="HANDED",
            created_at=at,
            due_at=at,
            segment_id=segment["id"],
        )

    def _segment(
        self,
        meter: TownMeter,
        ranks: tuple[MessageClass, Priority],
        destination: str,
        payload: bytes,
        at: datetime,
        correlation: uuid.UUID | None,
        *,
        coding: int = GSM7,
        again: bool = False,
    ) -> Row:
        self.segments_counted += 1
        registered = ranks[1] == Priority.TOKEN
        segment = self._tables["sms_outboundsegment"].add(
            bind_id=self.known.bind_id,
            meter_id=self.known.meter_ids[meter.drn],
            message_class=ranks[0].value,
            priority=int(ranks[1]),
            retry=again,
            source=SHORT_CODE,
            destination=destination,
            data_coding=coding,
            esm_class=0,
            payload=payload,
            validity_s=4 * 3600,
            registered=registered,
            correlation=correlation,
            created_at=at,
            state="DELIVERED" if registered else "ACCEPTED",
            attempts=1,
            not_before_at=self.machine_now_at,
            lease_until_at=None,
            submitted_at=self.machine_now_at,
            answered_at=self.machine_now_at,
            smsc_message_id=f"h{self.segments_counted:08x}",
            smsc_status=0,
        )
        if registered:
            self._tables["sms_receipt"].add(
                bind_id=self.known.bind_id,
                segment_id=segment["id"],
                message_ids=[segment["smsc_message_id"]],
                state=DELIVERED,
                error="000",
                text="",
                received_at=self.machine_now_at,
            )
        for kind in ("RESERVE", "SETTLE"):
            self._package(
                kind=kind,
                segment_id=segment["id"],
                meter=meter,
                message_class=ranks[0],
                again=again,
                correlation=correlation,
                at=at,
            )
        return segment

    def _package(
        self,
        *,
        meter: TownMeter,
        message_class: MessageClass,
        again: bool,
        correlation: uuid.UUID | None,
        at: datetime,
        kind: str = "SETTLE",
        segment_id: int | None = None,
        inbound_id: int | None = None,
    ) -> None:
        self._tables["sms_packageentry"].add(
            kind=kind,
            segment_id=segment_id,
            inbound_id=inbound_id,
            meter_id=self.known.meter_ids[meter.drn],
            message_class=message_class.value,
            counts=self.known.counting.get(message_class.value, True),
            retry=again,
            correlation=correlation,
            at=at,
            month_date=package_month(at),
        )


def _pushed(kind: str) -> MessageClass:
    """The class of a meter's own push, as the head end books it."""
    if kind in ("DATA_BLOCK", "DAILY_SUMMARY"):
        return MessageClass.METER_DATA
    return MessageClass.METER_FAULT if kind in ("LAST_GASP", "POWER_RESTORED") else MessageClass.METER_PUSH


def _name(meter: TownMeter) -> str:
    """How its holder is told of a meter: a site's alias, or the ends of the number."""
    return meter.site.alias if meter.site is not None else short_drn(meter.drn)
