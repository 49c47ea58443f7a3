"""The pace, simulated: at most `per_s` in any second and hardly less, whatever the loop does; slower after a throttling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.wire.smpp.pacing import PAUSE_S, Pace


def play(pace: Pace, steps_s: list[float], start_s: float = 5.0) -> list[tuple[float, int]]:
    """(when, how many) for a loop that turns after each of `steps_s`, and always has more to send."""
    now_s, sent = start_s, []
    for step_s in steps_s:
        now_s += step_s
        count = pace.allowed(now_s)
        pace.took(count, now_s)
        sent.append((now_s, count))
    return sent


def most_in_a_second(sent: list[tuple[float, int]]) -> int:
    return max(sum(count for at, count in sent if start <= at < start + 1) for start, _ in sent)


@given(st.integers(1, 2_000), st.lists(st.floats(0.001, 2.0), min_size=1, max_size=150))
def test_never_more_than_the_cap_in_any_second(per_s: int, steps_s: list[float]) -> None:
    assert most_in_a_second(play(Pace(per_s), steps_s)) <= per_s


@pytest.mark.parametrize("per_s", [5, 50, 300, 1_500])
@pytest.mark.parametrize("turn_s", [0.01, 0.03, 0.06])
def test_and_hardly_less(per_s: int, turn_s: float) -> None:
    sent = play(Pace(per_s), [turn_s] * int(10 / turn_s))
    total = sum(count for _, count in sent)
    assert 0.95 * per_s * 10 <= total <= per_s * 10


def test_throttled_it_pauses_and_comes_back_slower() -> None:
    pace = Pace(100)
    play(pace, [0.01] * 200)
    pace.throttled(7.0)
    # A second throttling within the pause is the same one.
    pace.throttled(7.1)
    assert sum(n for _, n in play(pace, [0.01] * 99, 7.0)) == 0
    after = sum(n for _, n in play(pace, [0.01] * 100, 7.0 + PAUSE_S))
    assert 50 <= after <= 75
    assert sum(n for _, n in play(pace, [0.01] * 100, 14.0)) >= 95


def test_a_clock_that_stands_still_gives_nothing() -> None:
    pace = Pace(100)
    play(pace, [0.01] * 10)
    assert sum(n for _, n in play(pace, [0.0] * 50, 5.1)) == 0
