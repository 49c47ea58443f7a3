"""Two windows that began alike and went on apart, put together: nothing taken is free again, nothing free is taken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from duaarah.core.replay import WIDTH, Replayed, ReplayWindow

COUNTERS = st.lists(st.integers(1, 200), max_size=60)


def after(window: ReplayWindow, counters: list[int]) -> tuple[ReplayWindow, set[int]]:
    """The window after these counters, and those that it took."""
    taken = set()
    for counter in counters:
        try:
            window, _ = window.take(counter)
        except Replayed:
            continue
        taken.add(counter)
    return window, taken


def free(window: ReplayWindow, counter: int) -> bool:
    try:
        window.take(counter)
    except Replayed:
        return False
    return True


@given(before=COUNTERS, here=COUNTERS, there=COUNTERS)
def test_joined_windows(before: list[int], here: list[int], there: list[int]) -> None:
    common, first = after(ReplayWindow(), before)
    one, by_one = after(common, here)
    other, by_other = after(common, there)
    joined = one.joined(other)
    assert joined == other.joined(one) and joined.highest == max(one.highest, other.highest)
    taken = first | by_one | by_other
    for counter in range(1, 203):
        if counter in taken or counter < joined.highest - WIDTH:
            assert not free(joined, counter)
        else:
            # Not taken on either way; a first counter of all closes what lies below it.
            assert free(joined, counter) or counter < joined.highest


def test_exactly() -> None:
    one, _ = after(ReplayWindow(), [10, 11, 14])
    other, _ = after(ReplayWindow(), [10, 11, 12])
    joined = one.joined(other)
    assert joined.highest == 14 and [n for n in range(9, 16) if free(joined, n)] == [9, 13, 15]
    assert ReplayWindow().joined(one) == one.joined(ReplayWindow()) == one
