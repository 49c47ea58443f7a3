"""The bank's control port, and the third of the town's purchases that comes to its ATM."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest
from tests.sim.bank.test_atm import METER, WORLD, _bank, _settle

from duaarah.core.gsm7 import encode
from duaarah.sim.bank.server import handlers
from duaarah.sim.town.clock import MINUTE_US
from duaarah.sim.town.sms import GSM7, Outgoing
from duaarah.sim.town.town import Town
from duaarah.sim.town.world import START


def test_buy_repeat_forge_and_status() -> None:
    with _bank([202, 200, 401]) as (atm, platform):
        verbs = handlers(atm, lambda: START)

        def ask(op: str, **content: object) -> dict[str, object]:
            answer: dict[str, object] = asyncio.run(verbs[op]({"op": op, **content}))  # type: ignore[arg-type]
            _settle(atm)
            return answer

        sold = ask("buy", drn=METER.drn, nominal_idr=50_000)
        assert ask("repeat") == sold
        assert ask("forge", drn=METER.drn, nominal_idr=50_000)["tid"] != sold["tid"]
        status = ask("status")
        assert (status["pending"], status["sold"], status["sold_wh"]) == (0, 1, sold["energy_wh"])
        assert status["outcomes"] == {sold["notification_id"]: [200, 1]}
        assert len(platform.taken) == 3


def test_one_purchase_in_three_goes_to_the_atm() -> None:
    with _bank([]) as (atm, platform):
        sent: list[Outgoing] = []
        town = Town(WORLD, send=sent.append, atm=atm)
        town.now_us = 0
        homes = [meter for meter in WORLD.meters if meter.site is None][:30]
        for meter in homes:
            name = f"{meter.drn[:2]}...{meter.drn[-3:]}"
            text = f"Stroom 1,0 kWh (meter {name}). Balas: ISI 50000 K7P utk beli Rp50.000"
            town.receive(meter.holder.phone, encode(text), GSM7, 0)
        town.run(20 * MINUTE_US, 100)
        _settle(atm)
        assert len(sent) == 20 and {sms.payload for sms in sent} == {b"ISI 50000 K7P"}
        assert atm.sold_count == len(platform.taken) == 10
        buyers = {sale.drn for sale in atm.sold}
        assert {meter.holder.phone for meter in homes if meter.drn in buyers}.isdisjoint(sms.source for sms in sent)


def test_without_an_atm_everybody_answers_by_sms() -> None:
    town = Town(WORLD, send=lambda _: None)
    assert not any(town.prefers_atm() for _ in range(9))


def test_the_bank_takes_the_business_time_it_is_given() -> None:
    with _bank([]) as (atm, _):
        verbs = handlers(atm, lambda: datetime.fromisoformat("2026-02-16T10:00:00+07:00"))
        first = asyncio.run(verbs["buy"]({"drn": METER.drn, "nominal_idr": 20_000}))  # type: ignore[arg-type]
        with pytest.raises(KeyError):
            asyncio.run(verbs["buy"]({"nominal_idr": 20_000}))  # type: ignore[arg-type]
        assert first["tid"] == atm.sold[-1].tid and atm.sold_count == 1
        _settle(atm)
