# SPDX-License-Identifier: Apache-2.0
"""Worked numbers through the daily facts: IEEE's sample circuit, steps, zones, versions, major event days."""

from __future__ import annotations

import datetime as dt

import pytest
from tests.analytics.grid import NOW, Grid, local, meters, off

from duaarah.analytics.models import DailyReliability, Exclusion, MedYear, ServedCustomers
from duaarah.analytics.reliability.catch_up import catch_up
from duaarah.analytics.reliability.operations import ask_exclusion, count_served, exclude, fix_threshold, recount_days
from duaarah.analytics.reliability.queries import Day, days_of, med_dates, pln_months, spread, view
from duaarah.audit.models import AuditRecord
from duaarah.outages.models import Interruption, Outage
from duaarah.people.models import Login
from duaarah.people.operations import ApprovalRefused, decide_approval
from duaarah.registry.models import Meter, NodeMeter

pytestmark = pytest.mark.slow
YEAR = dt.date(2026, 1, 1), dt.date(2026, 12, 31)
UTILITY = {"scope": "UTILITY", "scope_id": 0}
# IEEE's sample circuit: off, on, first and last customer (1..2000); 1800 distinct customers are interrupted.
CIRCUIT = """
03-17 12:12:20 12:20:30 1 200
04-15 18:23:56 18:24:26 1 400
05-05 00:23:10 01:34:29 1 600
06-12 23:17:00 23:47:14 1 25
07-06 09:30:10 09:31:10 1 2000
08-20 15:45:39 20:12:50 1 90
08-31 08:20:00 10:20:00 1101 1800
09-03 17:10:00 17:20:00 1 1500
10-27 10:15:00 10:55:00 1 100
"""


def circuit(grid: Grid) -> None:
    own = meters(grid.transformer(2000))
    for line in CIRCUIT.strip().splitlines():
        day, begin, end, first, last = line.split()
        off(own[int(first) - 1 : int(last)], local(f"2026-{day} {begin}"), local(f"2026-{day} {end}"))


def test_ieee_sample_circuit_through_the_facts(database: str) -> None:
    grid = Grid()
    circuit(grid)
    recount_days(first_date=YEAR[0], last_date=YEAR[1], now=NOW)
    count_served(date=YEAR[1], now=NOW)
    span = {"first_date": YEAR[0], "last_date": YEAR[1]}
    found = spread(**UTILITY, **span, now=NOW)
    days = days_of(**UTILITY, **span)
    seen = view(days, distinct=found.distinct)
    i = seen.indices
    assert (seen.served, seen.days, seen.counted, found.distinct) == (2000, 365, 1, 1800)
    assert (i.ci, i.saifi, i.maifi, i.maifi_e) == (3215, 1.6075, 1.2, 1.2)
    assert i.cmi == pytest.approx(172225.6667, abs=1e-3) and i.saidi_min == pytest.approx(86.1128, abs=5e-5)
    assert i.caidi_min == pytest.approx(53.5694, abs=5e-5) and i.ctaidi_min == pytest.approx(95.6809, abs=5e-5)
    assert i.caifi == pytest.approx(1.78611, abs=5e-6) and i.asai == pytest.approx(0.99983616, abs=5e-9)
    # 1..90 were off five times (25 of them six), 91..100 four times; the whole of 2 h 0 min is at least 2 h.
    assert found.cemi(4, 2000) == 90 / 2000 and found.cemi(5, 2000) == 25 / 2000
    assert found.cemsmi(6, 2000) == 90 / 2000 and found.celid_s(2, 2000) == 790 / 2000
    assert found.celid_s(2.001, 2000) == 90 / 2000 and found.celid_t(2 + 10 / 60, 2000) == (400 + 90) / 2000
    august = pln_months(days)[7]
    assert august.served is None and pln_months(days)[11].saidi_h == 0
    for scope, scope_id in (("UNIT", grid.unit.pk), ("SUBSTATION", grid.substation.pk)):
        assert view(days_of(scope=scope, scope_id=scope_id, **span)).indices.ci == 3215


def test_recloser_rows_through_the_facts(database: str) -> None:
    """Section 2.1 of the reference: 8 operations of 2000 customers and 12 of 400 are MAIFI 10.4; 5 and 6 events 6.2."""
    own = meters(Grid().transformer(2000))
    minute = dt.timedelta(minutes=1)
    substation = {1: [0, 1], 2: [0, 5], 3: [0, 2], 4: [0], 5: [0]}  # minutes of the operations on five days
    for day, shifts in substation.items():
        for shift in shifts:
            at = local(f"2026-02-{day:02} 10:00:00") + shift * minute
            off(own, at, at + minute / 3)
    for day in range(11, 17):
        for shift in (0, 3):
            at = local(f"2026-02-{day:02} 10:00:00") + shift * minute
            off(own[:400], at, at + minute / 3)
    recount_days(first_date=dt.date(2026, 2, 1), last_date=dt.date(2026, 2, 28), now=NOW)
    count_served(date=dt.date(2026, 2, 28), now=NOW)
    found = view(days_of(**UTILITY, first_date=dt.date(2026, 2, 1), last_date=dt.date(2026, 2, 28))).indices
    assert (found.maifi, found.maifi_e) == (10.4, 6.2)
    assert (found.ci, found.saidi_min) == (0, 0)


def test_exactly_five_minutes_is_momentary_and_a_lockout_is_no_event(database: str) -> None:
    own = meters(Grid().transformer(10))
    at = local("2026-02-01 10:00:00")
    minute = dt.timedelta(minutes=1)
    off(own[:1], at, at + 5 * minute)
    off(own[1:2], at, at + 5 * minute + dt.timedelta(microseconds=1))
    for shift in (0, 2, 4, 6, 8):  # 0, 2 and 4 are one event; 6 and 8 the next
        off(own[2:3], at + shift * minute, at + shift * minute + minute / 2)
    off(own[3:4], at, at + minute / 2)  # a recloser's try, then the lockout
    off(own[3:4], at + minute, at + 60 * minute)
    recount_days(first_date=at.date(), last_date=at.date(), now=NOW)
    day = DailyReliability.objects.get(scope="UTILITY")
    assert (day.ci, day.momentary, day.momentary_events) == (2, 1 + 5 + 1, 1 + 2)
    assert day.interrupted_us == 300_000_001 + 59 * 60_000_000
    found = spread(**UTILITY, first_date=at.date(), last_date=at.date(), now=NOW)
    assert found.cemsmi(1, 10) == 1 / 10  # two events of five operations; a lockout with its try is one in all
    assert found.cemsmi(0, 10) == 4 / 10 and found.distinct == 2


def test_a_customer_counts_once_an_event_and_the_day_is_that_of_its_begin(database: str) -> None:
    grid = Grid()
    node = grid.transformer(4)
    own = meters(node)
    Meter.objects.filter(pk=own[1]).update(customer=Meter.objects.get(pk=own[0]).customer)  # two meters, one customer
    at = local("2026-02-01 23:50:00")
    hour = dt.timedelta(hours=1)
    outage = Outage.objects.create(level="TRANSFORMER", node=node, state="CLOSED", began_at=at, known_at=at)
    off(own[:3], at, at + hour, outage=outage.pk)
    off(own[2:3], at + 2 * hour, at + 3 * hour, outage=outage.pk)  # off again in the same event, after midnight
    Meter.objects.filter(pk=own[3]).update(customer=None)
    off(own[3:], at, at + hour)  # a total meter is nobody's
    NodeMeter.objects.create(node=node, meter_id=own[3], valid=(at, None))
    recount_days(first_date=dt.date(2026, 2, 1), last_date=dt.date(2026, 2, 2), now=NOW)
    count_served(date=dt.date(2026, 2, 1), now=NOW)
    day = DailyReliability.objects.get(scope="TRANSFORMER")
    assert (day.date, day.ci, day.interrupted_us) == (dt.date(2026, 2, 1), 2, 3 * 3600 * 10**6)
    assert ServedCustomers.objects.get(scope="TRANSFORMER").served == 2


@pytest.mark.parametrize(("zone", "date"), [("Asia/Jakarta", 1), ("Asia/Makassar", 2), ("Asia/Jayapura", 2)])
def test_the_day_is_the_meters(database: str, zone: str, date: int) -> None:
    own = meters(Grid().transformer(1, zone=zone))
    at = local("2026-02-01 23:30:00")
    off(own, at, at + dt.timedelta(hours=3))
    recount_days(first_date=dt.date(2026, 1, 30), last_date=dt.date(2026, 2, 3), now=NOW)
    assert set(DailyReliability.objects.values_list("date", flat=True)) == {dt.date(2026, 2, date)}


def test_late_data_writes_a_version_and_equal_facts_nothing(database: str) -> None:
    grid = Grid()
    own = meters(grid.transformer(5))
    at = local("2026-02-01 10:00:00")
    open_ = off(own[:2], at, None)
    now = at + dt.timedelta(hours=1)
    assert catch_up(now=now) > 0
    day = DailyReliability.objects.get(scope="UTILITY")
    assert (day.ci, day.open_ci, day.interrupted_us, day.version) == (2, 2, 2 * 3600 * 10**6, 1)
    end, later = at + dt.timedelta(minutes=30), now + dt.timedelta(hours=5)
    Interruption.objects.filter(pk__in=[each.pk for each in open_]).update(superseded_at=later)
    Interruption.objects.bulk_create(
        Interruption(
            meter_id=each.meter_id, began_at=at, ended_at=end, known_at=at, source="LOG", version=2, recorded_at=later
        )
        for each in open_
    )
    catch_up(now=later)
    first, second = DailyReliability.objects.filter(scope="UTILITY").order_by("version")
    assert (first.superseded_at, first.interrupted_us) == (later, 2 * 3600 * 10**6)
    assert (second.version, second.open_ci, second.interrupted_us) == (2, 0, 3600 * 10**6)
    rows = DailyReliability.objects.count(), ServedCustomers.objects.count()
    catch_up(now=later + dt.timedelta(minutes=5))
    assert (DailyReliability.objects.count(), ServedCustomers.objects.count()) == rows
    # It was none after all: the fact goes, the versions stay.
    Interruption.objects.filter(superseded_at=None).update(superseded_at=later)
    catch_up(now=later + dt.timedelta(minutes=10))
    assert not DailyReliability.objects.filter(superseded_at=None).exists()
    assert DailyReliability.objects.count() == rows[0]
    assert view(days_of(**UTILITY, first_date=at.date(), last_date=at.date())).indices.saidi_min == 0


def test_a_past_that_is_brought_later_is_counted_too(database: str) -> None:
    own = meters(Grid().transformer(3))
    now = local("2026-03-10 09:00:00")
    off(own[1:2], now - dt.timedelta(hours=2), now - dt.timedelta(hours=1))
    catch_up(now=now)
    assert list(ServedCustomers.objects.values_list("date", flat=True).distinct()) == [dt.date(2026, 3, 10)]
    at = local("2026-03-01 10:00:00")
    off(own[:1], at, at + dt.timedelta(hours=1))
    catch_up(now=now)
    served = ServedCustomers.objects.filter(scope="UTILITY").order_by("date").values_list("date", "served")
    assert list(served) == [(dt.date(2026, 3, day), 3) for day in range(1, 11)]
    assert view(days_of(**UTILITY, first_date=at.date(), last_date=now.date())).indices.saidi_min == 40
    rows = ServedCustomers.objects.count()
    assert catch_up(now=now) <= 1 and ServedCustomers.objects.count() == rows  # at most the day that changed last


def test_the_threshold_is_fixed_for_the_year_and_a_day_needs_two_people(database: str) -> None:
    grid = Grid()
    own = meters(grid.transformer(10))
    first = dt.date(2025, 6, 1)
    # 10 customers: SAIDI 1, 2, 4 ... hours by their durations; one day without.
    for n, hours in enumerate((1, 2, 4, 8, 16, 0, 32, 64, 0, 128)):
        at = local(f"2025-06-{n + 1:02} 08:00:00")
        if hours:
            off(own, at, at + dt.timedelta(minutes=hours * 10))
    for n in range(10):
        count_served(date=first + dt.timedelta(days=n), now=NOW)
    recount_days(first_date=first, last_date=dt.date(2025, 6, 10), now=NOW)
    made = fix_threshold(year=2026, now=NOW)
    assert made is not None and (made.days, made.provisional) == (8, True)
    assert made.t_med_min == pytest.approx(788.91407 * 10, abs=1e-3) and made.beta == pytest.approx(1.6978569, abs=1e-7)
    recount_days(first_date=dt.date(2025, 6, 2), last_date=dt.date(2025, 6, 2), now=NOW + dt.timedelta(days=1))
    assert fix_threshold(year=2026, now=NOW + dt.timedelta(days=1)) == made and MedYear.objects.count() == 1

    at = local("2026-03-01 08:00:00")
    off(own, at, at + dt.timedelta(minutes=7890))
    off(own, at + dt.timedelta(days=10), at + dt.timedelta(days=10, minutes=7889))
    recount_days(first_date=dt.date(2026, 3, 1), last_date=dt.date(2026, 3, 31), now=NOW)
    for date in (dt.date(2026, 3, 1), dt.date(2026, 3, 11)):
        count_served(date=date, now=NOW)
    span = {"first_date": YEAR[0], "last_date": YEAR[1]}
    assert med_dates(**span) == [dt.date(2026, 3, 1)]
    days = days_of(**UTILITY, **span)
    assert view(days).indices.ci == 20 and view(days, without=[dt.date(2026, 3, 1)]).indices.ci == 10


def test_an_exclusion_is_a_deed_of_two_people(database: str) -> None:
    own = meters(Grid().transformer(10))
    at = local("2026-02-01 10:00:00")
    one = off(own[:2], at, at + dt.timedelta(hours=1))[0]
    now = NOW
    asker, second = (Login.objects.create_user(name) for name in ("a", "b"))
    recount_days(first_date=at.date(), last_date=at.date(), now=now)
    asked = ask_exclusion(date=None, interruption_id=one.pk, reason="Customer's own breaker", asked_by=asker, now=now)
    with pytest.raises(ApprovalRefused):
        exclude(approval_id=asked.pk, actor="t", now=now)
    with pytest.raises(ApprovalRefused):
        decide_approval(approval_id=asked.pk, approve=True, decided_by=asker, now=now)
    assert not Exclusion.objects.exists() and DailyReliability.objects.get(scope="UTILITY").ci == 2
    decide_approval(approval_id=asked.pk, approve=True, decided_by=second, now=now)
    exclude(approval_id=asked.pk, actor=f"login:{second.pk}", now=now)
    catch_up(now=now + dt.timedelta(minutes=5))
    day = DailyReliability.objects.get(scope="UTILITY", superseded_at=None)
    assert (day.ci, day.excluded_ci, day.excluded_us, day.version) == (1, 1, 3600 * 10**6, 2)
    assert AuditRecord.objects.filter(verb="reliability.exclude", refused=False).count() == 1
    with pytest.raises(ApprovalRefused):
        exclude(approval_id=asked.pk, actor="t", now=now)


def test_pln_sums_months_and_ieee_takes_the_mean_of_customers() -> None:
    """PGVCL's published year: 151.358 by months, 151.189 by the mean of N_T."""
    ci = (
        9594609,
        10494825,
        20179709,
        20896563,
        19088000,
        19808874,
        15638136,
        13270037,
        12673433,
        9478205,
        9142206,
        9016322,
    )
    nt = (1084508, 1098353, 1109618, 1114993, 1115288, 1118280, 1120407, 1128104, 1132033, 1135792, 1138184, 1140398)
    days = {}
    for n, (count, served) in enumerate(zip(ci, nt, strict=True)):
        month = dt.date(2019 + (n + 3) // 12, (n + 3) % 12 + 1, 1)
        days[month] = Day(served=served, ci=count, interrupted_us=count * 3600 * 10**6)
    months = pln_months(days)
    assert months[-1].year_saifi == pytest.approx(151.358, abs=5e-4) == months[-1].year_saidi_h
    assert months[0].saifi == pytest.approx(8.85, abs=0.005)
    assert view(days).indices.saifi == pytest.approx(151.189, abs=5e-4)
