"""What the SMSC measures at its socket."""

from __future__ import annotations

import time

from tests.sim.smsc.peers import running, until

from duaarah.sim.smsc.counters import BindCounters


def test_the_window_is_what_stood_unanswered_at_once() -> None:
    with running() as smsc:
        platform, town = smsc.pair()
        smsc.ask("fault", response_delay_s=0.4)
        for _ in range(7):
            platform.submit()
        assert [platform.next().status for _ in range(7)] == [0] * 7
        platform.submit()
        platform.next()
        mine, other = smsc.ask("stats")["binds"]
        assert (mine["account"], mine["kind"], mine["submits"], mine["unanswered_max"]) == (
            "platform",
            "transceiver",
            8,
            7,
        )
        assert mine["unanswered"] == mine["refused"] == 0
        for _ in range(8):
            town.deliver()
        assert other["delivers"] == 8 and other["submits"] == 0


def test_refused_and_swallowed_submits_are_no_open_window() -> None:
    with running() as smsc:
        platform, _town = smsc.pair()
        smsc.ask("fault", throttle=2, noresp=1)
        for _ in range(2):
            platform.submit()
            platform.next()
        platform.submit()
        until(lambda: smsc.ask("stats")["binds"][0]["submits"] == 3, "three submits")
        shown = smsc.ask("stats")["binds"][0]
        assert (shown["refused"], shown["unanswered"], shown["unanswered_max"]) == (2, 0, 1)


def test_arrivals_are_noted_by_id_and_clock_while_asked() -> None:
    with running() as smsc:
        platform, _town = smsc.pair()
        platform.submit()
        before = platform.next()
        assert smsc.ask("arrivals", on=True) == {"arrivals": []}
        began_ms = int(time.time() * 1000)
        platform.submit()
        noted = platform.next()
        ((message_id, at_ms),) = smsc.ask("arrivals", on=False)["arrivals"]
        assert message_id == noted.text["message_id"] != before.text["message_id"]
        assert began_ms <= at_ms <= time.time() * 1000
        platform.submit()
        platform.next()
        assert smsc.ask("arrivals", on=False) == {"arrivals": []}


def test_a_rate_is_counted_by_second_and_within_any_second() -> None:
    counters = BindCounters()
    # No second of the clock sees more than 4; the second that begins at 10.15 sees 7.
    for now_s in (10.2, 10.7, 10.8, 10.9, 11.0, 11.1, 11.15, 12.5):
        counters.arrived(now_s)
        counters.answered(refused=False)
    shown = counters.shown()
    assert (shown["submits"], shown["tps"], shown["any_second_max"]) == (8, {"1": 1, "3": 1, "4": 1}, 7)


def test_a_paced_client_is_measured_as_it_sent() -> None:
    with running() as smsc:
        platform, _town = smsc.pair()
        began_s = time.monotonic()
        for n in range(30):
            time.sleep(max(0.0, began_s + n / 20 - time.monotonic()))
            platform.submit()
            platform.next()
        shown = smsc.ask("stats")["binds"][0]
        assert shown["submits"] == sum(int(n) * k for n, k in shown["tps"].items()) == 30
        assert 15 <= shown["any_second_max"] <= 22
