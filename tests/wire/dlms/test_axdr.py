"""A-XDR: what is written is read back, what is hostile is refused by the codec's own error and cheaply."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.wire.dlms import axdr
from duaarah.wire.dlms.axdr import Data, Tag
from duaarah.wire.dlms.errors import DlmsError, Incomplete, Malformed, Unencodable


def _of(tag: Tag, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Data]:
    return values.map(lambda value: Data(tag, value))


_INTEGERS = [
    _of(tag, st.integers(-(1 << (8 * n - 1)) if signed else 0, (1 << (8 * n - (1 if signed else 0))) - 1))
    for tag, (n, signed) in axdr._INTEGERS.items()
]
_SCALARS = st.one_of(
    *_INTEGERS,
    st.just(Data(Tag.NULL, None)),
    _of(Tag.BOOLEAN, st.booleans()),
    _of(Tag.OCTET_STRING, st.binary(max_size=300)),
    _of(Tag.VISIBLE_STRING, st.text(st.characters(max_codepoint=127), max_size=140)),
    _of(Tag.UTF8_STRING, st.text(st.characters(codec="utf-8"), max_size=50)),
    _of(Tag.BIT_STRING, st.text("01", max_size=40)),
    _of(Tag.DATE_TIME, st.binary(min_size=12, max_size=12)),
    _of(Tag.DATE, st.binary(min_size=5, max_size=5)),
    _of(Tag.TIME, st.binary(min_size=4, max_size=4)),
    _of(Tag.FLOAT32, st.floats(width=32, allow_nan=False)),
    _of(Tag.FLOAT64, st.floats(allow_nan=False)),
)
VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.tuples(st.sampled_from((Tag.ARRAY, Tag.STRUCTURE)), st.lists(inner, max_size=5).map(tuple)).map(
        lambda pair: Data(*pair)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_a_value_survives_the_round_trip(value: Data) -> None:
    assert axdr.decode(axdr.encode(value)) == value


@given(st.binary(max_size=120))
def test_random_octets_raise_only_the_codecs_own_error(octets: bytes) -> None:
    try:
        axdr.decode(octets)
    except DlmsError as error:
        assert error.code in ("malformed", "incomplete")


@given(VALUES, st.data())
def test_every_cut_is_incomplete(value: Data, data: st.DataObject) -> None:
    octets = axdr.encode(value)
    with pytest.raises(Incomplete):
        axdr.decode(octets[: data.draw(st.integers(0, len(octets) - 1))])


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        ("00", Data(Tag.NULL, None)),
        ("0301", Data(Tag.BOOLEAN, True)),
        ("0fff", Data(Tag.INTEGER, -1)),
        ("1209c4", Data(Tag.LONG_UNSIGNED, 2500)),
        ("05fffffffe", Data(Tag.DOUBLE_LONG, -2)),
        ("1604", Data(Tag.ENUM, 4)),
        ("0406a8", Data(Tag.BIT_STRING, "101010")),
        ("0a03414243", Data(Tag.VISIBLE_STRING, "ABC")),
        ("090101", Data(Tag.OCTET_STRING, b"\x01")),
        ("1c80", Data(Tag.DELTA_INTEGER, -128)),
        ("020211010f02", Data(Tag.STRUCTURE, (Data(Tag.UNSIGNED, 1), Data(Tag.INTEGER, 2)))),
    ],
)
def test_worked_values(octets: str, value: Data) -> None:
    assert axdr.decode(bytes.fromhex(octets)) == value
    assert axdr.encode(value).hex() == octets


@pytest.mark.parametrize(("length", "octets"), [(127, "7f"), (128, "8180"), (255, "81ff"), (256, "820100")])
def test_lengths_take_the_short_form_below_128(length: int, octets: str) -> None:
    assert axdr.encode_length(length).hex() == octets
    assert axdr.decode(axdr.encode(axdr.octets(bytes(length)))).value == bytes(length)


def test_a_compact_array_is_given_back_expanded() -> None:
    # two rows of {long-unsigned, null}: 4 content octets
    octets = bytes.fromhex("13" + "02021200" + "04" + "00010002")
    row = [Data(Tag.STRUCTURE, (Data(Tag.LONG_UNSIGNED, n), Data(Tag.NULL, None))) for n in (1, 2)]
    assert axdr.decode(octets) == Data(Tag.ARRAY, tuple(row))


@pytest.mark.parametrize(
    "octets",
    [
        "0201" * 20 + "00",  # too deep
        "13" + "0100000001ffff",  # a compact-array whose elements take no octets
        "13" + "01ffff01ffff11" + "820200" + "00" * 512,  # unfolds without limit
        "0985ffffffffff",  # a length of five octets
        "0984ffffffff",  # a length past the limit
        "04013f",  # unused bits set
        "0a01ff",  # not ASCII
        "ff",  # no such type
        "0000",  # left over
    ],
)
def test_hostile_values_are_malformed(octets: str) -> None:
    with pytest.raises(Malformed):
        axdr.decode(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "value",
    [
        Data(Tag.UNSIGNED, 256),
        Data(Tag.VISIBLE_STRING, "é"),
        Data(Tag.DATE_TIME, bytes(11)),
        Data(Tag.BIT_STRING, "012"),
        Data(Tag.COMPACT_ARRAY, ()),
        Data(Tag.FLOAT32, 1e300),
    ],
)
def test_what_does_not_fit_its_type_is_not_encoded(value: Data) -> None:
    with pytest.raises(Unencodable):
        axdr.encode(value)
