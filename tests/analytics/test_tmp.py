# SPDX-License-Identifier: Apache-2.0
"""TMP through its ledger: the annex's example, exempt causes, a month closed by two people, tokens given once."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection
from tests.analytics.grid import JAKARTA, NOW, Grid, local, meters, off
from tests.flows.house import Town

from duaarah.analytics.models import Compensation, DailyReliability, TMPMonth
from duaarah.analytics.reliability.operations import count_served, recount_days
from duaarah.analytics.reliability.queries import days_of, view
from duaarah.analytics.tmp import operations as verbs
from duaarah.analytics.tmp.queries import quarter, quarter_of, report_due_date, unit_month
from duaarah.audit.models import AuditRecord
from duaarah.messaging.models import Message
from duaarah.outages.models import Interruption
from duaarah.people.models import Login, Organisation, Unit
from duaarah.people.operations import ApprovalRefused
from duaarah.registry.models import Meter, NetworkNode
from duaarah.vending.models import LedgerEntry, LedgerLine, Payment, Vend

pytestmark = pytest.mark.slow
JANUARY = dt.date(2026, 1, 1)
HOUR = dt.timedelta(hours=1)


def test_tmp_is_not_saidi(database: str) -> None:
    """PLN's annex: 10,000 customers; A out once 1 h, B out 30 h and 4 h."""
    grid = Grid()
    a, b, *_rest = meters(grid.transformer(10_000))
    at = local("2026-01-05 08:00:00")
    off([a], at, at + HOUR)
    off([b], at, at + 30 * HOUR)
    off([b], at + 48 * HOUR, at + 52 * HOUR)
    measured = unit_month(unit_id=grid.unit.pk, month_date=JANUARY)
    assert (measured.worst_s, measured.worst_times) == (34 * 3600, 2)
    assert [(row.meter_id, row.interrupted_s, row.times) for row in measured.rows] == [(b, 122_400, 2), (a, 3600, 1)]
    last = dt.date(2026, 1, 31)
    recount_days(first_date=JANUARY, last_date=last, now=NOW)
    count_served(date=last, now=NOW)
    seen = view(days_of(scope="UTILITY", scope_id=0, first_date=JANUARY, last_date=last)).indices
    assert seen.saidi_min is not None and seen.caidi_min is not None
    assert seen.saidi_min / 60 == pytest.approx(0.0035, abs=1e-12) and seen.saifi == 0.0003
    assert seen.caidi_min / 60 == pytest.approx(11.6667, abs=5e-5)
    assert DailyReliability.objects.filter(scope="UNIT", scope_id=grid.unit.pk).count() == 2


def test_what_does_not_count(database: str) -> None:
    grid = Grid()
    own = meters(grid.transformer(8))
    at = local("2026-01-31 23:00:00")
    off(own[:1], at, at + 2 * HOUR)  # of January, whole
    off(own[1:2], at, at + 2 * HOUR, cause="PLANNED")
    off(own[2:3], at, at + 2 * HOUR, cause="FORCE_MAJEURE")
    off(own[3:4], at, at + HOUR / 12)  # five minutes
    off(own[4:5], at + 2 * HOUR, at + 4 * HOUR)  # February
    known = off(own[5:6], at, at + 2 * HOUR)
    Interruption.objects.filter(pk=known[0].pk).update(known_at=at + HOUR)
    out = off(own[6:7], at, at + 2 * HOUR)
    Interruption.objects.filter(pk=out[0].pk).update(excluded="by a deed")
    off(own[7:], at, None)
    measured = unit_month(unit_id=grid.unit.pk, month_date=JANUARY)
    rows = [(row.meter_id, row.interrupted_s, row.physical_s) for row in measured.rows]
    assert rows == [(own[0], 7200, 7200), (own[5], 3600, 7200)] and measured.open_customers == 1


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    """Two houses on a transformer of a unit; one was off for 34 hours in January, the other one for one."""
    made = Town(tmp_path)
    organisation = Organisation.objects.create(code="PLNX", name="PLN", kind="UTILITY")
    unit = Unit.objects.create(organisation=organisation, code="U1", name="U1")
    node = NetworkNode.objects.create(code="T1", kind="TRANSFORMER", unit=unit)
    at = local("2026-01-05 08:00:00")
    for hours in (34, 1):
        house = made.house(wallet_idr=0)
        Meter.objects.filter(pk=house.meter.pk).update(transformer=node)
        off([house.meter.pk], at, at + hours * HOUR)
    return made


def unit() -> Unit:
    return Unit.objects.get(code="U1")


def proposed(town: Town) -> TMPMonth:
    said = {"unit": unit(), "valid_from_date": JANUARY, "actor": "t", "now": town.now}
    verbs.declare(indicator="HOURS", value=Decimal(10), **said)
    verbs.declare(indicator="HOURS", value=Decimal(1), **said)  # of two for one day the later one
    asker, _ = Login.objects.get_or_create(username="asks")
    return verbs.propose_month(unit=unit(), month_date=JANUARY, reason="January", asked_by=asker, now=town.now)


def test_a_month_is_closed_by_two_and_its_token_loads_itself(town: Town) -> None:
    month = proposed(town)
    row = month.compensations.get()
    assert (row.interrupted_s, row.times, row.indicator, row.percent) == (34 * 3600, 1, "HOURS", 300)
    assert row.meter == town.houses[0].meter and row.amount_idr == row.base_idr * 3
    assert proposed(town) == month and Compensation.objects.count() == 1
    asker, second = Login.objects.get(username="asks"), Login.objects.create_user("second")
    with pytest.raises(ApprovalRefused):
        verbs.decide_month(month_id=month.pk, approve=True, decided_by=asker, now=town.now)
    assert verbs.give_due(token_source=town.source, now=town.now) == 0 and not Payment.objects.exists()
    other = Login.objects.create_user("other")
    with pytest.raises(verbs.TMPRefused) as refused:
        verbs.propose_month(unit=unit(), month_date=JANUARY, reason="x", asked_by=other, now=town.now)
    assert refused.value.code == "closed"
    verbs.decide_month(month_id=month.pk, approve=True, decided_by=second, now=town.now)
    assert verbs.give_due(token_source=town.source, now=town.now) == 1
    row.refresh_from_db()
    vend = Vend.objects.get()
    assert (row.vend_id, row.given_at) == (vend.pk, town.now)
    assert sum(LedgerLine.objects.values_list("amount_sen", flat=True)) == 0
    expense = LedgerLine.objects.filter(account__code="pln:compensation").values_list("amount_sen", flat=True)
    assert sum(expense) == row.amount_idr * 100
    assert LedgerEntry.objects.filter(kind="COMPENSATION").count() == 1
    told = Message.objects.get(template="compensation")
    assert told.phone == town.houses[0].pairing.phone and "01/2026" in told.text
    town.run()
    vend.refresh_from_db()
    assert vend.state == "LOADED"
    assert AuditRecord.objects.filter(verb=verbs.VERB, refused=False).count() == 1
    assert verbs.give_due(token_source=town.source, now=town.now) == 0
    month.refresh_from_db()
    assert month.state == "DONE" and Payment.objects.count() == 1


@pytest.mark.parametrize("died", ["after the token", "before the message"])
def test_whoever_dies_is_followed_by_the_same_token(town: Town, monkeypatch: pytest.MonkeyPatch, died: str) -> None:
    month = proposed(town)
    second = Login.objects.create_user("second")
    verbs.decide_month(month_id=month.pk, approve=True, decided_by=second, now=town.now)

    def dies(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(verbs, "_tell" if died == "before the message" else "rupiah", dies)
        with pytest.raises(KeyboardInterrupt):
            verbs.give_due(token_source=town.source, now=town.now)
    connection.rollback() if connection.in_atomic_block else None
    assert Payment.objects.count() == 1 and not Compensation.objects.filter(given_at__isnull=False).exists()
    verbs.give_due(token_source=town.source, now=town.now + HOUR)
    assert Payment.objects.count() == 1 and Message.objects.filter(template="compensation").count() == 1
    assert Compensation.objects.get().given_at == town.now + HOUR


def test_what_is_not_proposed(town: Town) -> None:
    asker = Login.objects.create_user("asks")
    said = {"unit": unit(), "reason": "x", "asked_by": asker, "now": town.now}
    for month_date, code in ((dt.date(2026, 2, 1), "not_over"), (JANUARY, "nothing_declared")):
        with pytest.raises(verbs.TMPRefused) as refused:
            verbs.propose_month(month_date=month_date, **said)
        assert refused.value.code == code
    off([town.houses[1].meter.pk], local("2026-01-20 08:00:00"), None)
    with pytest.raises(verbs.TMPRefused) as refused:
        verbs.propose_month(month_date=JANUARY, **said)
    assert refused.value.code == "still_off"
    assert not TMPMonth.objects.exists() and not Compensation.objects.exists()
    with pytest.raises(verbs.TMPRefused):
        verbs.declare(
            unit=unit(), indicator="HOURS", value=Decimal(-1), valid_from_date=JANUARY, actor="t", now=town.now
        )


def test_a_refused_month_is_proposed_anew(town: Town) -> None:
    first = proposed(town)
    verbs.decide_month(month_id=first.pk, approve=False, decided_by=Login.objects.create_user("b"), now=town.now)
    assert verbs.give_due(token_source=town.source, now=town.now) == 0
    again = proposed(town)
    assert again.pk != first.pk and again.compensations.count() == 1
    assert [month.state for month in quarter(unit_id=unit().pk, first_date=JANUARY)] == ["PROPOSED", "", ""]
    assert quarter_of(dt.date(2026, 5, 31)) == dt.date(2026, 4, 1)
    assert report_due_date(JANUARY) == dt.date(2026, 4, 30) and JAKARTA.key == "Asia/Jakarta"
