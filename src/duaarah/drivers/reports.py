# SPDX-License-Identifier: Apache-2.0
"""From the plain APDU a meter pushed to what it means. Whatever is not understood is kept raw, never an error."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, cast

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
from duaarah.core.reports import ModemStatus, Overload, PowerFailureLog, RelayState, ReportError, Tamper, VoltageEvent
from duaarah.drivers.bodies import NoMatch, load_profile, match, may_be, plausible
from duaarah.drivers.kinds import Profile
from duaarah.drivers.pushes import REPORT_FIELDS, PushBody
from duaarah.wire.dlms import apdu, blocks, lenient
from duaarah.wire.dlms.axdr import Tag
from duaarah.wire.dlms.errors import DlmsError

INVOKE_MASK = 0x0F
# Reports whose fields are those of the push.
_HAPPENINGS: dict[str, Any] = {
    "relay_state": RelayState,
    "tamper": Tamper,
    "overload": Overload,
    "voltage": VoltageEvent,
    "modem_status": ModemStatus,
}
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


def decode_report(profile: Profile, plain: bytes) -> Report:
    """What an authenticated plain APDU reports; UnknownReport when no push body of the profile explains it."""
    push = _apdu(plain)
    if isinstance(push, apdu.SetResponse):
        return SettingResult(push.invoke_octet & INVOKE_MASK, ACCESS_RESULTS.get(push.result, "other_reason"))
    if isinstance(push, apdu.ActionResponse):
        return SettingResult(push.invoke_octet & INVOKE_MASK, ACTION_RESULTS.get(push.result, "other_reason"))
    if isinstance(push, blocks.SetListResponse):
        names = tuple(ACCESS_RESULTS.get(result, "other_reason") for result in push.results)
        return SettingResults(push.invoke_octet & INVOKE_MASK, names)
    if not isinstance(push, apdu.DataNotification):
        return UnknownReport(plain)
    at = _stamp(push)
    if push.body.tag not in (Tag.STRUCTURE, Tag.ARRAY):
        return UnknownReport(plain, at)
    for body in profile.pushes:
        if not may_be(body, push.body.value):
            continue
        try:
            fields = match(body, push.body.value)
            clock = fields.pop("clock", None)
            report = _report(profile, body, fields, at or clock)
        except (NoMatch, ReportError):
            continue
        if report is not None:
            return report
    return UnknownReport(plain, at)


def _apdu(plain: bytes) -> blocks.Service | None:
    try:
        return blocks.decode(plain)
    except DlmsError:
        return lenient.data_notification(plain) if plain[:1] == bytes((apdu.DATA_NOTIFICATION,)) else None


def _stamp(push: apdu.DataNotification) -> datetime | None:
    return plausible(push.date_time.to_instant()) if push.date_time else None


def _report(profile: Profile, body: PushBody, fields: dict[str, Any], at: datetime | None) -> Report | None:
    name = body.report
    if (kind := _HAPPENINGS.get(name)) is not None:
        if any(fields[field] is None for field in REPORT_FIELDS[name]):
            return None
        return cast(Report, kind(**fields, at=at))
    match name:
        case "power_failure_log":
            return PowerFailureLog(fields["log"], at)
        case "load_profile":
            return load_profile(body, fields, at)
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
