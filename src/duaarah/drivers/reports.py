# SPDX-License-Identifier: Apache-2.0
"""From the plain APDU a meter pushed to what it means. Whatever is not understood is kept raw, never an error."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from duaarah.core.intent import (
    CreditExhausted,
    DailySummary,
    DataBlock,
    IntentError,
    LastGasp,
    LowCredit,
    PowerRestored,
    Report,
    SettingResult,
    SettingResults,
    TokenResult,
    UnknownReport,
)
from duaarah.core.units import UnitError, to_whole
from duaarah.drivers.kinds import Column, Profile, PushBody
from duaarah.wire.dlms import apdu, axdr, blocks
from duaarah.wire.dlms.axdr import Data, Tag
from duaarah.wire.dlms.datetime import OCTETS as DATE_TIME_OCTETS
from duaarah.wire.dlms.datetime import DateTime
from duaarah.wire.dlms.errors import DlmsError

INVOKE_MASK = 0x0F
# Data-Access-Result (IEC 62056-5-3, 9.5), by the standard's names.
ACCESS_RESULTS = {
    0: "success",
    1: "hardware_fault",
    2: "temporary_failure",
    3: "read_write_denied",
    4: "object_undefined",
    9: "object_class_inconsistent",
    11: "object_unavailable",
    12: "type_unmatched",
    13: "scope_violated",
    14: "data_unavailable",
    250: "other_reason",
}
# Action-Result shares the numbers of Data-Access-Result up to 19.
ACTION_RESULTS = {number: name for number, name in ACCESS_RESULTS.items() if number not in (13, 14)} | {
    13: "scope_violated",
    14: "data_unavailable",
    15: "long_action_aborted",
    16: "no_long_action_in_progress",
}


class _NoMatch(Exception):
    """This body is not that push."""


def decode_report(profile: Profile, plain: bytes) -> Report:
    """What an authenticated plain APDU reports; UnknownReport when no push body of the profile explains it."""
    try:
        push = blocks.decode(plain)
    except DlmsError:
        return UnknownReport(plain)
    if isinstance(push, apdu.SetResponse):
        return SettingResult(push.invoke_octet & INVOKE_MASK, ACCESS_RESULTS.get(push.result, "other_reason"))
    if isinstance(push, apdu.ActionResponse):
        return SettingResult(push.invoke_octet & INVOKE_MASK, ACTION_RESULTS.get(push.result, "other_reason"))
    if isinstance(push, blocks.SetListResponse):
        names = tuple(ACCESS_RESULTS.get(result, "other_reason") for result in push.results)
        return SettingResults(push.invoke_octet & INVOKE_MASK, names)
    if not isinstance(push, apdu.DataNotification):
        return UnknownReport(plain)
    at = push.date_time.to_instant() if push.date_time else None
    if push.body.tag not in (Tag.STRUCTURE, Tag.ARRAY):
        return UnknownReport(plain, at)
    for body in profile.pushes:
        try:
            fields = _match(body, push.body.value)
        except _NoMatch:
            continue
        clock = fields.pop("clock", None)
        report = _report(profile, body.report, fields, at or clock)
        if report is not None:
            return report
    return UnknownReport(plain, at)


def _match(body: PushBody, elements: tuple[Data, ...]) -> dict[str, Any]:
    """The fields of a push by name, or _NoMatch at the first element that is not as the profile says."""
    if len(elements) != len(body.columns):
        raise _NoMatch
    fields: dict[str, Any] = {}
    for column, element in zip(body.columns, elements, strict=True):
        value = _element(column, element)
        if column.constant is not None:
            if value != column.constant:
                raise _NoMatch
        elif column.field is not None and column.field != "skip":
            fields[column.field] = _field(column, value)
    return fields


def _element(column: Column, element: Data) -> Any:
    if column.obis is not None:
        if element.tag is not Tag.STRUCTURE or len(element.value) != 2:
            raise _NoMatch
        name, element = element.value
        if name != axdr.octets(column.obis.to_octets()):
            raise _NoMatch
    if element.tag is Tag.NULL and column.null_absent:
        return None
    if element.tag is not column.tag:
        raise _NoMatch
    return element.value


def _field(column: Column, value: Any) -> Any:
    if column.field == "clock":
        return _clock(value)
    if column.field == "relay_closed":
        if value not in (0, 1):
            raise _NoMatch
        return bool(value)
    if value is None or value == column.absent:
        return None
    try:
        return to_whole(value, column.scaler)
    except UnitError:
        raise _NoMatch from None


def _clock(octets: bytes) -> datetime | None:
    if len(octets) != DATE_TIME_OCTETS:
        raise _NoMatch
    return DateTime.from_octets(octets).to_instant()


def _report(profile: Profile, name: str, fields: dict[str, Any], at: datetime | None) -> Report | None:
    match name:
        case "low_credit":
            return LowCredit(fields["remaining_wh"], fields["relay_closed"], at)
        case "credit_exhausted":
            return CreditExhausted(fields["relay_closed"], at)
        case "last_gasp":
            return LastGasp(at)
        case "power_restored":
            return PowerRestored(at)
        case "data_block" | "daily_summary":
            try:
                return _data(name, fields, at)
            except (IntentError, ValueError):  # no such day, or numbers that cannot be
                return None
    result = profile.results.get(fields["result"])
    if result is None:
        return None
    return TokenResult(fields["command_counter"], result, fields["tid"], fields["energy_wh"], fields["balance_wh"], at)


def _data(name: str, fields: dict[str, Any], at: datetime | None) -> Report:
    if name == "data_block":
        kept = (fields["events_kept"], fields["outages_kept"], fields["out_kept_s"])
        return DataBlock(fields["used_wh"], fields["balance_wh"], *kept, at)
    year, rest = divmod(fields.pop("day_yyyymmdd"), 10_000)
    return DailySummary(day_date=date(year, *divmod(rest, 100)), **fields, at=at)
