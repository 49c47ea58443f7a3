"""What a session asks and reads, and several settings in one message: pure, for every kind that is shipped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah import drivers
from duaarah.core.intent import Command, SettingResults
from duaarah.core.obis import Obis
from duaarah.core.order import Order, OrderKind
from duaarah.drivers.kinds import ProfileAddress
from duaarah.wire.dlms import apdu, axdr, blocks
from duaarah.wire.dlms.axdr import Data, Tag
from duaarah.wire.dlms.datetime import DateTime
from duaarah.wire.dlms.errors import DlmsError, Malformed

KEYS = drivers.Keys(bytes(16), bytes(range(16)))
TITLE = b"DUAHES01"
AT = datetime(2026, 2, 16, 1, 0, tzinfo=UTC)
PROFILE = ProfileAddress(Obis(1, 0, 99, 1, 0), 900, (None, ("energy_import_wh", 1), ("voltage_l1_mv", -1)))
KINDS = ("single-phase-modem", "three-phase-modem", "three-phase-retrofit")


def clock(at: datetime) -> Data:
    return axdr.octets(DateTime.from_instant(at).to_octets())


def test_rows_by_name_with_nulls_and_deltas_above_them() -> None:
    rows = (
        axdr.structure(clock(AT), Data(Tag.UNSIGNED, 0), Data(Tag.DOUBLE_LONG_UNSIGNED, 100), Data(Tag.LONG, 2205)),
        axdr.structure(Data(Tag.NULL, None), Data(Tag.NULL, None), Data(Tag.DELTA_INTEGER, 5), Data(Tag.NULL, None)),
    )
    found = drivers.profile_rows(PROFILE, Data(Tag.ARRAY, rows))
    # 220.5 is no whole millivolt of this scaler: it is left out, never rounded.
    assert found == [(AT, {"energy_import_wh": 1000}), (AT + timedelta(minutes=15), {"energy_import_wh": 1050})]
    assert drivers.profile_rows(PROFILE, Data(Tag.ARRAY, ())) == []


@pytest.mark.parametrize("cell", [Data(Tag.UNSIGNED, 1), axdr.octets(b"short"), axdr.octets(b"\xff" * 12)])
def test_a_row_without_an_instant_is_refused(cell: Data) -> None:
    with pytest.raises(Malformed):
        drivers.profile_rows(PROFILE, Data(Tag.ARRAY, (axdr.structure(cell, Data(Tag.UNSIGNED, 0)),)))


@given(st.binary(max_size=80))
def test_any_buffer_is_read_or_refused(octets: bytes) -> None:
    try:
        buffer = axdr.decode(octets)
        drivers.profile_rows(PROFILE, buffer)
    except DlmsError:
        pass


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_names_values_and_wakes(kind: str) -> None:
    ip = drivers.profile(kind).ip
    assert ip is not None and ip.wake is not None and ip.load_profile is not None
    woken = apdu.decode(drivers.wake_up(ip.wake))
    assert isinstance(woken, apdu.ActionRequest) and not woken.invoke_octet & apdu.SERVICE_CONFIRMED
    assert {"power_w", "voltage_l1_mv", "current_l1_ma", "power_factor_permille", "frequency_mhz"} <= set(ip.values)


def test_a_value_that_bears_a_register_s_name_is_refused() -> None:
    text = drivers.kinds._text("single-phase-modem").replace("power_w =", "credit_left_wh =")  # type: ignore[attr-defined]
    with pytest.raises(drivers.BadProfile):
        drivers.parse(text)


def bundled(kind: str, intents: list[Command]) -> tuple[bytes, int]:
    return drivers.bundled_frame(drivers.profile(kind), intents, keys=KEYS, system_title=TITLE, counter=0x15)


def test_as_many_as_fit_and_only_what_is_written() -> None:
    tariff = Order(kind=OrderKind.TARIFF, tariff=4)
    assert bundled("three-phase-retrofit", [tariff] * 3)[1] == 1
    for kind in KINDS[:2]:
        assert bundled(kind, [tariff])[1] == 1
        assert bundled(kind, [tariff, tariff, Order(kind=OrderKind.PUSH_NOW), tariff])[1] == 2
        assert bundled(kind, [Order(kind=OrderKind.PUSH_NOW), tariff])[1] == 1
        until = Order(kind=OrderKind.TEMPORARY_SUPPLY, limit_w=1300, until_at=AT)
        payload, count = bundled(kind, [until] * 8)
        assert len(payload) <= 140 and 1 < count < 8


@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_says_each_result_by_its_name(kind: str) -> None:
    plain = blocks.encode(blocks.SetListResponse(0xC5, (0, 250, 4, 99)))
    report = drivers.decode_report(drivers.profile(kind), plain)
    assert report == SettingResults(5, ("success", "other_reason", "object_undefined", "other_reason"))
