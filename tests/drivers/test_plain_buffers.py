# SPDX-License-Identifier: Apache-2.0
"""A buffer read column by column says what it says when it is read row by row, whatever is in it."""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.core.reports import LoadProfile, ReportError
from duaarah.drivers import bodies
from duaarah.drivers.bodies import NoMatch
from duaarah.drivers.pushes import Channel, PushBody
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure
from duaarah.wire.dlms.datetime import DateTime

BEGIN = dt.datetime(2026, 5, 1, 3, 15, tzinfo=dt.UTC)
NULL = Data(Tag.NULL, None)
clocks = st.one_of(
    st.integers(0, 5).map(lambda n: octets(DateTime.from_instant(BEGIN + dt.timedelta(minutes=15 * n)).to_octets())),
    st.just(octets(b"\xff" * 12)),
    st.just(NULL),
)
numbers = st.one_of(
    st.integers(0, 0xFFFF).map(lambda n: Data(Tag.LONG_UNSIGNED, n)),
    st.sampled_from([0, 7, 0xFFFF]).map(lambda n: Data(Tag.LONG_UNSIGNED, n)),
    st.sampled_from([NULL, Data(Tag.DELTA_INTEGER, -3), Data(Tag.UNSIGNED, 9), Data(Tag.VISIBLE_STRING, "x")]),
)
plain = st.integers(0, 0xFFFF).map(lambda n: Data(Tag.LONG_UNSIGNED, n))
states = st.sampled_from([Data(Tag.UNSIGNED, 3), Data(Tag.BIT_STRING, "0101"), NULL])
makes = {"clock": clocks, "status": states, "skip": numbers}
channels = st.lists(
    st.sampled_from(
        [
            Channel("clock", 0, None),
            Channel("status", 0, None),
            Channel("skip", 0, None),
            Channel("energy_wh", 1, 0xFFFF),
            Channel("voltage_l1_mv", -1, None),
            Channel("current_l1_ma", 0, 7),
        ]
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda one: one.name,
)


@st.composite
def buffers(draw: st.DrawFn) -> tuple[tuple[Channel, ...], Data]:
    names = tuple(draw(channels))
    hard = draw(st.booleans())
    columns = [makes.get(one.name, numbers) if hard else makes.get(one.name, plain) for one in names]
    count = draw(st.integers(0, 6))
    rows = [structure(*(draw(column) for column in columns)) for _ in range(count)]
    if rows and hard and draw(st.booleans()):
        rows[-1] = structure(*rows[-1].value, NULL)
    if len(names) == 1 and draw(st.booleans()):
        rows = [row.value[0] for row in rows]
    return names, Data(Tag.ARRAY, tuple(rows))


def read(body: PushBody, buffer: Data, *, start_at: dt.datetime | None) -> LoadProfile | str:
    try:
        return bodies.load_profile(body, {"buffer": buffer, "start_at": start_at}, None)
    except (NoMatch, ReportError) as error:
        return type(error).__name__


@given(buffers(), st.booleans(), st.booleans())
def test_by_columns_as_by_rows(made: tuple[tuple[Channel, ...], Data], begun: bool, at_end: bool) -> None:
    names, buffer = made
    body = PushBody("load_profile", (), MappingProxyType({}), 420, names, 900, at_end)
    start_at = BEGIN if begun else None
    quick = read(body, buffer, start_at=start_at)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "_columns", lambda body, buffer: None)
        assert read(body, buffer, start_at=start_at) == quick


def test_whole_columns_are_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_interval", None)
    rows = tuple(structure(Data(Tag.LONG_UNSIGNED, n), Data(Tag.LONG_UNSIGNED, 2200 + n)) for n in range(96))
    names = (Channel("energy_wh", 0, 0xFFFF), Channel("voltage_l1_mv", 2, 0xFFFF))
    body = PushBody("load_profile", (), MappingProxyType({}), None, names, 900)
    read_one = bodies.load_profile(body, {"buffer": Data(Tag.ARRAY, rows), "start_at": BEGIN}, None)
    assert read_one.intervals[95].values == (95, 229_500)
    assert read_one.intervals[95].start_at == BEGIN + dt.timedelta(minutes=15 * 95)
