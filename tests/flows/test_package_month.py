"""A month of a whole town on the seed's package of 28 SMS: outages, top-ups, blocks of data, nobody over it.

In one process and one database: the platform's own verbs, the meters' own plans, the operator's own count.
"""

from __future__ import annotations

import datetime as dt
import random
import re
from collections import Counter

import pytest

from duaarah.core.smsplan import Bucket, ReportingPlan
from duaarah.headend.models import MeterEvent
from duaarah.people.models import Organisation
from duaarah.sms.models import OutboundSegment, PackageEntry, PackagePlan
from duaarah.sms.package.operations import Share, Terms, set_terms, subscribe
from duaarah.sms.package.queries import meter_months
from duaarah.vending.models import Vend
from tests.flows.house import WIB, Town

pytestmark = pytest.mark.slow
METERS, DAYS, SEED = 150, 30, 28
MARCH = dt.date(2026, 3, 1)
KINDS = ("single-phase-modem", "three-phase-modem", "three-phase-retrofit")
# How many outages a meter sees; the package tells of two, the log keeps the others.
OUTAGES = (0, 1, 0, 3, 5)
# Most households use little; every tenth buys as often as the package is made for.
LOADS_WH = (300, *(60,) * 4, 150, *(60,) * 4)


def sell(town: Town) -> None:
    data = Organisation.objects.create(code="DOP", name="Data", kind="DATA_OPERATOR")
    plan = PackagePlan.objects.create(
        code="P28", name="28 SMS", slot="BASE", operator=town.operator, data_operator=data
    )
    shares = [Share(of=of, party=town.operator, parts=10_000) for of in ("SMS", "MARGIN", "EXTRA", "INQUIRY")]
    set_terms(plan=plan, valid_from_date=MARCH, terms=Terms(), shares=shares, actor="test", now=town.now)
    for number in range(METERS):
        house = town.house(
            profile=KINDS[number % 3],
            credit_wh=12_000 + 97 * number,
            reporting=ReportingPlan(fault_sms=Terms().meter_fault_sms),
        )
        subscribe(meter=house.meter, plan=plan, from_month_date=MARCH, actor="test", now=town.now)
        order = {"op": "package_register", "sim": house.pairing.sim.iccid, "package": "TWO_WAY_28"}
        begins_s = dt.datetime(2026, 3, 1, tzinfo=WIB).timestamp()
        town.smsc.do({"request_id": house.meter.drn, **order}, now=begins_s)


def live(town: Town) -> None:
    """Each day: outages and their ends, the blocks that are due, the day's load; a warned household buys by SMS."""
    chance = random.Random(SEED)
    outages = {
        number: set(chance.sample(range(1, DAYS + 1), OUTAGES[number % len(OUTAGES)])) for number in range(METERS)
    }
    for day in range(1, DAYS + 1):
        town.now = dt.datetime(2026, 3, day, 6, 0, tzinfo=WIB)
        warned = []
        for number, house in enumerate(town.houses):
            if day in outages[number]:
                town.push(house, house.sim.power_cut(town.now))
                town.push(house, house.sim.power_restored(town.now + dt.timedelta(minutes=30)))
            town.push(house, house.sim.report(town.now + dt.timedelta(hours=1)))
            for _ in range(8):
                town.use(house, LOADS_WH[number % 10] * 2)
                if not house.sim.armed:
                    warned.append(house)
                    break
        town.now += dt.timedelta(hours=2)
        town.run()
        for house in warned:
            code = re.search(r"ISI 50000 ([A-Z]\d[A-Z])", town.words_to(house)[-1])
            assert code is not None
            town.text(house, f"isi 50rb {code[1]}")
        town.run()
        # No token waits behind data or anything else: the day ends with every purchase loaded.
        assert not Vend.objects.exclude(state="LOADED").exists()


def test_no_meter_passes_28_sms_and_no_token_waits_for_data(town: Town) -> None:
    sell(town)
    live(town)
    months = meter_months(MARCH)
    assert len(months) == METERS
    for month in months:
        used = {bucket: spent.used for bucket, spent in month.spent.items()}
        outages = OUTAGES[(month.meter_id - months[0].meter_id) % len(OUTAGES)]
        assert used[Bucket.DATA] == 3
        assert used[Bucket.FAULT] == 2 * min(outages, 2)
        assert used[Bucket.TOKEN] <= 20
        assert all(part.billed == part.borrowed == 0 for part in month.settlement.values())
        assert sum(used.values()) + month.left == 28
    assert MeterEvent.objects.filter(kind="DATA_BLOCK").count() == 3 * METERS
    bought = Vend.objects.count()
    assert bought > METERS
    # Five SMS a top-up: push, warning, frame, answer, receipt.
    counted = PackageEntry.objects.filter(counts=True).exclude(kind__in=["SETTLE"], segment__isnull=False)
    assert (
        counted.filter(message_class__in=["METER_PUSH", "WARNING", "METER_FRAME", "METER_ANSWER", "RECEIPT"]).count()
        == 5 * bought
    )
    # What the budget did not hold was kept, and told in the next block's count.
    kept = sum(MeterEvent.objects.filter(kind="DATA_BLOCK").values_list("data__events_kept", flat=True))
    waiting = sum(house.sim.state()["reporting"]["events_kept"] for house in town.houses)
    assert kept + waiting == sum(2 * max(OUTAGES[number % 5] - 2, 0) for number in range(METERS))
    assert OutboundSegment.objects.filter(state="QUEUED").count() == 0
    count_by_the_operator(town)


def count_by_the_operator(town: Town) -> None:
    """What crossed at the SMSC, by each meter's SIM and to each customer's phone, against our ledger and the package."""
    to_phone = Counter(r.destination for r in town.smsc.records if r.source == "3123" and r.kind != "m2m")
    for house in town.houses:
        mine = PackageEntry.objects.filter(meter=house.meter).exclude(kind="SETTLE", segment__isnull=False)
        by_class = Counter(mine.values_list("message_class", flat=True))
        by_sim = sum(count for name, count in by_class.items() if name.startswith("METER_"))
        used = town.smsc.sim(house.pairing.sim.iccid).used
        assert used == by_sim
        assert to_phone[house.pairing.phone] == sum(by_class[name] for name in ("WARNING", "RECEIPT", "REPLY"))
        # Without the answers to the customer's own questions, which the package does not hold.
        assert used + to_phone[house.pairing.phone] - by_class["REPLY"] <= 28
