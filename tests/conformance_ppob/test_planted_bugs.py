"""Bugs planted one by one: playing the protocol in any order must find each, by the name of an invariant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance_ppob.planted import MACHINE
from tests.conformance_ppob.test_machine import play
from tests.conformance_ppob.world import Broken

pytestmark = pytest.mark.slow
EXAMPLES_MAX = 400


@pytest.mark.parametrize("bug", MACHINE)
def test_the_machine_finds_it(bug: str, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, names = MACHINE[bug]
    plant(monkeypatch)
    with pytest.raises((Broken, AssertionError)) as found:
        play(tmp_path, examples=EXAMPLES_MAX, steps=30, derandomize=True, shrink=False)
    # What is broken may break the end of the story in any way; the first word counts.
    error: BaseException | None = found.value
    while error is not None and not isinstance(error, Broken):
        error = error.__context__
    assert error is not None and error.name in names
