"""What the town's state file carries: everything, and nothing leaves the town before it stands there."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from tests.sim.town.test_town import _frame, _report, _token

from duaarah.core.gsm7 import encode
from duaarah.core.intent import LowCredit, TokenResult
from duaarah.messaging.texts import render, short_drn
from duaarah.sim.bank.atm import ATM
from duaarah.sim.bank.notify import Channel, Notifier
from duaarah.sim.meter import MeterPast
from duaarah.sim.town.clock import MINUTE_US
from duaarah.sim.town.load import DAY_US, HOUR_US
from duaarah.sim.town.memory import Memory, StateRefused
from duaarah.sim.town.plans import questions_of
from duaarah.sim.town.sms import BINARY, GSM7, Outgoing
from duaarah.sim.town.town import Town
from duaarah.sim.town.world import CHANNEL, START, TownMeter, make_world

WORLD = make_world(7, 50)
METER = WORLD.meters[0]
BY_SIM = {meter.msisdn: meter for meter in WORLD.meters}


class Silent(Notifier):
    """A notifier that posts nothing and notes what it was given."""

    def __init__(self) -> None:
        super().__init__(Channel(CHANNEL, b"s" * 32, "http://127.0.0.1:1"))
        self.bodies: list[bytes] = []

    def send(self, body: bytes, done: Callable[..., None], *, forged: bool = False) -> None:
        self.bodies.append(body)


class Life:
    """One process's worth of a town."""

    def __init__(self, path: Path | None, *, atm: bool = True, pasts: dict[str, MeterPast] | None = None) -> None:
        self.memory = Memory(path, WORLD) if path else None
        self.sent: list[Outgoing] = []
        self.notifier = Silent()
        self.atm = ATM(WORLD, self.notifier, CHANNEL, ledger=self.memory) if atm else None
        self.town = Town(WORLD, send=self.sent.append, atm=self.atm, pasts=pasts, memory=self.memory)
        self.town.keep()

    def end(self) -> None:
        """As a kill between two steps: what was not kept is gone."""
        if self.memory:
            self.memory.close()
        self.notifier.close()


@contextmanager
def _life(path: Path | None, **options: object) -> Iterator[Life]:
    life = Life(path, **options)  # type: ignore[arg-type]
    try:
        yield life
    finally:
        life.end()


def _warning(meter: TownMeter, code: str) -> bytes:
    name = meter.site.alias if meter.site else short_drn(meter.drn)
    return encode(
        render("low_credit", "id", kwh="1,0", meter=name, nominal_plain="50000", nominal="Rp50.000", code=code)
    )


def _code(number: int) -> str:
    return f"{chr(65 + number % 26)}{number % 10}{chr(65 + number // 26 % 26)}"


def _everything(town: Town) -> dict[str, object]:
    """All that can be seen of a town and all that its parts would keep."""
    due = sorted((at_us, event.plan) for at_us, _, event in town.queue._heap if event.action and event.plan is not None)
    return {
        "town": town._state(),
        "meters": {drn: supply.state() for drn, supply in town.supplies.items()},
        "crossings": {drn: s.crossing.at_us if s.crossing else None for drn, s in town.supplies.items()},
        "phones": {n: (p.state(), list(p.inbox), list(p.outbox), sorted(p._planned)) for n, p in town.phones.items()},
        "due": due,
        "sold": list(town.atm.sold) if town.atm else None,
        "tids": dict(town.atm._latest_tid) if town.atm else None,
    }


def _live_two_days(path: Path | None, restart_every: int) -> tuple[list[tuple[str, bytes]], dict[str, object], int]:
    """
    A platform that answers each warning by an SMS and every third by a frame; a new process after so many steps. What
    left the town, how it stands in the end, and how often it was taken up.
    """
    life, steps, restarts, answered, now_us = Life(path), 0, 0, 0, 5 * MINUTE_US
    told: list[tuple[str, bytes]] = []
    life.town.start(now_us)
    life.town.keep()
    while (due_us := life.town.queue.next_due_us()) is not None and due_us < 2 * DAY_US:
        now_us = max(now_us, due_us)
        life.town.run(now_us, 1)
        life.town.keep()
        for sms in life.sent:
            told.append((sms.source, sms.payload))
            if life.memory and sms.row is not None:
                life.memory.sent(sms.row)
            if sms.source in BY_SIM and isinstance(_report(BY_SIM[sms.source], sms), LowCredit):
                meter = BY_SIM[sms.source]
                life.town.receive(meter.holder.phone, _warning(meter, _code(answered)), GSM7, now_us)
                life.town.keep()
                answered += 1
                if answered % 3 == 0:
                    life.town.receive(meter.msisdn, _frame(meter, _token(meter, minutes=answered), 1), BINARY, now_us)
        life.sent.clear()
        life.town.keep()
        for sms in life.sent:  # what the frames were answered
            told.append((sms.source, sms.payload))
            if life.memory and sms.row is not None:
                life.memory.sent(sms.row)
        life.sent.clear()
        life.town.keep()
        steps += 1
        if path and steps % restart_every == 0:
            before = _everything(life.town)
            life.end()
            life, restarts = Life(path), restarts + 1
            assert life.memory and life.memory.restored and life.sent == []
            assert _everything(life.town) == before
    end = _everything(life.town)
    del end["due"]  # plans have numbers only in a file
    life.end()
    return told, end, restarts


def test_a_town_that_is_killed_again_and_again_lives_the_same_days_as_one_that_is_not(tmp_path: Path) -> None:
    undisturbed, its_end, _ = _live_two_days(None, 0)
    told, end, restarts = _live_two_days(tmp_path / "town.db", 7)
    assert restarts > 10 and len(told) > 80
    assert told == undisturbed
    assert end == its_end


def test_nothing_leaves_before_it_stands_in_the_file(tmp_path: Path) -> None:
    path, copies = tmp_path / "town.db", []
    with _life(path) as life:
        life.town.start(0)
        life.town.keep()

        def leaves(sms: Outgoing) -> None:
            """A kill at this very moment: what a new process would find."""
            copy = tmp_path / f"copy{len(copies)}.db"
            for end in ("", "-wal"):
                shutil.copy(f"{path}{end}", f"{copy}{end}")
            with _life(copy) as found:
                copies.append((sms, found.sent, found.town.supplies[METER.drn].state()))

        life.town._send = leaves
        life.town.receive(METER.msisdn, _frame(METER, _token(METER), 1), BINARY, 1)
        assert copies == []
        life.town.keep()
        assert len(copies) == 1
        sms, found_sent, state = copies[0]
        assert found_sent == [sms] and found_sent[0].row == sms.row
        assert state == life.town.supplies[METER.drn].state()
        assert state["sim"]["tokens_accepted"] == 1 and state["sim"]["link"]["sent_counter"] == 1


def test_a_file_that_cannot_be_written_lets_nothing_out_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "town.db"
    with _life(path) as life:
        life.town.start(0)
        life.town.keep()
        assert life.memory
        life.memory._file.execute("ALTER TABLE meter RENAME TO gone")
        life.town.receive(METER.msisdn, _frame(METER, _token(METER), 1), BINARY, 1)
        life.town.buy_at_atm(METER.drn, 50_000)
        for _ in range(2):
            with pytest.raises(sqlite3.OperationalError):
                life.town.keep()
        assert (life.sent, life.notifier.bodies) == ([], [])
        life.memory._file.execute("ALTER TABLE gone RENAME TO meter")
        life.town.keep()
        assert len(life.sent) == len(life.notifier.bodies) == 1
    with _life(path) as life:
        assert len(life.sent) == 1


def test_an_sms_is_sent_again_until_the_smsc_has_answered_for_it_in_order(tmp_path: Path) -> None:
    path = tmp_path / "town.db"
    with _life(path) as life:
        for text in ("satu", "dua", "tiga"):
            life.town.send_text("628120", text)
        life.town.keep()
        assert life.memory and life.sent[1].row is not None
        life.memory.sent(life.sent[1].row)
        life.town.keep()
    with _life(path) as life:
        assert [sms.payload for sms in life.sent] == [b"satu", b"tiga"]
    with _life(path) as life:
        assert [sms.payload for sms in life.sent] == [b"satu", b"tiga"]


def test_the_same_frame_and_the_same_token_are_refused_after_a_restart(tmp_path: Path) -> None:
    path, frame = tmp_path / "town.db", _frame(METER, _token(METER), 1)
    with _life(path, atm=False) as life:
        life.town.radio_faults = False
        life.town.receive(METER.msisdn, frame, BINARY, 1)
        life.town.keep()
    with _life(path, atm=False) as life:
        life.town.radio_faults = False
        life.sent.clear()
        life.town.receive(METER.msisdn, frame, BINARY, 2)
        life.town.receive(METER.msisdn, _frame(METER, _token(METER), 2), BINARY, 2)
        life.town.keep()
        report = _report(METER, life.sent[0])
        assert isinstance(report, TokenResult) and (report.result, report.command_counter) == ("used", 2)
        sim = life.town.supplies[METER.drn].sim
        assert (len(life.sent), sim.tokens_accepted, sim.dropped) == (1, 1, Counter(replayed=1))


def test_faults_held_pushes_and_power_survive(tmp_path: Path) -> None:
    path = tmp_path / "town.db"
    with _life(path) as life:
        supply = life.town.supply(METER.drn)
        supply.sim.faults.tid_store_off, supply.sim.faults.lose_next_answer = True, 3
        life.town.set_modem_dead(supply, True)
        life.town.set_power(METER.drn, False)
        life.town.keep()
        assert len(supply.held) == 1
    with _life(path) as life:
        supply = life.town.supplies[METER.drn]
        assert supply.modem_dead and not supply.sim.powered and len(supply.held) == 1
        assert supply.sim.faults.tid_store_off and supply.sim.faults.lose_next_answer == 3
        life.town.set_modem_dead(supply, False)
        life.town.keep()
        assert len(life.sent) == 1


def test_the_atm_never_sells_a_tid_twice_and_owes_its_notifications(tmp_path: Path) -> None:
    path = tmp_path / "town.db"
    with _life(path) as life:
        assert life.atm
        sales = [life.atm.buy(METER.drn, 50_000, START) for _ in range(3)]
        forged = life.atm.forge(METER.drn, 50_000, START)
        assert life.notifier.bodies == [] and life.atm.pending == 4
        life.town.keep()
        assert life.notifier.bodies == [sale.body for sale in [*sales, forged]]
        life.atm._remember(sales[1].notification_id, _outcome(202))
        life.atm._remember(sales[2].notification_id, _outcome(503))
        life.town.keep()
    with _life(path) as life:
        assert life.atm and (life.atm.sold_count, list(life.atm.sold), life.atm.pending) == (3, sales, 2)
        assert life.atm.outcomes == {sales[1].notification_id: _outcome(202)}
        life.atm.notify_unanswered()
        life.town.keep()
        assert life.notifier.bodies == [sales[0].body, sales[2].body] and life.atm.pending == 0
        later = life.atm.buy(METER.drn, 50_000, START)
        assert later.tid > forged.tid > sales[2].tid
        with _life(None) as undisturbed:
            assert undisturbed.atm
            assert [undisturbed.atm.buy(METER.drn, 50_000, START) for _ in range(5)][4] == later


def _outcome(status: int) -> object:
    from duaarah.sim.bank.notify import Outcome

    return Outcome(status, 1, "{}")


def test_a_town_taken_up_without_its_atm_still_has_it_later(tmp_path: Path) -> None:
    path = tmp_path / "town.db"
    with _life(path) as life:
        assert life.atm
        sale = life.atm.buy(METER.drn, 50_000, START)
        life.town.keep()
    with _life(path, atm=False) as life:
        life.town.send_text("628120", "ok")
        life.town.keep()
    with _life(path) as life:
        assert life.atm and (life.atm.sold_count, life.atm.pending) == (1, 1)
        assert life.atm.buy(METER.drn, 50_000, START).tid > sale.tid


def test_questions_come_each_day_neither_skipped_nor_repeated_by_restarts_and_jumps(tmp_path: Path) -> None:
    days = 4
    for restarting in (False, True):
        path = tmp_path / f"town{restarting}.db"
        life = Life(path, atm=False)
        life.town.start(0)
        life.town.keep()
        asked: Counter[tuple[str, bytes]] = Counter()
        for now_us in range(0, days * DAY_US, 7 * HOUR_US if restarting else days * DAY_US - 1):
            while life.town.run(now_us, 50):
                life.town.keep()
            asked.update((sms.source, sms.payload) for sms in life.sent if sms.data_coding == GSM7)
            for sms in life.sent:
                assert life.memory and sms.row is not None
                life.memory.sent(sms.row)
            life.sent.clear()
            life.town.keep()
            if restarting:
                life.end()
                life = Life(path, atm=False)
        while life.town.run(days * DAY_US - 1, 50):
            life.town.keep()
        asked.update((sms.source, sms.payload) for sms in life.sent if sms.data_coding == GSM7)
        life.end()
        expected = Counter((q.phone, encode(q.text)) for q in WORLD.questions for _ in range(days))
        assert asked == expected


def test_no_two_days_ask_at_the_same_minutes_but_each_seed_repeats_its_own() -> None:
    def minutes(day: int) -> list[int]:
        return [question.minute for question in questions_of(WORLD, day, first=False)]

    assert questions_of(WORLD, 0, first=True) == list(WORLD.questions)
    assert minutes(1) == minutes(1) != minutes(2)
    assert all(0 < minute < 24 * 60 for day in range(100) for minute in minutes(day))
    asked = Counter((question.phone, question.text) for question in questions_of(WORLD, 3, first=False))
    assert asked == Counter((question.phone, question.text) for question in WORLD.questions)


@pytest.mark.parametrize("day", [0, 3])
def test_the_first_day_asks_exactly_when_the_world_says_and_the_next_ones_do_not(day: int) -> None:
    with _life(None, atm=False) as life:
        life.town.start(day * DAY_US)
        asked: dict[int, set[tuple[str, str, str]]] = {}
        for until in (day + 1, day + 2):
            while life.town.run(until * DAY_US - 1, 1000):
                pass
            asked[until] = {
                (phone.number, sms["text"], sms["at"][11:16])
                for phone in life.town.phones.values()
                for sms in phone.outbox
                if sms["at"].startswith((START + timedelta(days=until - 1)).date().isoformat())
            }
    minutes = {(q.phone, q.text, f"{q.minute // 60:02d}:{q.minute % 60:02d}") for q in WORLD.questions}
    assert asked[day + 1] == minutes
    assert len(asked[day + 2]) == len(minutes) and len(asked[day + 2] & minutes) < len(minutes) // 2


def test_a_plan_whose_time_is_past_happens_at_once_and_once(tmp_path: Path) -> None:
    path = tmp_path / "town.db"
    meter = next(meter for meter in WORLD.meters if meter.site is None)
    with _life(path) as life:
        life.town.start(0)
        life.town.receive(meter.holder.phone, _warning(meter, "K7P"), GSM7, 0)
        life.town.keep()
    with _life(path) as life:
        while life.town.run(2 * HOUR_US, 100):
            life.town.keep()
        assert [sms for sms in life.sent if sms.source == meter.holder.phone] == [
            Outgoing(meter.holder.phone, encode("ISI 50000 K7P"), GSM7)
        ]
        assert life.memory
        for sms in life.sent:
            assert sms.row is not None
            life.memory.sent(sms.row)
        # The same warning once more, as an SMSC may bring it after a kill.
        life.town.receive(meter.holder.phone, _warning(meter, "K7P"), GSM7, 2 * HOUR_US)
        life.town.keep()
    with _life(path) as life:
        while life.town.run(4 * HOUR_US, 100):
            life.town.keep()
        assert not [sms for sms in life.sent if sms.source == meter.holder.phone]


def test_a_past_is_what_a_meter_begins_with_and_stands_in_the_file(tmp_path: Path) -> None:
    digits = _token(METER)
    with _life(None) as earlier:
        earlier.town.radio_faults = False
        earlier.town.receive(METER.msisdn, _frame(METER, digits, 41), BINARY, 0)
        state = earlier.town.supplies[METER.drn].sim.state()
        title = next(iter(state["link"]["windows"]))
    past = MeterPast.of_state(state, bytes.fromhex(title))
    assert (past.token_energy_wh, past.tokens_accepted, past.received_counter, past.sent_counter) == (30_000, 1, 41, 1)
    path = tmp_path / "town.db"
    for _ in range(2):
        with _life(path, pasts={METER.drn: past}) as life:
            life.town.radio_faults = False
            sim = life.town.supplies[METER.drn].sim
            assert (sim.credit_wh, sim.token_energy_wh, sim.tokens_distinct) == (METER.credit_wh, 30_000, 1)
            life.town.receive(METER.msisdn, _frame(METER, digits, 40), BINARY, 0)
            assert life.sent == [] and sim.dropped == Counter(replayed=1)
    with _life(path) as life:  # the past is not asked for again
        life.town.radio_faults = False
        life.town.receive(METER.msisdn, _frame(METER, digits, 42), BINARY, 0)
        life.town.keep()
        report = _report(METER, life.sent[0])
        assert isinstance(report, TokenResult) and report.result == "used"
        assert life.town.supplies[METER.drn].state()["sim"]["link"]["sent_counter"] == 2


@pytest.mark.parametrize(
    "wrong", [{"sent_counter": -1}, {"received_counter": 1 << 32}, {"tokens_accepted": 1, "distinct_tids": (1, 2)}]
)
def test_a_past_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        MeterPast(**wrong)  # type: ignore[arg-type]


def test_latest_tids_can_be_given_and_never_go_back(tmp_path: Path) -> None:
    path, high = tmp_path / "town.db", 12_000_000
    for expected in (high + 1, high + 2):
        memory, notifier = Memory(path, WORLD), Silent()
        atm = ATM(WORLD, notifier, CHANNEL, latest_tids={METER.drn: high}, ledger=memory)
        town = Town(WORLD, send=lambda sms: None, atm=atm, memory=memory)
        assert atm.buy(METER.drn, 50_000, START).tid == expected
        town.keep()
        memory.close()
        notifier.close()


def test_files_of_others_are_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "town.db"
    with _life(path), pytest.raises(StateRefused, match="in use by another town"):
        Memory(path, WORLD)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text, other = tmp_path / "text", tmp_path / "other.db"
    text.write_text("not a database, but longer than a header of SQLite would be: " * 4)
    with sqlite3.connect(other) as file:
        file.execute("CREATE TABLE something (x)")
    file.close()
    for refused, world, why in (
        (path, make_world(8, 50), "seed 7 with 50 meters, not to that of seed 8 with 50"),
        (path, make_world(7, 51), "not to that of seed 7 with 51"),
        (text, WORLD, "no state file"),
        (other, WORLD, "no state file"),
        (tmp_path / "nowhere" / "town.db", WORLD, "cannot be opened"),
        (tmp_path, WORLD, "cannot be opened"),
    ):
        before = refused.read_bytes() if refused.is_file() else None
        with pytest.raises(StateRefused, match=why):
            Memory(refused, world)
        assert (refused.read_bytes() if refused.is_file() else None) == before
    with _life(path) as life:
        assert life.memory and life.memory.restored


def test_a_town_killed_before_its_first_day_begins_it_later(tmp_path: Path) -> None:
    path = tmp_path / "town.db"
    with _life(path):
        pass
    with _life(path) as life:
        assert life.memory and life.memory.restored and not life.town.started
        life.town.start(int(timedelta(hours=5).total_seconds()) * 10**6)
        life.town.keep()
    with _life(path) as life:
        assert life.town.started and life.town.now_us == 5 * HOUR_US
