"""One bad row stops neither the others nor the worker; a failing database is not swallowed."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from duaarah.workers.loop import each


def test_a_row_that_fails_lets_the_others_pass() -> None:
    done = []

    def act(row: int) -> str:
        if row == 2:
            raise ValueError("nobody foresaw this")
        done.append(row)
        return "ok"

    assert each([1, 2, 3], act, "text") == 3
    assert done == [1, 3]


def test_a_failing_database_reaches_the_loop() -> None:
    def act(row: int) -> str:
        raise OperationalError("gone")

    with pytest.raises(OperationalError):
        each([1], act, "text")
