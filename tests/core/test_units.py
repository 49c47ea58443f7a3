"""Units and exact scaling."""

from __future__ import annotations

from decimal import Decimal

import pytest

from duaarah.core.units import Unit, UnitError, scaled, to_whole


def test_every_unit_has_a_symbol() -> None:
    assert {unit.symbol for unit in Unit} >= {"Wh", "W", "V", "A", "Hz", ""}


@pytest.mark.parametrize(("raw", "scaler", "whole"), [(123, 0, 123), (123, 1, 1230), (-5, 3, -5000), (1200, -2, 12)])
def test_to_whole(raw: int, scaler: int, whole: int) -> None:
    assert to_whole(raw, scaler) == whole
    assert scaled(raw, scaler) == Decimal(whole)


def test_a_lost_fraction_is_refused() -> None:
    assert scaled(93, -1) == Decimal("9.3")
    for raw, scaler in ((93, -1), (-1, -3), (1, 13), (1, -13)):
        with pytest.raises(UnitError):
            to_whole(raw, scaler)
