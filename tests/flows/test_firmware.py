"""Signed firmware over IP in stages: what is lost in the middle is asked of the meter, only missing blocks go again."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connection

from duaarah.audit.models import AuditRecord
from duaarah.headend.firmware import jobs
from duaarah.headend.firmware.jobs import run_due_jobs
from duaarah.headend.firmware.operations import (
    BadPlan,
    NobodyThere,
    NotSigned,
    RolloutUnderWay,
    WrongMoment,
    advance_rollouts,
    begin_rollout,
    pause_rollout,
    request_rollout,
    resume_rollout,
    set_firmware_key,
    stop_rollout,
    take_firmware,
)
from duaarah.headend.models import Firmware, FirmwareJob, FirmwareRollout, InvocationCounter, Maker, MeterLine
from duaarah.headend.ports import ImageAnswer, LineTerms
from duaarah.people.models import Approval, Login
from duaarah.people.operations import ApprovalRefused, decide_approval
from duaarah.sim.meter.objects.image import BLOCK_OCTETS, image_of
from duaarah.wiring.lines import MeterLines
from tests.flows.house import Town
from tests.flows.lines import served

pytestmark = pytest.mark.slow
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
IMAGE = image_of(b"DUA-2.0", bytes(range(256)) * 8)
BLOCKS = -(-len(IMAGE) // BLOCK_OCTETS)


def person(name: str) -> Login:
    return Login.objects.filter(username=name).first() or Login.objects.create_user(name)


@pytest.fixture
def lines(town: Town) -> MeterLines:
    return MeterLines(town.keys, timeout_s=5.0)


@pytest.fixture
def maker(town: Town) -> Maker:
    made = Maker.objects.create(code="ACME", name="Acme")
    public = SIGNER.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    set_firmware_key(maker=made, key=public, actor="command:test", now=town.now)
    return made


def taken(town: Town, maker: Maker, content: bytes = IMAGE, signature: bytes | None = None) -> Firmware:
    return take_firmware(
        maker=maker,
        profile="single-phase-modem",
        version="DUA-2.0",
        file_name="dua-2.0.bin",
        content=content,
        signature=SIGNER.sign(content) if signature is None else signature,
        actor="command:test",
        now=town.now,
    )


def begun(
    town: Town, firmware: Firmware, *, first: int = 1, percent: int = 50, activate_at: dt.datetime | None = None
) -> FirmwareRollout:
    approval = request_rollout(
        firmware=firmware,
        first=first,
        percent=percent,
        activate_at=activate_at,
        reason="a fault in the clock",
        requested_by=person("one"),
        now=town.now,
    )
    decide_approval(approval_id=approval.pk, approve=True, decided_by=person("two"), now=town.now)
    return begin_rollout(approval_id=approval.pk, actor="login:2", now=town.now)


def at_once() -> None:
    """Machine time passes: what waits for another try is due, leases of the dead end."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE headend_firmwarejob SET not_before_at = clock_timestamp(), lease_until_at = NULL")
        cursor.execute("UPDATE headend_meterline SET held_until_at = NULL")


def work(town: Town, lines: MeterLines) -> int:
    """Until nothing is due; how many sessions it took."""
    sessions = 0
    while run_due_jobs(lines=lines, now=town.now) or advance_rollouts(now=town.now):
        sessions += 1
        assert sessions < 60
    return sessions


def states(rollout: FirmwareRollout) -> list[tuple[int, str]]:
    return list(rollout.jobs.order_by("stage", "pk").values_list("stage", "state"))


def test_a_meter_takes_it_verifies_activates_and_says_the_new_version(
    town: Town, maker: Maker, lines: MeterLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = town.house()
    monkeypatch.setattr(jobs, "BLOCKS_A_SESSION", 5)
    with served(town, house) as (device,):
        rollout = begun(town, taken(town, maker))
        assert work(town, lines) >= 3 + BLOCKS // 5
        assert device.images.version == b"DUA-2.0" and device.images.received == list(range(BLOCKS))
    job = rollout.jobs.get()
    assert (job.state, job.blocks, job.blocks_there, job.blocks_sent) == ("DONE", BLOCKS, BLOCKS, BLOCKS)
    assert (job.version_before, job.version_after, job.result) == ("DUA-1.0", "DUA-2.0", "")
    rollout.refresh_from_db()
    assert rollout.state == "DONE" and rollout.closed_at == town.now
    lines_kept = AuditRecord.objects.filter(correlation=rollout.correlation).order_by("id")
    assert [record.detail["state"] for record in lines_kept if record.verb == "headend.firmware_job"] == [
        *("SENDING", "VERIFIED", "ACTIVATED", "DONE")
    ]
    counters = InvocationCounter.objects.get()
    assert counters.to_meter_latest >= BLOCKS + 20 and counters.from_meter_highest > BLOCKS
    assert counters.from_meter_highest == house.sim.link.sent_counter
    assert MeterLine.objects.get().held_until_at is None


def test_a_connection_lost_in_the_middle_sends_only_what_is_missing(
    town: Town, maker: Maker, lines: MeterLines
) -> None:
    house = town.house()
    with served(town, house) as (device,):
        rollout = begun(town, taken(town, maker))
        device.images.faults.lose_connection_after = 4
        assert run_due_jobs(lines=lines, now=town.now) and run_due_jobs(lines=lines, now=town.now)
        job = rollout.jobs.get()
        assert (job.state, job.blocks_there, job.blocks_sent, job.tries) == ("SENDING", 4, 4, 1)
        assert job.result == "session_failed" and run_due_jobs(lines=lines, now=town.now) == 0
        at_once()
        work(town, lines)
        assert device.images.received == list(range(BLOCKS)) and device.images.version == b"DUA-2.0"
    job.refresh_from_db()
    assert (job.state, job.blocks_sent, job.tries) == ("DONE", BLOCKS, 0)


def test_a_worker_that_dies_in_the_middle_is_followed_by_one_that_asks_the_meter(
    town: Town, maker: Maker, lines: MeterLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = town.house()
    with served(town, house) as (device,):
        rollout = begun(town, taken(town, maker))
        run_due_jobs(lines=lines, now=town.now)
        device.images.faults.lose_connection_after = 6

        def dies(*_: object) -> None:
            raise SystemExit

        with monkeypatch.context() as broken:
            broken.setattr(jobs, "_keep", dies)
            with pytest.raises(SystemExit):
                run_due_jobs(lines=lines, now=town.now)
        job = rollout.jobs.get()
        assert (job.state, job.blocks_there, len(device.images.received)) == ("SENDING", 0, 6)
        before = InvocationCounter.objects.get().to_meter_latest
        # Its lease, and its hold of the line, keep others away until they end.
        assert run_due_jobs(lines=lines, now=town.now) == 0
        at_once()
        work(town, lines)
        assert device.images.received == list(range(BLOCKS)) and device.images.version == b"DUA-2.0"
        assert InvocationCounter.objects.get().to_meter_latest > before
    job.refresh_from_db()
    assert (job.state, job.blocks_sent) == ("DONE", BLOCKS - 6)


def test_a_meter_that_lost_everything_is_begun_anew(town: Town, maker: Maker, lines: MeterLines) -> None:
    house = town.house()
    with served(town, house) as (device,):
        rollout = begun(town, taken(town, maker))
        run_due_jobs(lines=lines, now=town.now)
        device.images.restore({**type(device.images)().state(), "version": b"DUA-1.0".hex()})
        run_due_jobs(lines=lines, now=town.now)
        assert states(rollout) == [(1, "WAITING")] and rollout.jobs.get().result == "temporary_failure"
        at_once()
        work(town, lines)
        assert device.images.version == b"DUA-2.0"
    assert states(rollout) == [(1, "DONE")]


def test_what_does_not_verify_is_not_activated_and_pauses_the_roll_out(
    town: Town, maker: Maker, lines: MeterLines
) -> None:
    houses = [town.house() for _ in range(4)]
    with served(town, *houses) as devices:
        for device in devices:
            device.images.faults.spoil_block = 3
        rollout = begun(town, taken(town, maker))
        work(town, lines)
        assert states(rollout) == [(1, "FAILED"), (2, "WAITING"), (3, "WAITING"), (3, "WAITING")]
        rollout.refresh_from_db()
        assert (rollout.state, rollout.paused_why, rollout.stage) == ("PAUSED", "failures", 1)
        assert rollout.jobs.get(stage=1).result == "other_reason"
        assert {device.images.version for device in devices} == {b"DUA-1.0"}
        for device in devices:
            device.images.faults.spoil_block = None
        resume_rollout(rollout_id=rollout.pk, actor="login:1", now=town.now)
        work(town, lines)
        assert states(rollout) == [(1, "FAILED"), (2, "DONE"), (3, "DONE"), (3, "DONE")]
    rollout.refresh_from_db()
    assert rollout.state == "DONE"
    assert AuditRecord.objects.filter(verb="headend.firmware_job", refused=True, code="other_reason").count() == 1


def test_stages_follow_one_another(town: Town, maker: Maker, lines: MeterLines) -> None:
    houses = [town.house() for _ in range(6)]
    with served(town, *houses) as devices:
        rollout = begun(town, taken(town, maker), first=1, percent=50)
        assert [stage for stage, _ in states(rollout)] == [1, 2, 2, 3, 3, 3]

        def new() -> int:
            return sum(device.images.version == b"DUA-2.0" for device in devices)

        seen = []
        while run_due_jobs(lines=lines, now=town.now):
            pass
        seen.append(new())
        for _ in range(3):
            advance_rollouts(now=town.now)
            while run_due_jobs(lines=lines, now=town.now):
                pass
            seen.append(new())
        assert seen == [1, 3, 6, 6]


def test_activation_waits_for_its_time_and_a_stop_comes_before_it(town: Town, maker: Maker, lines: MeterLines) -> None:
    houses = [town.house() for _ in range(2)]
    with served(town, *houses) as devices:
        later = town.now + dt.timedelta(hours=6)
        rollout = begun(town, taken(town, maker), first=2, activate_at=later)
        work(town, lines)
        assert states(rollout) == [(1, "VERIFIED")] * 2
        assert {device.images.version for device in devices} == {b"DUA-1.0"}
        pause_rollout(rollout_id=rollout.pk, actor="login:1", now=town.now)
        town.now = later
        assert run_due_jobs(lines=lines, now=town.now) == 0
        resume_rollout(rollout_id=rollout.pk, actor="login:1", now=town.now)
        run_due_jobs(lines=lines, now=town.now, limit=1)
        assert sorted(states(rollout)) == [(1, "ACTIVATED"), (1, "VERIFIED")]
        stop_rollout(rollout_id=rollout.pk, actor="login:1", now=town.now)
        work(town, lines)
        assert sorted(states(rollout)) == [(1, "DONE"), (1, "STOPPED")]
        assert sorted(device.images.version for device in devices) == [b"DUA-1.0", b"DUA-2.0"]
    with pytest.raises(WrongMoment):
        resume_rollout(rollout_id=rollout.pk, actor="login:1", now=town.now)


def test_a_stop_in_the_middle_of_an_activation_still_asks_what_runs(
    town: Town, maker: Maker, lines: MeterLines
) -> None:
    house = town.house()

    class Stops(MeterLines):
        def activate_image(self, *, terms: LineTerms) -> ImageAnswer:
            answer = super().activate_image(terms=terms)
            FirmwareRollout.objects.update(state="STOPPED")
            FirmwareJob.objects.update(state="STOPPED", closed_at=town.now)
            connection.close()
            return answer

    with served(town, house) as (device,):
        rollout = begun(town, taken(town, maker))
        work(town, Stops(town.keys, timeout_s=5.0))
        assert device.images.version == b"DUA-2.0" and states(rollout) == [(1, "DONE")]


def test_a_meter_with_that_version_is_sent_nothing(town: Town, maker: Maker, lines: MeterLines) -> None:
    house = town.house()
    with served(town, house) as (device,):
        device.images.version = b"DUA-2.0"
        rollout = begun(town, taken(town, maker))
        work(town, lines)
        assert device.images.received == [] and states(rollout) == [(1, "DONE")]


def test_a_meter_that_is_away_is_given_up_after_its_tries(town: Town, maker: Maker, lines: MeterLines) -> None:
    house = town.house()
    with served(town, house):
        rollout = begun(town, taken(town, maker))
        house.sim.faults.modem_dead = True
        for _ in range(jobs.TRIES_MAX):
            assert states(rollout) == [(1, "WAITING")]
            at_once()
            assert run_due_jobs(lines=lines, now=town.now) == 1
    job = rollout.jobs.get()
    assert (job.state, job.tries, job.result) == ("FAILED", jobs.TRIES_MAX, "session_failed")
    assert MeterLine.objects.get().held_until_at is None


def test_only_what_its_maker_signed_is_taken(town: Town, maker: Maker) -> None:
    for content, signature in ((IMAGE, SIGNER.sign(IMAGE[:-1])), (IMAGE, b""), (IMAGE, bytes(64))):
        with pytest.raises(NotSigned):
            taken(town, maker, content, signature)
    stranger = Maker.objects.create(code="OTHER", name="Other")
    with pytest.raises(NotSigned):
        taken(town, stranger)
    assert Firmware.objects.count() == 0
    assert list(AuditRecord.objects.filter(refused=True).values_list("code", flat=True)) == ["not_signed"] * 4
    firmware = taken(town, maker)
    assert taken(town, maker).pk == firmware.pk and bytes(firmware.content) == IMAGE


def test_nobody_rolls_out_alone_or_twice(town: Town, maker: Maker) -> None:
    firmware, house = taken(town, maker), town.house()
    plan = {"firmware": firmware, "reason": "x", "requested_by": person("one"), "now": town.now, "activate_at": None}
    with pytest.raises(NobodyThere):
        request_rollout(first=1, percent=10, **plan)
    MeterLine.objects.create(meter=house.meter, host="127.0.0.1", port=1, set_at=town.now, set_by="test")
    for first, percent in ((0, 10), (1, 0), (1, 101)):
        with pytest.raises(BadPlan):
            request_rollout(first=first, percent=percent, **plan)
    approval = request_rollout(first=1, percent=10, **plan)
    with pytest.raises(ApprovalRefused):
        begin_rollout(approval_id=approval.pk, actor="login:1", now=town.now)
    assert FirmwareJob.objects.count() == FirmwareRollout.objects.count() == 0
    decide_approval(approval_id=approval.pk, approve=True, decided_by=person("two"), now=town.now)
    first_time = begin_rollout(approval_id=approval.pk, actor="login:2", now=town.now)
    assert begin_rollout(approval_id=approval.pk, actor="login:2", now=town.now).pk == first_time.pk
    assert Approval.objects.get(pk=approval.pk).state == "USED" and FirmwareJob.objects.count() == 1
    with pytest.raises(RolloutUnderWay):
        request_rollout(first=1, percent=10, **plan)
