# SPDX-License-Identifier: Apache-2.0
"""IEEE 1366 against worked and published numbers, and the variants that are wrong told apart."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from zoneinfo import ZoneInfo

import pytest

from duaarah.core.indices import (
    Step,
    TooFewDays,
    average_served,
    celid_s,
    celid_t,
    cemi,
    cemsmi,
    is_sustained,
    load_indices,
    med_days,
    med_threshold,
    momentary_events,
    ratio,
    system_indices,
    t_med,
    tally,
)

WIB = ZoneInfo("Asia/Jakarta")
# The sample circuit: month, day, off, on, customers, kVA; 2000 customers, 4000 kVA, 1800 interrupted at least once.
CIRCUIT = [
    (3, 17, "12:12:20", "12:20:30", 200, 800),
    (4, 15, "18:23:56", "18:24:26", 400, 1600),
    (5, 5, "00:23:10", "01:34:29", 600, 1800),
    (6, 12, "23:17:00", "23:47:14", 25, 75),
    (7, 6, "09:30:10", "09:31:10", 2000, 4000),
    (8, 20, "15:45:39", "20:12:50", 90, 500),
    (8, 31, "08:20:00", "10:20:00", 700, 2100),
    (9, 3, "17:10:00", "17:20:00", 1500, 3000),
    (10, 27, "10:15:00", "10:55:00", 100, 200),
]


def at(text: str, zone: dt.tzinfo = WIB) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=zone)


def step(event_id: str, start: str, end: str, customers: int) -> Step:
    return Step(event_id=event_id, start_at=at(start), end_at=at(end), customers=customers)


def circuit() -> list[Step]:
    return [
        step(str(n), f"2025-{m:02}-{d:02}T{off}", f"2025-{m:02}-{d:02}T{on}", customers)
        for n, (m, d, off, on, customers, _) in enumerate(CIRCUIT)
    ]


def test_the_sample_circuit() -> None:
    sums = tally(circuit(), WIB, dt.date(2025, 1, 1), dt.date(2025, 12, 31))
    assert (sums.ci, sums.momentary) == (3215, 2400)
    assert sums.cmi == pytest.approx(172225.6666666667, rel=1e-12)
    found = system_indices(
        ci=sums.ci,
        cmi=sums.cmi,
        momentary=sums.momentary,
        customers_served=2000,
        period_min=365 * 1440,
        distinct=1800,
        momentary_events=5 * 2000 + 6 * 400,
    )
    assert found.saifi == 1.6075
    assert found.saidi_min == pytest.approx(86.1128, abs=5e-5)
    assert found.caidi_min == pytest.approx(53.5694, abs=5e-5)
    assert found.ctaidi_min == pytest.approx(95.6809, abs=5e-5)
    assert found.caifi == pytest.approx(1.78611, abs=5e-6)
    assert found.asai == pytest.approx(0.99983616, abs=5e-9)
    assert found.maifi == 1.2
    assert found.maifi_e == 6.2
    assert sum(sums.daily_cmi.values()) == pytest.approx(sums.cmi, rel=1e-12)
    assert len(sums.daily_cmi) == 7


def test_the_sample_circuit_by_load() -> None:
    rows = [(row[5], s.duration.total_seconds()) for row, s in zip(CIRCUIT, circuit(), strict=True)]
    asifi, asidi_min = load_indices(rows, 4000)
    assert asifi == 2.11875
    assert asidi_min == pytest.approx(140.1906, abs=5e-5)
    assert load_indices(rows, 0) == (None, None)


def test_recloser_rows_count_each_operation_in_maifi_and_each_sequence_in_maifi_e() -> None:
    def shots(day: int, minutes: list[float]) -> list[tuple[dt.datetime, dt.datetime]]:
        begin = at(f"2025-02-{day:02}T10:00:00")
        return [(begin + dt.timedelta(minutes=m), begin + dt.timedelta(minutes=m, seconds=20)) for m in minutes]

    substation = [*shots(1, [0, 1]), *shots(2, [0, 5]), *shots(3, [0, 2]), *shots(4, [0]), *shots(5, [0])]
    line = [shot for day in range(1, 7) for shot in shots(day, [0, 3])]
    assert (len(substation), len(line)) == (8, 12)
    assert ratio(8 * 2000 + 12 * 400, 2000) == 10.4
    events = momentary_events(substation) * 2000 + momentary_events(line) * 400
    assert events == 5 * 2000 + 6 * 400
    assert ratio(events, 2000) == 6.2


def test_a_sequence_before_a_lockout_is_no_momentary_event() -> None:
    begin = at("2025-02-01T10:00:00")
    minute = dt.timedelta(minutes=1)
    assert momentary_events([(begin + 2 * minute, begin + 60 * minute), (begin, begin + minute)]) == 0
    assert momentary_events([(begin, begin + minute), (begin + 5.01 * minute, begin + 60 * minute)]) == 1
    assert momentary_events([(begin, begin + 5 * minute)]) == 1
    assert momentary_events([]) == 0


def test_exactly_five_minutes_are_momentary() -> None:
    assert [is_sustained(seconds) for seconds in (299, 300, 300.000001, 301)] == [False, False, True, True]


def test_a_step_belongs_to_the_local_day_on_which_its_event_began() -> None:
    steps = [
        step("A", "2026-03-02T00:30:00", "2026-03-02T01:30:00", 10),  # the later step, listed first
        step("A", "2026-03-01T23:50:00", "2026-03-02T00:20:00", 5),
        step("B", "2026-02-28T23:59:59", "2026-03-05T00:00:00", 1000),
        step("C", "2026-03-02T00:00:00", "2026-03-02T00:05:00", 7),
    ]
    sums = tally(steps, WIB, dt.date(2026, 3, 1), dt.date(2026, 3, 1))
    assert sums.daily_cmi == {dt.date(2026, 3, 1): 750.0}
    assert (sums.ci, sums.cmi, sums.momentary) == (15, 750.0, 0)
    assert tally(steps, dt.UTC, dt.date(2026, 3, 2), dt.date(2026, 3, 2)).ci == 0
    assert tally(steps, WIB, dt.date(2026, 3, 2), dt.date(2026, 3, 2)).momentary == 7


def test_a_duration_over_a_change_of_the_clocks_is_real_time() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    night = Step(
        event_id="x", start_at=at("2026-03-29T01:30", berlin), end_at=at("2026-03-29T03:30", berlin), customers=1
    )
    assert night.duration == dt.timedelta(hours=1)


def test_undefined_is_none() -> None:
    quiet = system_indices(ci=0, cmi=0.0, customers_served=10, period_min=1440, distinct=0)
    assert (quiet.saifi, quiet.saidi_min, quiet.asai, quiet.maifi) == (0, 0, 1, 0)
    assert (quiet.caidi_min, quiet.caifi, quiet.ctaidi_min, quiet.maifi_e) == (None, None, None, None)
    nobody = system_indices(ci=0, cmi=0.0, customers_served=0, period_min=1440)
    assert (nobody.saifi, nobody.saidi_min, nobody.asai, nobody.maifi) == (None, None, None, None)


SERIES = [1, 2, 4, 8, 16, 0, 32, 64, 0, 128]


def test_t_med_of_the_worked_series() -> None:
    found = t_med(SERIES)
    assert found.days_used == 8
    assert found.alpha == pytest.approx(2.4260151, abs=5e-8)
    assert found.beta == pytest.approx(1.6978569, abs=5e-8)
    assert found.t_med == pytest.approx(788.91407, abs=5e-6)
    logs = [math.log(x) for x in SERIES if x]
    filled = [math.log(x or 1) for x in SERIES]
    wrong = [
        math.exp(statistics.mean(logs) + 2.5 * statistics.pstdev(logs)),
        math.exp(statistics.mean(filled) + 2.5 * statistics.stdev(filled)),
        math.exp((statistics.mean(logs) + 2.5 * statistics.stdev(logs)) / math.log(10)),
    ]
    assert all(abs(found.t_med - other) > 1 for other in wrong)


def test_t_med_of_parameters() -> None:
    assert med_threshold(1.62, 1.18) == pytest.approx(96.5441, abs=5e-5)
    assert med_threshold(700, 20) == math.inf


def test_equal_days_are_no_major_event_days() -> None:
    for value in (5.0, 0.1, 7.3, 1e-12):
        for count in (2, 3, 7, 49):
            found = t_med([value] * count)
            assert (found.beta, found.t_med) == (0.0, value)
    days = {dt.date(2026, 1, d): 5.0 for d in range(1, 4)} | {dt.date(2026, 1, 4): 5.1}
    assert med_days(days, 5.0) == [dt.date(2026, 1, 4)]


@pytest.mark.parametrize("series", [[], [0, 0], [3.0], [3.0, 0]])
def test_t_med_needs_two_days(series: list[float]) -> None:
    with pytest.raises(TooFewDays, match="two days"):
        t_med(series)


def test_shares_of_customers() -> None:
    counts = [0, 1, 2, 3, 4]
    assert cemi(counts, 1, 10) == 0.3
    assert cemi(counts, 3, 10) == 0.1
    assert cemsmi([0, 6, 5], 5, 10) == 0.1
    durations = [[60.0, 119.0], [120.0], [], [179.9], [30.0] * 6]
    assert celid_s(durations, 2, 10) == 0.2
    assert celid_t(durations, 3, 10) == 0.1
    assert celid_t(durations, 2.98, 10) == 0.3
    assert cemi(counts, 1, 0) is celid_s([], 1, 0) is celid_t([], 1, 0) is None


# PGVCL (Gujarat) 2019-20, agricultural feeders, April to March: CI, N_T and the SAIFI it printed.
PGVCL = [
    (9594609, 1084508, 8.85),
    (10494825, 1098353, 9.56),
    (20179709, 1109618, 18.19),
    (20896563, 1114993, 18.74),
    (19088000, 1115288, 17.11),
    (19808874, 1118280, 17.71),
    (15638136, 1120407, 13.96),
    (13270037, 1128104, 11.76),
    (12673433, 1132033, 11.20),
    (9478205, 1135792, 8.35),
    (9142206, 1138184, 8.03),
    (9016322, 1140398, 7.91),
]


def test_pgvcl_months_and_the_three_years_by_denominator() -> None:
    assert [f"{ratio(ci, served):.2f}" for ci, served, _ in PGVCL] == [f"{printed:.2f}" for *_, printed in PGVCL]
    ci = sum(row[0] for row in PGVCL)
    assert ci == 169280919
    assert ratio(ci, PGVCL[-1][1]) == pytest.approx(148.44, abs=0.005)  # what the utility prints
    assert sum(ratio(row[0], row[1]) or 0 for row in PGVCL) == pytest.approx(151.358, abs=5e-4)
    assert ratio(ci, average_served([row[1] for row in PGVCL]) or 0) == pytest.approx(151.189, abs=5e-4)
    assert average_served([]) is None
    found = system_indices(ci=0, cmi=771385.09 * 1440, customers_served=1084508, period_min=30 * 1440)
    assert (found.saidi_min or 0) / 60 == pytest.approx(17.07, abs=0.005)  # its customer minutes are days
    assert ratio(899243, 137880) == pytest.approx(6.522, abs=5e-4)


# EIA annual table 11.1: SAIDI, SAIFI, CAIDI with major event days, and without.
EIA = [
    (236.2, 1.257, 188.0, 114.2, 1.038, 110.0),
    (209.0, 1.275, 163.9, 117.0, 1.073, 109.1),
    (268.4, 1.327, 202.2, 119.8, 1.082, 110.7),
    (505.9, 1.420, 356.2, 117.0, 1.023, 114.3),
    (349.2, 1.340, 260.5, 121.4, 1.051, 115.5),
    (295.5, 1.332, 221.8, 122.2, 1.040, 117.5),
    (456.1, 1.385, 329.3, 116.0, 1.013, 114.5),
    (475.8, 1.436, 331.2, 125.7, 1.039, 120.9),
    (333.0, 1.426, 233.5, 131.1, 1.090, 120.2),
    (366.6, 1.348, 271.8, 123.9, 1.022, 121.3),
]


def test_caidi_is_saidi_over_saifi_in_every_published_year() -> None:
    for row in EIA:
        for saidi, saifi, caidi in (row[:3], row[3:]):
            n = 1_000_000
            found = system_indices(ci=round(saifi * n), cmi=saidi * n, customers_served=n, period_min=525600)
            assert found.caidi_min == pytest.approx(caidi, abs=0.2)


def test_pln_years() -> None:
    def year(saidi: float, saifi: float) -> float:
        found = system_indices(ci=round(saifi * 100), cmi=saidi * 100, customers_served=100, period_min=525600)
        return found.caidi_min or 0

    assert year(338.13, 4.27) == pytest.approx(79.19, abs=0.005)
    assert year(320.24, 3.23) == pytest.approx(99.15, abs=0.005)
    assert year(161.6, 1.95) == pytest.approx(82.87, abs=0.005)
    assert pytest.approx(-5.2909, abs=5e-5) == (320.24 / 338.13 - 1) * 100
    assert pytest.approx(-24.36, abs=0.005) == (3.23 / 4.27 - 1) * 100


def test_the_annex_example_of_the_service_quality_level() -> None:
    """10,000 customers; A out 1 h, B out 30 h and 4 h: the worst customer is not the system's mean."""
    own_hours = {"A": [1.0], "B": [30.0, 4.0]}
    assert max(sum(hours) for hours in own_hours.values()) == 34.0
    assert max(len(hours) for hours in own_hours.values()) == 2
    cmi = sum(h * 60 for hours in own_hours.values() for h in hours)
    found = system_indices(ci=3, cmi=cmi, customers_served=10_000, period_min=31 * 1440)
    assert found.saidi_min is not None and found.caidi_min is not None
    assert found.saidi_min / 60 == 0.0035
    assert found.saifi == 0.0003
    assert found.caidi_min / 60 == pytest.approx(11.6667, abs=5e-5)
