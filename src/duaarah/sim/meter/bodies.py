# SPDX-License-Identifier: Apache-2.0
"""How each kind of simulated meter writes its pushes down: report -> Data-Notification."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from duaarah.core.intent import (
    CreditExhausted,
    DailySummary,
    DataBlock,
    LastGasp,
    LowCredit,
    PowerRestored,
    TokenResult,
)
from duaarah.core.obis import Obis
from duaarah.core.reports import Happening
from duaarah.sim.meter import happenings
from duaarah.sim.meter.models import RETROFIT_CREDIT, BodyStyle, MeterModel
from duaarah.wire.dlms.apdu import DataNotification
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure
from duaarah.wire.dlms.datetime import DateTime

Push = LowCredit | CreditExhausted | LastGasp | PowerRestored | DataBlock | DailySummary | TokenResult | Happening

_NAMED_SETUP = {
    LowCredit: 1,
    CreditExhausted: 2,
    LastGasp: 3,
    PowerRestored: 4,
    TokenResult: 5,
    DataBlock: 6,
    DailySummary: 7,
    **happenings.NAMED_SETUP,
}
_CODED_EVENT = {
    LowCredit: 0x0101,
    CreditExhausted: 0x0102,
    LastGasp: 0x0201,
    PowerRestored: 0x0202,
    TokenResult: 0x0301,
    DataBlock: 0x0401,
    DailySummary: 0x0402,
}
_PAIRS_EVENT = {
    LowCredit: 10,
    CreditExhausted: 11,
    LastGasp: 20,
    PowerRestored: 21,
    TokenResult: 30,
    DataBlock: 40,
    DailySummary: 41,
    **happenings.PAIRS_EVENT,
}

_EVENT_CODE = Obis(0, 0, 96, 11, 0)
_ENERGY_USED, _EVENTS_KEPT = Obis(1, 0, 1, 8, 0), Obis(0, 0, 96, 15, 0)
_OUTAGES_KEPT, _OUT_KEPT = Obis(0, 0, 96, 7, 21), Obis(0, 0, 96, 7, 19)
_RELAY = Obis(0, 0, 96, 3, 10)
_COMMAND_COUNTER = Obis(0, 0, 43, 1, 0)
_RESULT, _TID, _TOKEN_ENERGY = Obis(0, 0, 128, 40, 1), Obis(0, 0, 128, 40, 2), Obis(0, 0, 128, 40, 3)
_NO_TID = 0xFFFFFFFF
_NO_VOLTAGE = 0xFFFF
_MV_PER_STEP = 100


def notification(
    model: MeterModel, push: Push, *, logical_name: bytes, long_invoke: int, now: datetime
) -> DataNotification:
    """The push as this model sends it. `now` is the meter's clock; the retrofit modem has none and says nothing."""
    match model.body_style:
        case BodyStyle.NAMED:
            return DataNotification(long_invoke, DateTime.from_instant(now), _named(model, push, logical_name))
        case BodyStyle.CODED:
            return DataNotification(long_invoke, None, _coded(model, push, now))
        case BodyStyle.PAIRS:
            return DataNotification(long_invoke, None, _pairs(model, push))


def _u8(value: int) -> Data:
    return Data(Tag.UNSIGNED, value)


def _u16(value: int) -> Data:
    return Data(Tag.LONG_UNSIGNED, min(value, 0xFFFF))


def _u32(value: int) -> Data:
    return Data(Tag.DOUBLE_LONG_UNSIGNED, value)


def _decivolt(voltage_mv: int) -> Data:
    return _u16(voltage_mv // _MV_PER_STEP)


def _voltages(push: DailySummary) -> tuple[int | None, ...]:
    return push.voltage_min_mv, push.voltage_avg_mv, push.voltage_max_mv


def _day(push: DailySummary) -> Data:
    return _u32(int(f"{push.day_date:%Y%m%d}"))


def _outages(push: DailySummary) -> tuple[Data, ...]:
    return _u16(push.outages), _u32(push.out_s), _u32(push.demand_w)


def _kept(push: DataBlock) -> tuple[Data, ...]:
    return _u16(push.events_kept), _u16(push.outages_kept), _u32(push.out_kept_s)


def _named(model: MeterModel, push: Push, logical_name: bytes) -> Data:
    head = (octets(logical_name), octets(Obis(0, _NAMED_SETUP[type(push)], 25, 9, 0).to_octets()))
    match push:
        case LowCredit():
            return structure(*head, _u32(push.remaining_wh), Data(Tag.BOOLEAN, push.relay_closed))
        case CreditExhausted():
            return structure(*head, Data(Tag.BOOLEAN, push.relay_closed))
        case DataBlock():
            return structure(*head, _u32(push.used_wh), _u32(push.balance_wh), *_kept(push))
        case DailySummary():
            voltages = [Data(Tag.NULL, None) if mv is None else _decivolt(mv) for mv in _voltages(push)]
            energies = (_u32(push.energy_wh), _u32(push.balance_wh))
            return structure(*head, _day(push), *energies, *voltages, *_outages(push))
        case TokenResult():
            return structure(
                *head,
                _u32(push.command_counter),
                Data(Tag.ENUM, model.result_number(push.result)),
                Data(Tag.NULL, None) if push.tid is None else _u32(push.tid),
                _u32(push.energy_wh),
                _u32(push.balance_wh),
            )
        case LastGasp() | PowerRestored():
            return structure(*head)
        case _:
            return structure(*head, *happenings.named_values(push))


def _coded(model: MeterModel, push: Push, now: datetime) -> Data:
    code = _CODED_EVENT.get(type(push)) or happenings.coded_event(cast(Happening, push))
    head = (Data(Tag.LONG_UNSIGNED, code), octets(DateTime.from_instant(now).to_octets()))

    def steps(energy_wh: int) -> Data:
        # A fraction of a step is not shown: the display never promises more than the register holds.
        return Data(Tag.DOUBLE_LONG, energy_wh // model.energy_step_wh)

    match push:
        case LowCredit():
            return structure(*head, steps(push.remaining_wh), Data(Tag.ENUM, int(push.relay_closed)))
        case CreditExhausted():
            return structure(*head, Data(Tag.ENUM, int(push.relay_closed)))
        case DataBlock():
            return structure(*head, steps(push.used_wh), steps(push.balance_wh), *_kept(push))
        case DailySummary():
            voltages = [_u16(_NO_VOLTAGE) if mv is None else _decivolt(mv) for mv in _voltages(push)]
            energies = (steps(push.energy_wh), steps(push.balance_wh))
            return structure(*head, _day(push), *energies, *voltages, *_outages(push))
        case TokenResult():
            return structure(
                *head,
                _u32(push.command_counter),
                _u8(model.result_number(push.result)),
                _u32(_NO_TID if push.tid is None else push.tid),
                steps(push.energy_wh),
                steps(push.balance_wh),
            )
        case LastGasp() | PowerRestored():
            return structure(*head)
        case _:
            return structure(*head, *happenings.coded_values(push))


def _pairs(model: MeterModel, push: Push) -> Data:
    if isinstance(push, DailySummary):
        return _bare_summary(push)
    pairs = [(_EVENT_CODE, _u8(_PAIRS_EVENT[type(push)]))]
    match push:
        case LowCredit():
            pairs += [(RETROFIT_CREDIT, _u32(push.remaining_wh)), (_RELAY, Data(Tag.BOOLEAN, push.relay_closed))]
        case CreditExhausted():
            pairs += [(_RELAY, Data(Tag.BOOLEAN, push.relay_closed))]
        case DataBlock():
            pairs += [
                (_ENERGY_USED, _u32(push.used_wh)),
                (RETROFIT_CREDIT, _u32(push.balance_wh)),
                *zip((_EVENTS_KEPT, _OUTAGES_KEPT, _OUT_KEPT), _kept(push), strict=True),
            ]
        case TokenResult():
            pairs += [
                (_COMMAND_COUNTER, _u32(push.command_counter)),
                (_RESULT, _u8(model.result_number(push.result))),
                (_TID, Data(Tag.NULL, None) if push.tid is None else _u32(push.tid)),
                (_TOKEN_ENERGY, _u32(push.energy_wh)),
                (RETROFIT_CREDIT, _u32(push.balance_wh)),
            ]
        case LastGasp() | PowerRestored():
            pass
        case _:
            pairs += happenings.pairs_values(push)
    return Data(Tag.ARRAY, tuple(structure(octets(name.to_octets()), value) for name, value in pairs))


def _bare_summary(push: DailySummary) -> Data:
    """Nine pairs would pass 140 octets: after the event code the values stand bare."""
    event = structure(octets(_EVENT_CODE.to_octets()), _u8(_PAIRS_EVENT[DailySummary]))
    voltages = [Data(Tag.NULL, None) if mv is None else _decivolt(mv) for mv in _voltages(push)]
    return structure(event, _day(push), _u32(push.energy_wh), _u32(push.balance_wh), *voltages, *_outages(push))
