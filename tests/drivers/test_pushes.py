"""What meters tell of network, case, modem and load: the simulated kinds, and makers that exist as data only."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sim.meter.meters import KINDS, NOW, WIB, build, read

from duaarah.core.intent import UnknownReport
from duaarah.core.reports import (
    Interval,
    LoadProfile,
    LoggedOutage,
    ModemStatus,
    Overload,
    PowerFailureLog,
    RelayState,
    ReportError,
    Tamper,
    VoltageEvent,
)
from duaarah.drivers import BadProfile, Profile, decode_report, parse
from duaarah.sim.meter import SimMeter
from duaarah.wire.dlms import apdu, profile_buffer
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure
from duaarah.wire.dlms.axdr import decode as decode_data
from duaarah.wire.dlms.axdr import encode as encode_data

AT = {"single-phase-modem": NOW, "three-phase-modem": NOW, "three-phase-retrofit": None}
MAKERS = Path(__file__).with_name("makers")
ACME, ZENIT = (parse((MAKERS / f"{name}.toml").read_text()) for name in ("acme-gprs", "zenit-plc"))
U8, U16, U32 = Tag.UNSIGNED, Tag.LONG_UNSIGNED, Tag.DOUBLE_LONG_UNSIGNED


def loading(kind: str, period_s: int) -> SimMeter:
    meter = build(kind, credit_wh=400_000)
    meter.config = dataclasses.replace(meter.config, load_period_s=period_s)
    return meter


def plain(body: Data) -> bytes:
    return apdu.encode(apdu.DataNotification(1, None, body))


def said(kind: str, payloads: list[bytes]) -> object:
    (payload,) = payloads
    return read(kind, payload)[1]


@pytest.mark.parametrize("kind", KINDS)
def test_case_relay_and_network_are_told_by_every_kind(kind: str) -> None:
    meter, at = build(kind), AT[kind]
    for tamper in ("cover", "terminal", "magnet", "reversed"):
        assert said(kind, meter.tamper(tamper, NOW)) == Tamper(tamper, True, at)
        assert said(kind, meter.tamper(tamper, NOW, begins=False)) == Tamper(tamper, False, at)
    assert meter.ordered.tampered
    for why in ("credit", "order", "overload", "temporary_end", "local", "tamper", "other"):
        assert said(kind, meter.relay_moved(False, why, NOW)) == RelayState(False, why, at)
    assert said(kind, meter.voltage("sag", 1, 163_400, 75, NOW)) == VoltageEvent("sag", 1, 163_400, 75, at)
    assert said(kind, meter.voltage("swell", 3, 254_100, 9, NOW)) == VoltageEvent("swell", 3, 254_100, 9, at)


@pytest.mark.parametrize("kind", KINDS)
def test_an_overload_is_told_when_it_begins_and_when_it_ends(kind: str) -> None:
    meter = build(kind)
    assert meter.load(90_000, NOW) == []  # no limit
    meter.ordered.limit_w = 2_200
    assert said(kind, meter.load(2_310, NOW)) == Overload(True, 2_310, 2_200, AT[kind])
    assert meter.load(2_400, NOW) == []
    other = build(kind)
    other.restore(meter.state())
    assert said(kind, other.load(2_000, NOW)) == Overload(False, 2_000, 2_200, AT[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_the_log_of_power_failures_has_begin_and_length(kind: str) -> None:
    meter = build(kind)
    assert said(kind, meter.tell_outages(NOW)) == PowerFailureLog((), AT[kind])
    meter.power_cut(NOW)
    meter.power_restored(NOW + timedelta(minutes=41))
    assert said(kind, meter.tell_outages(NOW)) == PowerFailureLog((LoggedOutage(NOW, 41 * 60),), AT[kind])
    network = None if kind == "three-phase-retrofit" else "OPSEL"
    status = ModemStatus(-79, "510-10-0C21-4F10", network, "1.4.2", 1, AT[kind])
    assert said(kind, meter.tell_modem(NOW)) == status


# kind, intervals a day, octets of the message: more than 140 travel as parts of 134.
DAYS = [
    *(("single-phase-modem", number, size) for number, size in ((24, 196), (48, 294), (96, 487))),
    *(("three-phase-modem", number, size) for number, size in ((24, 272), (48, 439), (96, 727))),
    ("three-phase-retrofit", 24, 134),
]


@pytest.mark.parametrize(("kind", "number", "size"), DAYS)
def test_a_day_of_intervals_comes_as_it_was_drawn(kind: str, number: int, size: int) -> None:
    period_s = 86_400 // number
    meter = loading(kind, period_s)
    midnight = NOW.replace(hour=0, minute=0, second=0)
    step_wh = meter.model.energy_step_wh
    meter.consume(0, midnight)
    for hour in range(24):
        meter.sample(0, 220_000 + 100 * hour)
        meter.consume((hour + 1) * step_wh * number // 24 * 4_000, midnight + timedelta(hours=hour + 1))
    day, status = meter.report(midnight + timedelta(days=1, seconds=5))
    assert len(day) == size
    report = read(kind, day)[1]
    assert isinstance(report, LoadProfile) and isinstance(read(kind, status)[1], ModemStatus)
    assert (report.period_s, len(report.intervals)) == (period_s, number)
    assert [one.start_at for one in report.intervals[:2]] == [midnight, midnight + timedelta(seconds=period_s)]
    energies = [one.values[0] for one in report.intervals]
    assert energies == [4 * step_wh * (n * 24 // number + 1) for n in range(number)]
    if kind != "three-phase-retrofit":
        assert report.channels == ("energy_wh", "voltage_l1_mv")
        voltages = [one.values[1] for one in report.intervals]
        # A look at the voltage each hour: the interval in which it was has it, the others have none. Where null-data
        # stands for the value above, the last look is said again.
        seen = [220_000 + 100 * (n * 24 // number) for n in range(number)]
        again = kind == "three-phase-modem"
        assert voltages == [None if n * 24 % number and not again else mv for n, mv in enumerate(seen)]
    assert meter.report(midnight + timedelta(days=1, seconds=9)) == []


def test_what_does_not_fill_a_step_goes_to_the_next_interval() -> None:
    meter = loading("three-phase-modem", 3600)
    start = NOW.replace(hour=22, minute=0, second=0)
    meter.consume(0, start)
    meter.consume(17_000, start + timedelta(hours=1))
    other = build("three-phase-modem")
    other.config = meter.config
    other.restore(meter.state())
    other.consume(17_000, start + timedelta(hours=2))
    report = read("three-phase-modem", other.report(start + timedelta(hours=2, minutes=1))[0])[1]
    assert isinstance(report, LoadProfile)
    assert [one.values[0] for one in report.intervals] == [10, 20]


def test_rows_stamped_at_their_end_with_the_clock_of_another_zone() -> None:
    """The maker's clock says no deviation; its second and third rows say null for it, and for what did not change."""
    clock = octets(bytes.fromhex("07ea0719ff0e0f0000800000"))
    rows = [
        (clock, Data(Tag.BIT_STRING, "00000101"), Data(U32, 12), Data(U16, 981)),
        (Data(Tag.NULL, None), Data(Tag.NULL, None), Data(U32, 15), Data(Tag.NULL, None)),
        (Data(Tag.NULL, None), Data(Tag.BIT_STRING, "00000000"), Data(Tag.NULL, None), Data(U16, 990)),
    ]
    buffer = Data(Tag.ARRAY, tuple(Data(Tag.STRUCTURE, row) for row in rows))
    wita = timezone(timedelta(hours=8))
    first = datetime(2026, 7, 25, 14, 0, tzinfo=wita)
    quarter = timedelta(minutes=15)
    assert decode_report(ACME, plain(structure(Data(U8, 1), buffer))) == LoadProfile(
        900,
        ("register_wh", "power_factor_permille"),
        (
            Interval(first, 5, (1_200, 981)),
            Interval(first + quarter, 5, (1_500, 981)),
            Interval(first + 2 * quarter, 0, (1_500, 990)),
        ),
    )


def test_an_empty_buffer_is_a_profile_without_intervals() -> None:
    empty = Data(Tag.ARRAY, ())
    report = decode_report(ACME, plain(structure(Data(U8, 1), empty)))
    assert report == LoadProfile(900, ("register_wh", "power_factor_permille"), ())


@pytest.mark.parametrize("clock", ["ffffffffffffffffff8000ff", "000001010000000000000000", "07ea0719ff0e0f00ff7fff00"])
def test_rows_whose_time_nobody_can_tell_are_kept_raw(clock: str) -> None:
    row = structure(octets(bytes.fromhex(clock)), Data(U8, 0), Data(U32, 12), Data(U16, 981))
    octets_ = plain(structure(Data(U8, 1), Data(Tag.ARRAY, (row,))))
    assert decode_report(ACME, octets_) == UnknownReport(octets_)


def test_a_maker_that_exists_as_data_only() -> None:
    assert decode_report(ACME, plain(structure(Data(U8, 3)))) == Tamper("magnet", True)
    swell = structure(Data(U8, 4), Data(Tag.LONG, 1), Data(U16, 257), Data(U8, 4))
    assert decode_report(ACME, plain(swell)) == VoltageEvent("swell", 1, 257_000, 4)
    bad = structure(Data(U8, 4), Data(Tag.LONG, 7), Data(U16, 257), Data(U8, 4))
    assert isinstance(decode_report(ACME, plain(bad)), UnknownReport)


def test_another_maker_sends_a_day_as_a_compact_array() -> None:
    name, start = Data(Tag.VISIBLE_STRING, "Z7"), datetime(2026, 7, 25, 0, 0, tzinfo=timezone(timedelta(hours=9)))
    stamp = octets(bytes.fromhex("07ea0719ff00000000800000"))
    rows = tuple(structure(Data(U16, n), Data(U8, 1), Data(Tag.LONG, n - 1)) for n in range(48))
    body = structure(name, Data(Tag.VISIBLE_STRING, "LP"), stamp, Data(U16, 1800), Data(Tag.COMPACT_ARRAY, rows))
    report = decode_report(ZENIT, plain(body))
    assert isinstance(report, LoadProfile)
    assert (report.channels, report.period_s) == (("energy_wh", "reactive_varh"), 1800)
    assert report.intervals[0] == Interval(start, 0, (0, None))
    assert report.intervals[47] == Interval(start + timedelta(hours=23, minutes=30), 0, (470, 46))
    log = Data(Tag.ARRAY, (structure(Data(U32, 1_784_900_000), Data(U8, 9), Data(U16, 61)),))
    told = decode_report(ZENIT, plain(structure(name, Data(Tag.VISIBLE_STRING, "PF"), log)))
    assert told == PowerFailureLog((LoggedOutage(datetime.fromtimestamp(1_784_900_000, UTC), 61),))


def test_the_four_forms_of_a_buffer_say_the_same() -> None:
    start = datetime(2026, 7, 25, 0, 0, tzinfo=WIB)
    rows = [(Data(U16, 300 + n % 3), Data(U8, 1), Data(Tag.LONG, 5)) for n in range(96)]
    whole = Data(Tag.ARRAY, tuple(Data(Tag.STRUCTURE, row) for row in rows))
    nulls = profile_buffer.compress(rows, period_s=900, delta=False)
    deltas = profile_buffer.compress(rows, period_s=900, delta=True)
    compact = Data(Tag.COMPACT_ARRAY, whole.value)
    found = []
    for buffer in (whole, nulls, deltas, compact):
        body = structure(
            Data(Tag.VISIBLE_STRING, "x"),
            Data(Tag.VISIBLE_STRING, "LP"),
            octets(bytes.fromhex("07ea0719ff000000fffe5c00")),
            Data(U16, 900),
            decode_data(encode_data(buffer)),
        )
        found.append(decode_report(ZENIT, plain(body)))
    assert found[0] == found[1] == found[2] == found[3]
    assert found[0] == LoadProfile.from_start(
        start, 900, ("energy_wh", "reactive_varh"), tuple(((300 + n % 3) * 10, 5) for n in range(96))
    )


VALUES = st.recursive(
    st.one_of(
        st.just(Data(Tag.NULL, None)),
        st.integers(0, 255).map(lambda n: Data(U8, n)),
        st.integers(0, 0xFFFF).map(lambda n: Data(U16, n)),
        st.integers(0, 0xFFFFFFFF).map(lambda n: Data(U32, n)),
        st.integers(-0x8000, 0x7FFF).map(lambda n: Data(Tag.DELTA_LONG, n)),
        st.binary(max_size=13).map(octets),
        st.binary(min_size=12, max_size=12).map(octets),
        st.sampled_from(["LP", "PF", ""]).map(lambda text: Data(Tag.VISIBLE_STRING, text)),
        st.text("01", max_size=70).map(lambda bits: Data(Tag.BIT_STRING, bits)),
    ),
    lambda inner: st.tuples(st.sampled_from([Tag.ARRAY, Tag.STRUCTURE]), st.lists(inner, max_size=5).map(tuple)).map(
        lambda pair: Data(*pair)
    ),
    max_leaves=25,
)


@given(st.sampled_from([ACME, ZENIT]), st.sampled_from(["", "LP", "PF"]), st.lists(VALUES, max_size=5))
def test_no_body_raises(known: Profile, word: str, elements: list[Data]) -> None:
    head = [Data(Tag.VISIBLE_STRING, "x"), Data(Tag.VISIBLE_STRING, word)] if word else [Data(U8, 1)]
    decode_report(known, plain(structure(*head, *elements)))


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        ('name = "register_wh", scaler = 2', 'name = "register", scaler = 2'),
        ("period_s = 900\n", ""),
        ('{ name = "clock" },\n', ""),
        ('fixed = { tamper = "magnet", begins = true }', 'fixed = { tamper = "hammer", begins = true }'),
        ('fixed = { tamper = "magnet", begins = true }', 'fixed = { tamper = "magnet" }'),
        ("words = { sag = 0, swell = 1 }", "words = { sag = 0, swell = 0 }"),
        (", words = { sag = 0, swell = 1 }", ""),
        ('stamp = "end"', 'stamp = "middle"'),
        ("utc_offset_min = 480", "utc_offset_min = 4800"),
        ('type = "buffer", is = "buffer"', 'type = "number", is = "buffer"'),
    ],
)
def test_a_profile_that_cannot_be_meant_is_found_when_it_is_read(part: str, instead: str) -> None:
    text = (MAKERS / "acme-gprs.toml").read_text()
    assert part in text
    with pytest.raises(BadProfile):
        parse(text.replace(part, instead))


def test_reports_that_cannot_exist() -> None:
    for make in (
        lambda: Tamper("hammer", True),
        lambda: RelayState(True, "mood"),
        lambda: VoltageEvent("sag", 4, 1, 1),
        lambda: Overload(True, -1),
        lambda: ModemStatus(signal_dbm=5),
        lambda: LoadProfile(59, ("energy_wh",), ()),
        lambda: LoadProfile(900, ("energy_wh", "energy_wh"), ()),
        lambda: LoadProfile(900, ("energy_wh",), (Interval(NOW, 0, (1, 2)),)),
        lambda: LoggedOutage(NOW, -1),
    ):
        with pytest.raises(ReportError):
            make()
