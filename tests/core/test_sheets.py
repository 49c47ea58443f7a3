"""Cells of a spreadsheet: figures stay figures, nothing that somebody wrote is a formula."""

from __future__ import annotations

import pytest

from duaarah.core.sheets import CELL_MAX, cell


@pytest.mark.parametrize(
    "words",
    ["=1+1", "+62", "-1", "@SUM(A1)", "|cmd", "%x", "\tx", "\r=1", "\n=1", "  =HYPERLINK()", "＝1", "－1"],
)
def test_what_begins_as_a_formula_is_a_text(words: str) -> None:
    assert cell(words).startswith("'") and cell("=1+1") != "=1+1"


@pytest.mark.parametrize(("value", "shown"), [(-5, -5), (0, 0), (None, ""), ("BTS-1=2", "BTS-1=2"), (True, "True")])
def test_the_rest_is_as_it_is(value: object, shown: object) -> None:
    assert cell(value) == shown


def test_control_characters_go_and_a_cell_has_an_end() -> None:
    assert cell("a\x00b\x0bc") == "abc" and cell("\x00=1") == "'=1"
    assert len(str(cell("x" * 100_000))) == CELL_MAX
