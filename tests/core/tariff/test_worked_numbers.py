"""Every worked number of the reference (PLN's published example, simulator data, press), to the last digit."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from duaarah.core.tariff import Discount, Terms, bp, cap_wh, daya, minimum_wh, pd, programme_for, quote, terms
from duaarah.core.tariff.connection import DAYA, UnknownPower
from duaarah.core.tariff.tables import NoRateAtDate

DAY = dt.date(2025, 6, 1)


def given(rate: str, ppj: str = "0", ppn: str = "0", stamp_idr: int = 0, rounding: str = "half_up") -> Terms:
    return Terms(
        rate_idr_per_kwh=Decimal(rate),
        ppj_rate=Decimal(ppj),
        ppn_rate=Decimal(ppn),
        stamp_idr=stamp_idr,
        admin_idr=0,
        admin_inside=False,
        rounding=rounding,
    )


@pytest.mark.parametrize(
    ("nominal_idr", "rate", "stroom_sen", "ppj_sen", "kwh"),
    [
        (20_000, "1444.70", 19_417_48, 582_52, "13.4"),
        (100_000, "1444.70", 97_087_38, 2_912_62, "67.2"),
        (1_000_000, "1699.53", 970_873_79, 29_126_21, "571.3"),
    ],
)
def test_the_table_of_the_reference(nominal_idr: int, rate: str, stroom_sen: int, ppj_sen: int, kwh: str) -> None:
    lines = quote(nominal_idr, given(rate, "0.03"))
    assert (lines.stroom_sen, lines.ppj_sen, lines.energy_wh) == (stroom_sen, ppj_sen, int(Decimal(kwh) * 1000))


def test_rounding_is_data() -> None:
    assert quote(1_000_000, given("1699.53", "0.03", rounding="down")).energy_wh == 571_200


def test_plns_published_example() -> None:
    """R-3/7,700 VA, Rp200,000, PPJ 10 %, PPN 11 %: 165,290, 16,529, 18,181 in whole rupiah, 114.4 kWh."""
    lines = quote(200_000, given("1444.70", "0.10", "0.11"))
    assert (lines.ppj_sen, lines.ppn_sen, lines.stroom_sen) == (16_528_93, 18_181_82, 165_289_25)
    assert lines.energy_wh == 114_400
    assert lines.ppj_sen + lines.ppn_sen + lines.stroom_sen == 200_000_00


@pytest.mark.parametrize(("stroom_idr", "exact"), [(13_500, "22.3140"), (93_500, "154.5455")])
def test_the_public_simulators_quotients(stroom_idr: int, exact: str) -> None:
    """13,500/605 -> 22.31; 93,500/605 -> 154.55."""
    assert quote(stroom_idr, given("605")).exact_kwh == Decimal(exact)


def test_the_formula_of_the_press_is_another() -> None:
    lines = quote(100_000, given("1444.70", "0.10"))
    press_sen = 90_000_00
    assert lines.stroom_sen == 90_909_09 and lines.stroom_sen - press_sen > 900_00


@pytest.mark.parametrize(
    ("va", "cap_kwh"), [(450, 324), (900, 648), (1300, 936), (2200, 1584), (3500, 2520), (6600, 4752)]
)
def test_the_cap_of_a_month(va: int, cap_kwh: int) -> None:
    assert cap_wh(va=va, date=DAY) == cap_kwh * 1000


def test_the_minimum_bill() -> None:
    assert minimum_wh(va=2200, date=DAY) == 88_000


def test_the_discount_of_2025_doubles_the_energy() -> None:
    """Published for 450 VA: what bought 227.71 kWh buys 455.42."""
    found = programme_for(group="R-1", va=450, date=dt.date(2025, 1, 15))
    assert found is not None
    half = found.discount(va=450, had_wh=0)
    lines = quote(94_500, given("415"), discount=Discount(rate=half.rate) if half else None)
    assert lines.exact_kwh == Decimal("455.4217")
    assert (lines.stroom_sen, lines.discount_sen) == (94_500_00, 94_500_00)


def test_the_discount_ends_at_720_hours() -> None:
    found = programme_for(group="R-1", va=450, date=dt.date(2025, 1, 15))
    assert found is not None and found.name == "discount-2025"
    lines = quote(94_500, given("415"), discount=found.discount(va=450, had_wh=0))
    # 324 kWh at half cost 67,230; the other 27,270 buy 65.7108 kWh at the full rate.
    assert lines.exact_kwh == Decimal("389.7108")
    assert lines.discount_sen == 67_230_00
    assert found.discount(va=450, had_wh=324_000) is None


@pytest.mark.parametrize(
    ("group", "va", "day", "name"),
    [
        ("R-1", 2200, dt.date(2025, 2, 28), "discount-2025"),
        ("R-1M", 900, dt.date(2025, 1, 1), "discount-2025"),
        ("R-1", 2200, dt.date(2025, 3, 1), None),
        ("R-2", 3500, dt.date(2025, 2, 1), None),
        ("R-1", 900, dt.date(2020, 6, 1), "stimulus-2020"),
        ("R-1M", 900, dt.date(2020, 6, 1), None),
    ],
)
def test_who_has_a_programme(group: str, va: int, day: dt.date, name: str | None) -> None:
    found = programme_for(group=group, va=va, date=day)
    assert (found.name if found else None) == name


def test_free_energy_is_no_price() -> None:
    found = programme_for(group="R-1", va=450, date=dt.date(2020, 6, 1))
    assert found is not None and found.rate == 1 and found.discount(va=450, had_wh=0) is None
    with pytest.raises(ValueError, match="fraction"):
        quote(50_000, given("415"), discount=Discount(rate=Decimal(1)))


@pytest.mark.parametrize(
    ("va", "amount_idr"),
    [(450, 421_000), (900, 843_000), (1300, 1_218_000), (2200, 2_062_000), (3500, 3_391_500), (197_000, 152_675_000)],
)
def test_connection_fees_of_2017(va: int, amount_idr: int) -> None:
    fee = bp(va=va, date=DAY)
    assert (fee.amount_idr, fee.table) == (amount_idr, "2017")


def test_the_two_changes_of_power_before_2017_hold_a_stamp_of_3000() -> None:
    at = dt.date(2016, 5, 1)
    assert pd(from_va=450, to_va=1300, date=at).amount_idr + 3000 == 799_450
    assert pd(from_va=900, to_va=1300, date=at).amount_idr + 3000 == 377_800
    assert pd(from_va=900, to_va=1300, date=at).table == "2014"
    assert pd(from_va=450, to_va=1300, date=DAY).amount_idr == 1_218_000 - 421_000
    assert pd(from_va=1300, to_va=450, date=DAY).amount_idr == 0


def test_a_fee_that_no_table_has() -> None:
    with pytest.raises(UnknownPower):
        bp(va=3500, date=dt.date(2016, 5, 1))
    with pytest.raises(UnknownPower):
        bp(va=1000, date=DAY)
    with pytest.raises(NoRateAtDate):
        bp(va=450, date=dt.date(2017, 5, 1))


def test_the_ladder() -> None:
    assert [(daya(va).phases, daya(va).mcb_a) for va in (450, 1300, 3900, 22_000, 197_000)] == [
        (1, 2), (1, 6), (3, 6), (1, 100), (3, 300),
    ]  # fmt: skip
    for step in DAYA:
        volts = 220 if step.phases == 1 else 660
        assert abs(step.mcb_a * volts - step.va) * 100 <= 3 * step.va, step


@pytest.mark.parametrize(
    ("group", "va", "rates"),
    [
        ("R-1", 450, ["415", "415", "415", "415", "415"]),
        ("R-1", 900, ["605", "605", "605", "605", "605"]),
        ("R-1M", 900, [None, None, None, None, "1352"]),
        ("R-1", 1300, ["979", "1090", "1214", "1352", "1444.70"]),
        ("R-1", 2200, ["1004", "1109", "1224", "1352", "1444.70"]),
        ("R-2", 3500, ["1145", "1210", "1279", "1352", "1699.53"]),
        ("R-2", 5500, ["1145", "1210", "1279", "1352", "1699.53"]),
        ("R-3", 6600, ["1352", None, None, None, "1699.53"]),
        ("P-3", 1300, [None, "1104", "1221", "1352", "1699.53"]),
        ("I-3", 345_000, [None, "964", "1075", "1200", "1114.74"]),
        ("B-2", 6600, [None, None, None, None, "1444.70"]),
        ("B-3", 345_000, [None, None, None, None, "1114.74"]),
        ("I-4", 30_000_000, [None, None, None, None, "996.74"]),
        ("P-1", 6600, [None, None, None, None, "1699.53"]),
        ("P-2", 345_000, [None, None, None, None, "1522.88"]),
        ("L", 2200, [None, None, None, None, "1644.52"]),
        ("S-1", 450, [None, None, None, None, "325"]),
        ("S-1", 900, [None, None, None, None, "455"]),
        ("S-1", 1300, [None, None, None, None, "708"]),
        ("S-1", 2200, [None, None, None, None, "760"]),
        ("S-1", 3500, [None, None, None, None, "900"]),
        ("S-2", 345_000, [None, None, None, None, "925"]),
    ],
)
def test_the_tariffs_of_the_reference(group: str, va: int, rates: list[str | None]) -> None:
    days = [(2013, 11, 1), (2014, 8, 31), (2014, 10, 31), (2014, 11, 1), (2026, 3, 31)]
    for day, rate in zip(days, rates, strict=True):
        asked = {"group": group, "va": va, "region": "Bandung", "nominal_idr": 50_000, "admin_idr": 0}
        if rate is None:
            with pytest.raises(NoRateAtDate):
                terms(**asked, date=dt.date(*day))  # type: ignore[arg-type]
        else:
            assert terms(**asked, date=dt.date(*day)).rate_idr_per_kwh == Decimal(rate)  # type: ignore[arg-type]
