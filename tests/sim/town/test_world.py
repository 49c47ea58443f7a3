"""The seeded world: the same for the same seed, valid in every field, calibrated."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest

from duaarah.core.msisdn import canonical
from duaarah.core.sts import check_drn, check_pan, drn_of, luhn_digit
from duaarah.core.tariff.tables import terms
from duaarah.sim.town.load import DAY_US, HOUR_US
from duaarah.sim.town.world import HEAD_END_TITLE, READER_TITLE, START, World, make_world


def _low_minute(world: World, index: int) -> int:
    meter = world.meters[index]
    need_mwh = (meter.credit_wh - meter.threshold_wh) * 1000 + 1
    return meter.curve.instant_of_mwh(need_mwh) * 60 // HOUR_US


def test_the_same_seed_gives_the_same_world_and_another_seed_another() -> None:
    assert make_world(7, 50) == make_world(7, 50)
    assert make_world(7, 50) != make_world(8, 50)
    assert make_world(7, 50).vending_key != make_world(8, 50).vending_key


@pytest.mark.parametrize("meters", [1, 2, 8, 10, 50, 400])
def test_every_field_is_valid_and_unique(meters: int) -> None:
    world = make_world(7, meters)
    for meter in world.meters:
        assert check_drn(meter.drn).startswith("99") and len(meter.drn) == 11
        assert drn_of(check_pan(meter.pan)) == meter.drn
        assert len(meter.system_title) == 8 and meter.system_title not in (HEAD_END_TITLE, READER_TITLE)
        assert canonical(meter.msisdn) == meter.msisdn and canonical(meter.holder.phone) == meter.holder.phone
        assert luhn_digit(meter.iccid[:-1]) == meter.iccid[-1] and len(meter.iccid) == 19
        assert luhn_digit(meter.imei[:-1]) == meter.imei[-1] and len(meter.imei) == 15
        assert (len(meter.ek), len(meter.ak), len(meter.idpel), len(meter.holder.pin)) == (16, 16, 12, 6)
        assert meter.contracted_va >= 6_600 or meter.profile == "single-phase-modem"
        assert 0 < meter.threshold_wh < meter.credit_wh
        assert terms(
            group=meter.tariff_group,
            va=meter.contracted_va,
            region=meter.region,
            nominal_idr=50_000,
            date=START.date(),
            admin_idr=0,
        ).rate_idr_per_kwh
        assert len(world.decoder_key(meter).octets) == {"07": 8, "11": 16}[meter.sts.ea]
    for name in ("drn", "pan", "system_title", "msisdn", "iccid", "imei", "ek", "ak", "idpel"):
        assert len({getattr(meter, name) for meter in world.meters}) == meters
    homes = [meter.holder.phone for meter in world.meters if not meter.site]
    assert len(set(homes)) == len(homes)


def test_a_town_of_fifty_has_its_mix() -> None:
    world = make_world(7, 50)
    assert START.isoformat() == "2026-02-16T00:00:00+07:00"
    sites = [meter for meter in world.meters if meter.site]
    assert len(sites) == 6
    assert {meter.holder.name for meter in sites} == {"Menara Contoh"}
    assert [m.site.alias for m in sites if m.site] == ["BTS001", "BB001", "ATM001", "BTS002", "BB002", "ATM002"]
    assert set(Counter(meter.profile for meter in world.meters)) == {
        "single-phase-modem",
        "three-phase-modem",
        "three-phase-retrofit",
    }
    assert {meter.sts.ea for meter in world.meters} == {"07", "11"}
    assert {meter.holder.language for meter in world.meters} == {"id", "en"}
    assert sum(holder.wallet_idr == 0 for holder in world.holders) == 6
    assert all(holder.wallet_idr == 0 or holder.wallet_idr >= 500_000 for holder in world.holders)
    verbs = Counter(question.text.split()[0] for question in world.questions)
    assert (verbs["SALDO"], verbs["BANTUAN"], verbs["TOKEN"]) == (5, 3, 3)
    assert 12 <= len(world.questions) <= 13


@pytest.mark.parametrize("seed", range(5))
def test_half_of_the_meters_run_low_once_in_the_day(seed: int) -> None:
    world = make_world(seed, 50)
    minutes = [_low_minute(world, index) for index in range(50)]
    low = [minute for minute in minutes if minute < 24 * 60]
    assert len(low) in (25, 26)
    assert all(5 * 60 <= minute <= 21 * 60 + 10 for minute in low)
    for meter in world.meters:  # 26 kWh, the least that 50,000 rupiah buy here, last to the end of any day
        assert meter.curve.used_mwh(DAY_US) < 26_000_000


def test_the_meter_behind_the_dead_modem_runs_low_while_it_is_dead() -> None:
    for seed in range(5):
        world = make_world(seed, 50)
        dead = world.dead_modem
        assert dead is not None
        index = [meter.drn for meter in world.meters].index(dead.drn)
        assert dead.from_minute < _low_minute(world, index) < dead.to_minute
        assert (dead.from_minute, dead.to_minute) == (13 * 60, 15 * 60)
        assert world.meters[index].holder.wallet_idr > 0


def test_secrets_are_not_printed() -> None:
    world = make_world(7, 2)
    shown = repr(world)
    assert str(world.vending_key) not in shown and str(world.channel_secret) not in shown
    for meter in world.meters:
        assert str(meter.ek) not in shown and meter.holder.pin not in shown


@pytest.mark.parametrize("meters", [0, 100_001])
def test_a_town_without_meters_or_too_many_is_refused(meters: int) -> None:
    with pytest.raises(ValueError, match="meters"):
        make_world(1, meters)


def test_the_day_starts_at_midnight_in_wib() -> None:
    assert START.utcoffset() == dt.timedelta(hours=7)
