"""A-XDR: what is written is read back, what is hostile is refused by the codec's own error and cheaply."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.wire.dlms import axdr
from duaarah.wire.dlms.axdr import INTEGER_TAGS, Data, Tag
from duaarah.wire.dlms.data import CODES
from duaarah.wire.dlms.errors import DlmsError, Incomplete, Malformed, Unencodable


def _of(tag: Tag, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Data]:
    return values.map(lambda value: Data(tag, value))


_INTEGERS = [
    _of(tag, st.integers(-(1 << (8 * n - 1)) if signed else 0, (1 << (8 * n - (1 if signed else 0))) - 1))
    for tag, n, signed in ((tag, struct.calcsize(">" + CODES[tag]), CODES[tag].islower()) for tag in INTEGER_TAGS)
]
_SCALARS = st.one_of(
    *_INTEGERS,
    st.just(Data(Tag.NULL, None)),
    st.just(Data(Tag.DONT_CARE, None)),
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
        "fe",  # no such type
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


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        ("04013f", Data(Tag.BIT_STRING, "0")),  # unused bits set
        ("0a0241ff", Data(Tag.VISIBLE_STRING, "A\ufffd")),  # not ASCII
        ("0c01c3", Data(Tag.UTF8_STRING, "\ufffd")),  # half a character
        ("ff", Data(Tag.DONT_CARE, None)),
    ],
)
def test_what_real_meters_get_wrong_is_read(octets: str, value: Data) -> None:
    assert axdr.decode(bytes.fromhex(octets)) == value


_FIXED = st.one_of(*_INTEGERS, st.just(Data(Tag.NULL, None)), _of(Tag.DATE_TIME, st.binary(min_size=12, max_size=12)))


def _like(row: Data) -> st.SearchStrategy[Data]:
    """Another row of the same types."""
    if row.tag is Tag.STRUCTURE:
        return st.tuples(*map(_like, row.value)).map(lambda inner: Data(Tag.STRUCTURE, inner))
    if row.tag is Tag.NULL or row.tag is Tag.DATE_TIME:
        return st.just(row)
    size, signed = struct.calcsize(">" + CODES[row.tag]), CODES[row.tag].islower()
    return _of(row.tag, st.integers(-(1 << (8 * size - 1)) if signed else 0, (1 << (8 * size - signed)) - 1))


ROWS = st.one_of(
    _FIXED, st.lists(_FIXED, min_size=1, max_size=4).map(lambda row: Data(Tag.STRUCTURE, tuple(row)))
).flatmap(lambda row: st.lists(_like(row), min_size=1, max_size=30).map(tuple))


@given(ROWS, VALUES, st.integers(0, 3))
def test_equal_rows_and_a_stranger_among_them_survive_the_round_trip(
    rows: tuple[Data, ...], stranger: Data, position: int
) -> None:
    for mixed in (rows, (*rows[:position], stranger, *rows[position:])):
        value = Data(Tag.ARRAY, mixed)
        assert axdr.decode(axdr.encode(value)) == value


@given(ROWS)
def test_a_compact_array_is_read_back_as_the_array_it_stands_for(rows: tuple[Data, ...]) -> None:
    try:
        octets = axdr.encode(Data(Tag.COMPACT_ARRAY, rows))
    except Unencodable:
        assert "INTEGER" not in str(rows) and "LONG" not in str(rows)  # only null-data: elements without octets
        return
    assert axdr.decode(octets) == Data(Tag.ARRAY, rows)


@given(VALUES, st.integers(1, 6))
def test_a_compact_array_of_any_type(element: Data, count: int) -> None:
    try:
        octets = axdr.encode(Data(Tag.COMPACT_ARRAY, (element,) * count))
    except Unencodable:
        return
    assert axdr.decode(octets) == Data(Tag.ARRAY, (element,) * count)


def test_a_compact_array_is_written_octet_by_octet() -> None:
    row = [Data(Tag.STRUCTURE, (Data(Tag.LONG_UNSIGNED, n), Data(Tag.NULL, None))) for n in (1, 2)]
    assert axdr.encode(Data(Tag.COMPACT_ARRAY, tuple(row))).hex() == "13" + "02021200" + "04" + "00010002"
    nested = Data(Tag.ARRAY, (Data(Tag.UNSIGNED, 7), Data(Tag.UNSIGNED, 8)))
    assert axdr.encode(Data(Tag.COMPACT_ARRAY, (nested, nested))).hex() == "13" + "01000211" + "04" + "07080708"
    mixed = (Data(Tag.UNSIGNED, 1), Data(Tag.LONG_UNSIGNED, 1))
    with pytest.raises(Unencodable):
        axdr.encode(Data(Tag.COMPACT_ARRAY, mixed))


def test_a_run_of_rows_is_charged_to_the_budget() -> None:
    row = Data(Tag.STRUCTURE, (Data(Tag.UNSIGNED, 1),) * 3)
    assert len(axdr.decode(axdr.encode(Data(Tag.ARRAY, (row,) * 4_999))).value) == 4_999
    with pytest.raises(Malformed):
        axdr.decode(axdr.encode(Data(Tag.ARRAY, (row,) * 5_000)))
    with pytest.raises(Malformed):
        axdr.decode(axdr.encode(Data(Tag.COMPACT_ARRAY, (row,) * 5_000)))
