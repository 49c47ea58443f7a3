"""OBIS codes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.core.obis import TOKEN_GATEWAY, Obis, ObisError

_GROUP = st.integers(0, 255)


@given(st.builds(Obis, _GROUP, _GROUP, _GROUP, _GROUP, _GROUP, _GROUP))
def test_text_and_octets_survive(obis: Obis) -> None:
    assert Obis.parse(str(obis)) == obis
    assert Obis.from_octets(obis.to_octets()) == obis


def test_the_text_forms() -> None:
    assert str(Obis.parse("1.0.1.8.0.255")) == "1-0:1.8.0"
    assert str(Obis.parse("1-0:1.8.0*1")) == "1-0:1.8.0*1"
    assert TOKEN_GATEWAY.to_octets().hex() == "0000132800ff"


@given(st.integers().filter(lambda n: not 0 <= n <= 255))
def test_a_group_outside_0_to_255_is_refused(group: int) -> None:
    with pytest.raises(ObisError):
        Obis(1, 0, group, 8, 0)


@pytest.mark.parametrize(
    "text", ["", "1.0.1.8.0", "1-0:1.8", "1-0:1.8.256", "a-b:c.d.e", "1-0:1.8.0*", " 1-0:1.8.0", "١-0:1.8.0"]
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ObisError):
        Obis.parse(text)


@pytest.mark.parametrize("length", [0, 5, 7])
def test_a_logical_name_has_six_octets(length: int) -> None:
    with pytest.raises(ObisError):
        Obis.from_octets(bytes(length))
