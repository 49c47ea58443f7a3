"""Ninety days of past in the database: the same invariants as after a day that was lived, and a platform that goes on."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from django.db import connection

from duaarah.audit import operations as audit
from duaarah.audit.models import AuditSeal
from duaarah.core.smsplan import Bucket, daily_plan
from duaarah.headend.models import Command, InvocationCounter, MeterEvent
from duaarah.keystore import FileKeyStore
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter
from duaarah.sim.town.load import DAY_US
from duaarah.sim.town.packages import data_minute, reporting_of
from duaarah.sim.town.past import Past, PastPurchase, make_past
from duaarah.sim.town.world import START, World, make_world
from duaarah.sms.models import OutboundSegment, PackageEntry
from duaarah.sms.package.plans import sold_plans
from duaarah.sms.package.queries import meter_months
from duaarah.stage.history import Loaded, Replayed, load_history, replay
from duaarah.stage.history.replay import Heard
from duaarah.stage.invariants import FromOutside, broken, figures
from duaarah.stage.registration import make_keys, register_world
from duaarah.vending.models import Channel, LedgerLine, Payment, Token, Vend, Wallet
from duaarah.vending.operations import top_up
from duaarah.wiring.token_sources import OwnKeys

pytestmark = pytest.mark.slow
DAYS, METERS = 90, 16
DECEMBER, JANUARY, FEBRUARY = dt.date(2025, 12, 1), dt.date(2026, 1, 1), dt.date(2026, 2, 1)


@pytest.fixture
def history(database: str, tmp_path: Path) -> tuple[World, FileKeyStore, Replayed, Loaded]:
    world = make_world(7, METERS)
    past: Past = make_past(world, DAYS)
    store = make_keys(world, tmp_path / "keys", "a passphrase for tests")
    register_world(world, store, host="127.0.0.1", port=1, user="x", password="y", since_us=past.begin_us)
    replayed = replay(world, past)
    return world, store, replayed, load_history(past, replayed)


def test_the_past_holds_every_invariant(history: tuple[World, FileKeyStore, Replayed, Loaded]) -> None:
    world, _, replayed, loaded = history
    record = figures(FromOutside(replayed.accepted_wh, replayed.double_credits, loaded.segments))
    assert broken(record, lease_outlived=False) == []
    past = make_past(world, DAYS)
    assert record["issued"] == record["acknowledged"] == sum(len(m.purchases) for m in past.meters) > 100
    assert record["issued_wh"] == sum(p.energy_wh for m in past.meters for p in m.purchases)
    assert record["retries"] == sum(p.frame_lost for m in past.meters for p in m.purchases)
    assert record["sms_per_top_up_max"] == 5
    for wallet in Wallet.objects.select_related("holder"):
        lines = LedgerLine.objects.filter(account__code=f"wallet:{wallet.holder_id}")
        assert -sum(lines.values_list("amount_sen", flat=True)) == wallet.balance_sen
    assert {w.holder.name: w.balance_sen // 100 for w in Wallet.objects.select_related("holder")} == {
        h.name: h.wallet_idr for h in world.holders if h.wallet_idr
    }


def test_counters_and_events_are_the_meters_own(history: tuple[World, FileKeyStore, Replayed, Loaded]) -> None:
    _, _, replayed, _ = history
    for counter in InvocationCounter.objects.filter(meter__customer__isnull=False).select_related("meter"):
        link = replayed.memories[counter.meter.drn]["link"]
        assert counter.from_meter_highest == link["sent_counter"]
        events = MeterEvent.objects.filter(meter=counter.meter)
        assert sorted(events.values_list("counter", flat=True)) == list(range(1, link["sent_counter"] + 1))
        latest = events.filter(kind__in=["TOKEN_RESULT", "LOW_CREDIT", "DATA_BLOCK", "DAILY_SUMMARY"]).order_by("-pk")[
            0
        ]
        assert counter.balance_wh == latest.data.get("balance_wh", latest.data.get("remaining_wh"))


def test_the_past_has_the_data_that_was_sold_and_nothing_more(
    history: tuple[World, FileKeyStore, Replayed, Loaded],
) -> None:
    world, _, replayed, _ = history
    by_drn = {meter.drn: meter for meter in world.meters}
    sold = sold_plans(FEBRUARY)
    for meter in Meter.objects.filter(customer__isnull=False):
        plan = reporting_of(world.seed, by_drn[meter.drn])
        # The package, the registry, the meter itself and the town say the same.
        assert sold.get(meter.pk) == plan and meter.reporting_plan == (plan and plan.values())
        kept = replayed.memories[meter.drn]["reporting"]
        assert (kept and kept["plan"]) == (plan and plan.values())
    for month_date, days in ((DECEMBER, 31), (JANUARY, 31), (FEBRUARY, None)):
        months = meter_months(month_date)
        assert {month.meter_id for month in months} == set(sold)
        for month in months:
            daily = sold[month.meter_id].daily
            used = {bucket: spent.used for bucket, spent in month.spent.items()}
            assert used == {bucket: spent.settled for bucket, spent in month.spent.items()}
            # February ends at the 16th: blocks of the 1st and the 11th, fifteen nights.
            assert used[Bucket.DATA] == ((3 if days else 2) + (days or 15) * daily)
            assert used[Bucket.FAULT] <= 4 and used[Bucket.FAULT] % 2 == 0
            assert month.settlement[Bucket.FAULT].billed == month.settlement[Bucket.DATA].billed == 0
    events = MeterEvent.objects.filter(kind__in=["DATA_BLOCK", "DAILY_SUMMARY"])
    booked = PackageEntry.objects.filter(message_class="METER_DATA", kind="SETTLE")
    assert set(events.values_list("inbound_id", flat=True)) == set(booked.values_list("inbound_id", flat=True))
    # A day's summary is the customer's day, to the step of its kind; what was cut is said.
    summaries = MeterEvent.objects.filter(kind="DAILY_SUMMARY").select_related("meter")
    for event in summaries:
        curve, day = by_drn[event.meter.drn].curve, (dt.date.fromisoformat(event.data["day_date"]) - START.date()).days
        whole_wh = (curve.used_mwh((day + 1) * DAY_US) - curve.used_mwh(day * DAY_US)) // 1000
        if not event.data["outages"]:
            assert whole_wh - 10 <= event.data["energy_wh"] <= whole_wh + 1 and event.data["out_s"] == 0
        else:
            assert (
                event.data["energy_wh"] < whole_wh
                and 15 * 60 <= event.data["out_s"] <= 3 * 3_600 * event.data["outages"]
            )
    assert summaries.filter(data__outages__gt=0).exists()


def test_the_platform_goes_on_from_there(history: tuple[World, FileKeyStore, Replayed, Loaded]) -> None:
    world, store, _, _ = history
    known = next(m for m in world.meters if m.holder.wallet_idr >= 50_000)
    meter = Vend.objects.filter(drn=known.drn).select_related("meter")[0].meter
    pairing = pairing_of_meter(meter_id=meter.pk, at=START)
    assert pairing is not None
    tids = list(Vend.objects.filter(drn=known.drn).values_list("tid", flat=True))
    outcome = top_up(
        pairing=pairing,
        amount_idr=50_000,
        channel=Channel.objects.get(code="WEB"),
        reference="after",
        token_source=OwnKeys(store),
        now=START,
    )
    assert outcome.vend.state == "ISSUED" and outcome.vend.tid > max(tids)
    assert Payment.objects.order_by("-pk")[0].reference == "after"
    assert Command.objects.filter(state="QUEUED").count() == 1
    assert not OutboundSegment.objects.filter(state="QUEUED").exists()
    while audit.seal():
        pass
    assert audit.verify(AuditSeal.objects.order_by("position").select_related("record").iterator()) > 100


def test_a_past_whose_books_do_not_balance_is_not_loaded(database: str, tmp_path: Path) -> None:
    from django.db.utils import IntegrityError

    from duaarah.stage.history import money

    world = make_world(7, 3)
    past = make_past(world, 30)
    store = make_keys(world, tmp_path / "keys", "a passphrase for tests")
    register_world(world, store, host="127.0.0.1", port=1, user="x", password="y", since_us=past.begin_us)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(money, "issued_lines_sen", lambda *_, **__: {"pln:stroom": 1})
        with pytest.raises(IntegrityError, match="sum to zero"):
            load_history(past, replay(world, past))
    assert not Token.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sms_inboundsms")
        assert cursor.fetchone() == (0,)


def test_data_that_falls_due_while_a_frame_is_under_way_comes_after_its_answer() -> None:
    seed = 6  # one of those in which it happens
    world = make_world(seed, 200)
    past = make_past(world, DAYS)

    def during(bought: PastPurchase, at_us: int) -> bool:
        """Whether an instant of each day lies between a purchase and the meter's answer, its frame's repeat included."""
        return (at_us - bought.at_us) % DAY_US < (248_000_000 if bought.frame_lost else 8_000_000)

    met = [
        one
        for one in past.meters
        if reporting_of(seed, one.meter) == daily_plan(4)
        and any(during(p, at_us) for p in one.purchases for at_us in (0, data_minute(seed, one.meter) * 60_000_000))
    ]
    assert met
    replayed = replay(world, Past(past.begin_us, tuple(met)))
    latest: dict[str, int] = {}
    for deed in replayed.deeds:
        if isinstance(deed, Heard):
            assert deed.counter == latest.get(deed.meter.drn, 0) + 1
            latest[deed.meter.drn] = deed.counter
