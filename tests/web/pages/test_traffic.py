"""Traffic of a month by WIB day and class, and what a mobile operator sees: its own, and nothing else."""

from __future__ import annotations

import datetime as dt

import pytest
from tests.flows.house import START, House, Town
from tests.web.pages.conftest import SignIn

from duaarah.people.models import Organisation
from duaarah.registry.models import Sim
from duaarah.sms.models import Bind, InboundSms, OutboundSegment, PackageEntry
from duaarah.sms.traffic import TrafficLine, traffic
from duaarah.web.shared.chart_kit import Box
from duaarah.web.shared.chart_layout import drawn
from duaarah.web.shared.traffic import month_context

pytestmark = pytest.mark.slow
FEBRUARY = dt.date(2026, 2, 1)
HOUR = dt.timedelta(hours=1)


def settled(bind: Bind, house: House, at: dt.datetime, *, kind: str = "METER_FRAME", retry: bool = False) -> None:
    """A segment that the SMSC accepted; for a class of SMS from a handset, one that arrived."""
    common = {"bind": bind, "data_coding": 4, "payload": b"x", "source": "3123", "destination": "62811"}
    segment, inbound = None, None
    if kind.endswith("_MO"):
        more = {"kind": "TEXT", "esm_class": 0, "digest": bytes(32), "state": "DONE"}
        inbound = InboundSms.objects.create(**common, **more, received_at=at, arrived_at=at)
    else:
        more = {"message_class": kind, "priority": 0, "validity_s": 60, "registered": True, "state": "ACCEPTED"}
        segment = OutboundSegment.objects.create(**common, **more, created_at=at, not_before_at=at)
    for entry in ("RESERVE", "SETTLE") if segment else ("SETTLE",):
        PackageEntry.objects.create(
            kind=entry,
            segment=segment,
            inbound=inbound,
            meter=house.meter,
            message_class=kind,
            counts=True,
            retry=retry,
            at=at,
            month_date=FEBRUARY,
        )


@pytest.fixture
def other(town: Town, household: House) -> Bind:
    """Two days of traffic on the town's bind, and one SMS on another operator's."""
    operator = Organisation.objects.create(code="LAIN", name="Lain", kind="MOBILE_OPERATOR")
    bind = Bind.objects.create(
        name="lain-1", operator=operator, host="h", port=1, system_id="x", password_wrapped=b"", short_codes=["8123"]
    )
    # START is 08.00 WIB; 15.59 hours later is still that day in WIB, 16 hours later is the next one.
    settled(town.bind, household, START)
    settled(town.bind, household, START + 16 * HOUR - dt.timedelta(minutes=1), retry=True)
    settled(town.bind, household, START + 16 * HOUR, kind="WARNING")
    settled(town.bind, household, START, kind="CUSTOMER_MO")
    settled(bind, household, START, kind="WARNING")
    return bind


def line(day: int, kind: str, segments: int, retries: int = 0) -> TrafficLine:
    return TrafficLine(date=dt.date(2026, 2, day), message_class=kind, segments=segments, retries=retries)


def test_each_settled_segment_is_counted_once_on_its_day(town: Town, other: Bind) -> None:
    own = [line(16, "CUSTOMER_MO", 1), line(16, "METER_FRAME", 2, 1), line(17, "WARNING", 1)]
    assert traffic(month_date=FEBRUARY, operator_ids=[town.operator.pk]) == own
    assert traffic(month_date=FEBRUARY, operator_ids=[other.operator_id]) == [line(16, "WARNING", 1)]
    assert traffic(month_date=FEBRUARY) == [*own[:2], line(16, "WARNING", 1), own[2]]
    assert traffic(month_date=dt.date(2026, 3, 1)) == [] == traffic(month_date=FEBRUARY, operator_ids=[])


def test_the_chart_has_a_column_a_day_to_scale(town: Town, other: Bind) -> None:
    shown = month_context(month_date=FEBRUARY, operator_ids=None)
    chart = shown["chart"]
    assert len(chart.positions) == 28 and (shown["total"], shown["retries"]) == (5, 1)
    values = chart.series[0].values
    assert {day: value for day, value in enumerate(values, 1) if value} == {16: 4.0, 17: 1.0}
    boxes = {box.title: box.height for box in drawn(chart).items if isinstance(box, Box)}
    assert len(boxes) == 2 and max(boxes.values()) == pytest.approx(4 * min(boxes.values()), rel=0.01)
    assert [day["total"] for day in shown["days"]] == [4, 1]
    assert (shown["before"], shown["after"]) == (dt.date(2026, 1, 1), dt.date(2026, 3, 1))


def test_the_data_operator_sees_all_links_month_by_month(sign_in: SignIn, other: Bind) -> None:
    client = sign_in("dataop")
    page = client.get("/data/lalu-lintas/").content.decode()
    assert "5 segments, 1 of them again" in page and "2026-02-17" in page
    assert "No SMS was settled" in client.get("/data/lalu-lintas/?bulan=2026-03").content.decode()
    for wrong in ("2026-13", "2026", "x", "2026-02-01", "9999999-01"):
        assert client.get(f"/data/lalu-lintas/?bulan={wrong}").status_code == 404, wrong


def test_a_mobile_operator_sees_its_own_and_nothing_else(
    sign_in: SignIn, town: Town, household: House, other: Bind
) -> None:
    client = sign_in("mobile")
    mine = Organisation.objects.get(code="mobile")
    # Nothing is its own yet.
    assert "No link is set up" in client.get("/seluler/").content.decode()
    assert "No SMS was settled" in client.get("/seluler/lalu-lintas/").content.decode()
    Bind.objects.filter(pk=other.pk).update(operator=mine, state_reason="refused")
    Sim.objects.create(iccid="8962980000000000015", msisdn="628990001", operator=mine, state="ACTIVE")
    links = client.get("/seluler/").content.decode()
    assert "lain-1" in links and "refused" in links and town.bind.short_codes[0] not in links
    part = client.get("/seluler/", headers={"hx-request": "true"})
    same = client.get("/seluler/", headers={"hx-request": "true", "if-none-match": part["ETag"]})
    assert (part.status_code, same.status_code) == (200, 304)
    month = client.get("/seluler/lalu-lintas/").content.decode()
    assert "1 segments, 0 of them again" in month
    sims = client.get("/seluler/sim/").content.decode()
    assert "8962980000000000015" in sims and household.pairing.sim.iccid not in sims
    for page in (links, month, sims):
        assert household.meter.drn not in page and household.pairing.phone not in page
    for path in ("/data/", "/operasi/", "/operasi/pesan/", f"/data/sim/{household.pairing.sim.iccid}/"):
        assert client.get(path).status_code == 403, path


def test_each_party_begins_in_its_own_portal(sign_in: SignIn) -> None:
    for role, page in (("pln", "/operasi/"), ("dataop", "/data/"), ("mobile", "/seluler/"), ("household", "/rumah/")):
        assert sign_in(role).get("/")["Location"] == page
