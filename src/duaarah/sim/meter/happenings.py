# SPDX-License-Identifier: Apache-2.0
"""How each kind writes down what happens to it: the values of the push, and how it is named among others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from duaarah.core.obis import Obis
from duaarah.core.reports import (
    Happening,
    LoadProfile,
    ModemStatus,
    Overload,
    PowerFailureLog,
    RelayState,
    Tamper,
    VoltageEvent,
)
from duaarah.wire.dlms import profile_buffer
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure
from duaarah.wire.dlms.data import NULL
from duaarah.wire.dlms.datetime import DateTime

_WIB = timezone(timedelta(hours=7))
NAMED_SETUP = {
    RelayState: 8,
    Tamper: 9,
    Overload: 10,
    VoltageEvent: 11,
    PowerFailureLog: 12,
    ModemStatus: 13,
    LoadProfile: 14,
}
PAIRS_EVENT = {
    RelayState: 50,
    Tamper: 60,
    Overload: 70,
    VoltageEvent: 80,
    PowerFailureLog: 42,
    ModemStatus: 90,
    LoadProfile: 43,
}
_REASONS = ("other", "credit", "order", "overload", "temporary_end", "local", "tamper")
_CODED_REASONS = {
    "credit": 16,
    "order": 17,
    "overload": 18,
    "temporary_end": 19,
    "local": 20,
    "tamper": 21,
    "other": 31,
}
_TAMPERS = ("cover", "terminal", "magnet", "reversed")
_MV_PER_STEP = 100
_NONE16, _NONE32 = 0xFFFF, 0xFFFFFFFF


def _u8(value: int) -> Data:
    return Data(Tag.UNSIGNED, value)


def _u16(value: int) -> Data:
    return Data(Tag.LONG_UNSIGNED, min(value, 0xFFFF))


def _u32(value: int) -> Data:
    return Data(Tag.DOUBLE_LONG_UNSIGNED, value)


def _flag(value: bool) -> Data:
    return Data(Tag.BOOLEAN, value)


def _text(value: str) -> Data:
    return Data(Tag.VISIBLE_STRING, value)


def _clock(at: datetime) -> Data:
    return octets(DateTime.from_instant(at).to_octets())


def named_values(push: Happening) -> tuple[Data, ...]:
    """Behind the logical device name and the name of the push setup."""
    match push:
        case RelayState():
            return _flag(push.relay_closed), Data(Tag.ENUM, _REASONS.index(push.relay_reason))
        case Tamper():
            return Data(Tag.ENUM, _TAMPERS.index(push.tamper) + 1), _flag(push.begins)
        case Overload():
            return _flag(push.begins), _u32(push.load_w), NULL if push.limit_w is None else _u32(push.limit_w)
        case VoltageEvent():
            kind = Data(Tag.ENUM, 1 if push.voltage_kind == "sag" else 2)
            return kind, _u8(push.phase), _u16(push.extreme_mv // _MV_PER_STEP), _u32(push.lasted_s)
        case PowerFailureLog():
            entries = (structure(_clock(one.begin_at), _u32(one.out_s)) for one in push.outages if one.begin_at)
            return (Data(Tag.ARRAY, tuple(entries)),)
        case ModemStatus():
            words = (NULL if word is None else _text(word) for word in (push.cell, push.network))
            signal = NULL if push.signal_dbm is None else Data(Tag.INTEGER, push.signal_dbm)
            return signal, *words, _text(push.firmware or ""), _u32(push.resets or 0)
        case LoadProfile():
            rows = tuple(structure(_steps(row[0], 1), _steps(row[1], _MV_PER_STEP)) for row in _rows(push))
            return _clock(push.intervals[0].start_at), _u16(push.period_s), Data(Tag.COMPACT_ARRAY, rows)


def _rows(push: LoadProfile) -> Sequence[tuple[int | None, ...]]:
    return [interval.values for interval in push.intervals]


def _steps(value: int | None, step: int) -> Data:
    return _u16(_NONE16 if value is None else value // step)


def coded_event(push: Happening) -> int:
    """The event code."""
    match push:
        case Overload():
            return 0x0701 if push.begins else 0x0702
        case VoltageEvent():
            return 0x0801 if push.voltage_kind == "sag" else 0x0802
    return {RelayState: 0x0501, Tamper: 0x0601, PowerFailureLog: 0x0403, ModemStatus: 0x0901, LoadProfile: 0x0404}[
        type(push)
    ]


def coded_values(push: Happening) -> tuple[Data, ...]:
    """Behind the event code and the clock. Power and energy in steps of ten."""
    match push:
        case RelayState():
            return Data(Tag.ENUM, int(push.relay_closed)), _u8(_CODED_REASONS[push.relay_reason])
        case Tamper():
            return _u8(1 << _TAMPERS.index(push.tamper)), Data(Tag.ENUM, int(push.begins))
        case Overload():
            return _u32(push.load_w // 10), _u32(_NONE32 if push.limit_w is None else push.limit_w // 10)
        case VoltageEvent():
            return _u8(push.phase), _u16(push.extreme_mv // _MV_PER_STEP), _u16(push.lasted_s)
        case PowerFailureLog():
            entries = (
                structure(_clock(one.begin_at), _clock(one.begin_at + timedelta(seconds=one.out_s)))
                for one in push.outages
                if one.begin_at
            )
            return (Data(Tag.ARRAY, tuple(entries)),)
        case ModemStatus():
            signal = Data(Tag.INTEGER, 0x7F if push.signal_dbm is None else push.signal_dbm)
            words = (_text(word or "") for word in (push.cell, push.network, push.firmware))
            return signal, *words, _u16(push.resets or 0)
        case LoadProfile():
            rows = [
                (_clock(interval.start_at), _u8(interval.status), *_coded_row(interval.values))
                for interval in push.intervals
            ]
            return _u16(push.period_s), profile_buffer.compress(rows, period_s=push.period_s, delta=True)


def _coded_row(values: tuple[int | None, ...]) -> tuple[Data, ...]:
    energy, voltage = values
    return _u32((energy or 0) // 10), NULL if voltage is None else _u16(voltage // _MV_PER_STEP)


def pairs_values(push: Happening) -> list[tuple[Obis, Data]]:
    """Behind the event code, each under its OBIS."""
    match push:
        case RelayState():
            reason = _u8(_REASONS.index(push.relay_reason))
            return [(Obis(0, 0, 96, 3, 10), _flag(push.relay_closed)), (Obis(0, 0, 128, 50, 0), reason)]
        case Tamper():
            kind = _u8(40 + _TAMPERS.index(push.tamper))
            return [(Obis(0, 0, 128, 60, 1), kind), (Obis(0, 0, 128, 60, 2), _flag(push.begins))]
        case Overload():
            limit = NULL if push.limit_w is None else _u32(push.limit_w)
            begins = (Obis(0, 0, 128, 70, 0), _flag(push.begins))
            return [begins, (Obis(1, 0, 1, 7, 0), _u32(push.load_w)), (Obis(0, 0, 17, 0, 0), limit)]
        case VoltageEvent():
            kind = _u8(1 if push.voltage_kind == "sag" else 2)
            numbers = (kind, _u8(push.phase), _u16(push.extreme_mv // _MV_PER_STEP), _u32(push.lasted_s))
            return [(Obis(0, 0, 128, 80, number), value) for number, value in enumerate(numbers)]
        case PowerFailureLog():
            entries = (
                structure(_u32(int(one.begin_at.timestamp())), _u32(one.out_s)) for one in push.outages if one.begin_at
            )
            return [(Obis(1, 0, 99, 97, 0), Data(Tag.ARRAY, tuple(entries)))]
        case ModemStatus():
            return [
                (Obis(0, 0, 96, 12, 5), NULL if push.signal_dbm is None else Data(Tag.INTEGER, push.signal_dbm)),
                (Obis(0, 0, 128, 90, 1), NULL if push.cell is None else octets(push.cell.encode("ascii"))),
                (Obis(0, 0, 128, 90, 3), octets((push.firmware or "").encode("ascii"))),
                (Obis(0, 0, 128, 90, 4), _u32(push.resets or 0)),
            ]
        case LoadProfile():
            start = _u32(int(push.intervals[0].start_at.timestamp()))
            column = [(_u32(row[0] or 0),) for row in _rows(push)]
            buffer = profile_buffer.compress(column, period_s=push.period_s, delta=True)
            bare = Data(Tag.ARRAY, tuple(row.value[0] for row in buffer.value))
            return [(Obis(0, 0, 128, 99, 1), start), (Obis(1, 0, 99, 1, 0), bare)]
