"""The compressed buffer: what stands for the row above, and that compressing loses nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.wire.dlms import axdr
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure
from duaarah.wire.dlms.errors import Malformed
from duaarah.wire.dlms.profile_buffer import compress, expand, next_clock

CLOCK = bytes.fromhex("07ea0c1f04172d0000fe5c00")  # 2026-12-31 23:45, WIB
NEXT = bytes.fromhex("07eb010105000000" + "00fe5c00")  # a Friday
NULL = Data(Tag.NULL, None)


def _u32(value: int) -> Data:
    return Data(Tag.DOUBLE_LONG_UNSIGNED, value)


def test_the_clock_goes_on_over_the_year() -> None:
    assert next_clock(CLOCK, 900) == NEXT
    assert next_clock(b"\xff" * 12, 900) is None
    assert next_clock(bytes.fromhex("07ea0c1fff172d0000800000"), 900) == bytes.fromhex("07eb0101ff00000000800000")


def test_nulls_and_deltas_stand_for_the_row_above() -> None:
    buffer = Data(
        Tag.ARRAY,
        (
            structure(octets(CLOCK), Data(Tag.UNSIGNED, 8), _u32(1000)),
            structure(NULL, NULL, Data(Tag.DELTA_INTEGER, -3)),
            structure(NULL, Data(Tag.UNSIGNED, 0), Data(Tag.DELTA_LONG_UNSIGNED, 500)),
            structure(octets(CLOCK), NULL, NULL),
        ),
    )
    assert expand(buffer, period_s=900) == [
        (octets(CLOCK), Data(Tag.UNSIGNED, 8), _u32(1000)),
        (octets(NEXT), Data(Tag.UNSIGNED, 8), _u32(997)),
        (octets(next_clock(NEXT, 900) or b""), Data(Tag.UNSIGNED, 0), _u32(1497)),
        (octets(CLOCK), Data(Tag.UNSIGNED, 0), _u32(1497)),
    ]


@pytest.mark.parametrize(
    "rows",
    [
        (structure(Data(Tag.DELTA_INTEGER, 1)),),
        (structure(octets(b"x")), structure(Data(Tag.DELTA_INTEGER, 1))),
        (structure(_u32(1)), structure(_u32(1), _u32(2))),
    ],
)
def test_a_delta_without_a_number_above_is_malformed(rows: tuple[Data, ...]) -> None:
    with pytest.raises(Malformed):
        expand(Data(Tag.ARRAY, rows), period_s=900)


def test_a_null_in_the_first_row_stays() -> None:
    assert expand(Data(Tag.ARRAY, (structure(NULL, _u32(1)),)), period_s=60) == [(NULL, _u32(1))]
    assert expand(Data(Tag.ARRAY, ()), period_s=60) == []


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 0xFFFFFFFF), st.booleans()), min_size=1, max_size=40),
    st.booleans(),
)
def test_what_is_compressed_expands_to_the_same(values: list[tuple[int, int, bool]], delta: bool) -> None:
    rows, clock = [], CLOCK
    for status, register, skip in values:
        rows.append((octets(clock), Data(Tag.UNSIGNED, status), _u32(register)))
        clock = next_clock(clock, 1800 if skip else 900) or b""
    buffer = compress(rows, period_s=900, delta=delta)
    assert expand(axdr.decode(axdr.encode(buffer)), period_s=900) == rows
    assert len(axdr.encode(buffer)) <= len(axdr.encode(Data(Tag.ARRAY, tuple(structure(*row) for row in rows))))


def test_a_steady_household_costs_five_octets_a_row() -> None:
    rows, clock = [], CLOCK
    for number in range(4):
        rows.append((octets(clock), Data(Tag.UNSIGNED, 0), _u32(1000 + 40 * number)))
        clock = next_clock(clock, 900) or b""
    head = "0104" + "0203" + "090c" + CLOCK.hex() + "1100" + "06000003e8"
    assert axdr.encode(compress(rows, period_s=900, delta=True)).hex() == head + "0203" + "0000" + "1c28" + (
        "020300001c28" * 2
    )
