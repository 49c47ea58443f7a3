"""One order to many meters: planned, agreed to, paced, stopped, tried again; no meter is told twice."""

from __future__ import annotations

import datetime as dt
from functools import partial
from pathlib import Path

import pytest
from django.db import connection
from tests.flows.house import Town

from duaarah.audit.models import AuditRecord
from duaarah.headend.campaigns import deeds, run
from duaarah.headend.campaigns import operations as campaigns
from duaarah.headend.campaigns.choice import Choice, meters_of, numbers_of_file, numbers_of_text
from duaarah.headend.campaigns.deeds import UnknownDeed, add_deed
from duaarah.headend.campaigns.key_roll import KIND as KEY_ROLL
from duaarah.headend.campaigns.key_roll import KeyRoll
from duaarah.headend.campaigns.queries import counts_of, items_of
from duaarah.headend.models import Campaign, CampaignItem, Command, KeyRotation
from duaarah.headend.operations.orders import NeedsSecondPerson
from duaarah.people.models import Login
from duaarah.people.operations import ApprovalRefused, decide_approval
from duaarah.registry.models import Meter, NetworkNode, Pairing

pytestmark = pytest.mark.slow


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    made = Town(tmp_path)
    for profile in ("single-phase-modem", "three-phase-modem", "single-phase-modem", "three-phase-retrofit"):
        made.house(profile=profile, wallet_idr=0)
    return made


def plan(
    town: Town,
    kind: str = "tariff",
    choice: Choice | None = None,
    *,
    per_hour: int = 360_000,
    in_flight_max: int = 100,
    **values: object,
) -> Campaign:
    return campaigns.plan_campaign(
        title="Tariff 4",
        kind=kind,
        values=values or ({"tariff": 4} if kind == "tariff" else {}),
        choice=choice or Choice(),
        everything=choice is None,
        per_hour=per_hour,
        in_flight_max=in_flight_max,
        reason="test",
        driver=town.driver,
        actor="login:1",
        now=town.now,
    )


def begin(town: Town, campaign: Campaign, approval_id: int | None = None) -> None:
    campaigns.begin_campaign(
        campaign_id=campaign.pk, approval_id=approval_id, driver=town.driver, actor="login:1", now=town.now
    )


def go(town: Town, limit: int = 50, *, waited: bool = True) -> int:
    """One round; `waited`: the pace has nothing against it."""
    if waited:
        Campaign.objects.update(next_at=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    return run.run_campaigns(driver=town.driver, now=town.now, limit=limit)


def test_every_meter_is_told_once_and_the_report_says_what_each_answered(town: Town) -> None:
    Pairing.objects.filter(meter=town.houses[3].meter).delete()
    campaign = plan(town)
    assert counts_of(campaign) == {"waiting": 3, "unfit": 1} and go(town) == 0
    begin(town, campaign)
    assert go(town) == 3 and go(town) == 0
    assert counts_of(campaign) == {"queued": 3, "unfit": 1}
    town.run()
    assert {house.sim.ordered.tariff for house in town.houses[:3]} == {4} and town.houses[3].sim.ordered.tariff == 0
    assert counts_of(campaign) == {"executed": 3, "unfit": 1}
    assert go(town) == 0
    campaign.refresh_from_db()
    assert (campaign.state, campaign.closed_at) == ("DONE", town.now)
    assert [(item.outcome, item.code) for item in items_of(campaign)][3] == ("unfit", "meter_does_not_talk")
    assert set(Command.objects.values_list("priority", flat=True)) == {4}
    with pytest.raises(campaigns.WrongState):
        begin(town, campaign)
    assert Command.objects.count() == 3


def test_the_switching_of_many_needs_a_second_person_for_exactly_these_many(town: Town) -> None:
    one, two = Login.objects.create_user("asks"), Login.objects.create_user("agrees")
    campaign = plan(town, "power_limit", limit_w=1300)
    with pytest.raises(NeedsSecondPerson):
        begin(town, campaign)
    approval = campaigns.request_campaign(campaign_id=campaign.pk, requested_by=one, now=town.now)
    assert approval.detail["meters"] == 4
    with pytest.raises(campaigns.WrongState):
        campaigns.request_campaign(campaign_id=campaign.pk, requested_by=one, now=town.now)
    with pytest.raises(ApprovalRefused):
        begin(town, campaign, approval.pk)
    decide_approval(approval_id=approval.pk, approve=True, decided_by=two, now=town.now)
    CampaignItem.objects.filter(meter=town.houses[0].meter).update(state="LEFT")
    with pytest.raises(ApprovalRefused, match="another number"):
        begin(town, campaign, approval.pk)
    CampaignItem.objects.filter(meter=town.houses[0].meter).update(state="WAITING")
    assert Command.objects.count() == 0 and go(town) == 0
    begin(town, campaign, approval.pk)
    assert go(town) == 4
    town.run()
    assert {house.sim.ordered.limit_w for house in town.houses} == {1300}
    refused = AuditRecord.objects.filter(refused=True).values_list("code", flat=True)
    assert sorted(refused) == ["approval_refused", "approval_refused", "needs_second_person", "wrong_state"]


def test_an_approval_is_for_one_try(town: Town) -> None:
    one, two = Login.objects.create_user("asks"), Login.objects.create_user("agrees")
    campaign = plan(town, "relay_close", Choice(profile="three-phase-modem"))
    ask = {"campaign_id": campaign.pk, "requested_by": one, "now": town.now}
    old = campaigns.request_campaign(**ask)  # type: ignore[arg-type]
    campaigns.stop_campaign(campaign_id=campaign.pk, actor="login:1", now=town.now)
    assert campaigns.try_again(campaign_id=campaign.pk, actor="login:1", now=town.now) == 1
    new = campaigns.request_campaign(**ask)  # type: ignore[arg-type]
    for approval in (old, new):
        decide_approval(approval_id=approval.pk, approve=True, decided_by=two, now=town.now)
    with pytest.raises(ApprovalRefused):
        begin(town, campaign, old.pk)
    begin(town, campaign, new.pk)
    assert go(town) == 1 and Command.objects.get().kind == "RELAY_CLOSE"


def test_the_pace_and_the_number_in_flight_hold(town: Town) -> None:
    campaign = plan(town, per_hour=60, in_flight_max=2)
    begin(town, campaign)
    assert [go(town, waited=False), go(town, waited=False)] == [1, 0]
    campaigns.set_pace(campaign_id=campaign.pk, per_hour=360_000, in_flight_max=2, actor="login:1", now=town.now)
    assert [go(town, waited=False), go(town, waited=False)] == [1, 0]
    town.run()
    campaigns.pause_campaign(campaign_id=campaign.pk, actor="login:1", now=town.now)
    assert go(town) == 0
    campaigns.resume_campaign(campaign_id=campaign.pk, actor="login:1", now=town.now)
    assert go(town) == 2
    assert counts_of(campaign) == {"queued": 2, "executed": 2}


@pytest.mark.parametrize(
    ("waited_s", "allowed"), [(None, 1), (-1, 0), (0, 1), (1, 1), (3, 2), (10, 5 + 1), (3600, 5 + 1)]
)
def test_a_worker_that_stood_still_catches_up_ten_seconds(waited_s: int | None, allowed: int) -> None:
    at = dt.datetime(2026, 2, 16, tzinfo=dt.UTC)
    next_at = None if waited_s is None else at - dt.timedelta(seconds=waited_s)
    campaign = Campaign(per_hour=1_800, next_at=next_at)
    assert run.paced(campaign, at) == (allowed, dt.timedelta(seconds=2))


def test_what_was_stopped_or_failed_is_tried_again_and_only_that(town: Town) -> None:
    campaign = plan(town, in_flight_max=2)
    begin(town, campaign)
    go(town)
    town.run()
    assert go(town) == 2
    campaigns.stop_campaign(campaign_id=campaign.pk, actor="login:1", now=town.now)
    assert counts_of(campaign) == {"executed": 2, "withdrawn": 2}
    town.run()
    assert [house.sim.ordered.tariff for house in town.houses] == [4, 4, 0, 0]
    with pytest.raises(campaigns.WrongState):
        campaigns.stop_campaign(campaign_id=campaign.pk, actor="login:1", now=town.now)
    assert campaigns.try_again(campaign_id=campaign.pk, actor="login:1", now=town.now) == 2
    assert counts_of(campaign) == {"waiting": 2, "executed": 2}
    begin(town, campaign)
    go(town)
    town.run()
    assert [house.sim.ordered.tariff for house in town.houses] == [4, 4, 4, 4]
    go(town)
    assert Command.objects.count() == 6 and Campaign.objects.get().state == "DONE"
    with pytest.raises(campaigns.WrongState):
        campaigns.try_again(campaign_id=campaign.pk, actor="login:1", now=town.now)


def test_a_batch_that_dies_leaves_nothing_and_one_bad_meter_stops_no_other(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = plan(town)
    begin(town, campaign)
    real = run._begins

    def killed(*_: object) -> dt.datetime:
        raise SystemExit

    monkeypatch.setattr(run, "_begins", killed)
    with pytest.raises(SystemExit):
        go(town)
    monkeypatch.setattr(run, "_begins", real)
    assert Command.objects.count() == 0 and counts_of(campaign) == {"waiting": 4}
    Meter.objects.filter(pk=town.houses[1].meter.pk).update(profile="nobody-knows")
    assert go(town) == 4
    assert counts_of(campaign) == {"queued": 3, "unfit": 1}
    assert CampaignItem.objects.get(state="UNFIT").code == "failed"
    # The same row once more, as if the commit had been lost: the command that is there is found, not made.
    CampaignItem.objects.update(state="WAITING")
    go(town)
    assert Command.objects.count() == 3
    assert AuditRecord.objects.filter(verb="headend.run_campaigns", refused=True).count() == 2


def test_meters_are_chosen_by_network_kind_and_list(town: Town) -> None:
    feeder = NetworkNode.objects.create(code="F1", kind="FEEDER")
    under = NetworkNode.objects.create(code="T1", kind="TRANSFORMER", parent=feeder)
    first, second = (house.meter for house in town.houses[:2])
    Meter.objects.filter(pk__in=[first.pk, second.pk]).update(transformer=under)
    assert set(meters_of(Choice(node="F1"))) == set(meters_of(Choice(node="T1"))) == {first, second}
    assert set(meters_of(Choice(node="F1", profile="three-phase-modem"))) == {second}
    listed = numbers_of_text(f"{first.drn};\n{second.drn} , 123\n")
    campaign = plan(town, choice=Choice(numbers=listed))
    assert (campaign.unknown, campaign.unknown_count, campaign.items.count()) == (["123"], 1, 2)
    assert campaign.chosen == {"numbers": 3}
    assert numbers_of_file(f"no;drn\n1;{first.drn}\n2;{second.drn}\n".encode()) == {first.drn, second.drn}


def test_what_cannot_be_meant_is_refused(town: Town) -> None:
    with pytest.raises(campaigns.NoMeters):
        plan(town, choice=Choice(profile="none-such"))
    with pytest.raises(campaigns.NoMeters):
        plan(town, choice=Choice())
    with pytest.raises(UnknownDeed):
        plan(town, "dance")
    with pytest.raises(campaigns.CampaignRefused):
        plan(town, per_hour=0)
    assert Campaign.objects.count() == CampaignItem.objects.count() == 0


def test_another_deed_goes_through_a_campaign_too(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, object]] = []

    class Wink:
        dangerous = False

        def __init__(self, values: dict[str, object], _driver: object) -> None:
            self.values = values

        def fits(self, profile: str) -> bool:
            return profile == "three-phase-modem"

        def begin(self, *, meter: Meter, **_: object) -> None:
            assert connection.in_atomic_block
            told.append((meter.pk, self.values["eye"]))

    monkeypatch.setattr("duaarah.headend.campaigns.deeds._OTHERS", {})
    add_deed("wink", Wink)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="there already"):
        add_deed("clock", Wink)  # type: ignore[arg-type]
    campaign = plan(town, "wink", eye="left")
    assert counts_of(campaign) == {"waiting": 1, "unfit": 3}
    begin(town, campaign)
    go(town)
    assert told == [(town.houses[1].meter.pk, "left")]


def test_a_fleet_gets_new_keys_and_each_meter_proves_its_own(town: Town) -> None:
    roll = partial(KeyRoll, keys=town.keys)
    campaign = Campaign()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(deeds._OTHERS, KEY_ROLL, lambda _values, driver: roll(driver))
        campaign = plan(town, KEY_ROLL)
        with pytest.raises(NeedsSecondPerson):
            begin(town, campaign)
        asks, agrees = Login.objects.create_user("asks"), Login.objects.create_user("agrees")
        approval = campaigns.request_campaign(campaign_id=campaign.pk, requested_by=asks, now=town.now)
        decide_approval(approval_id=approval.pk, approve=True, decided_by=agrees, now=town.now)
        begin(town, campaign, approval.pk)
        before = [house.sim.link.keys for house in town.houses]
        assert go(town) == 4 and counts_of(campaign) == {"queued": 4}
        town.run()
        assert all(house.sim.link.keys != keys for house, keys in zip(town.houses, before, strict=True))
        assert counts_of(campaign) == {"executed": 4}
        go(town)
    campaign.refresh_from_db()
    assert campaign.state == "DONE"
    assert set(KeyRotation.objects.values_list("state", "ordered_by")) == {("PROVEN", f"campaign:{campaign.pk}")}
