# SPDX-License-Identifier: Apache-2.0
"""Push bodies as data: what each element of a body is, for every report there is. The `[[push]]` of a profile."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from duaarah.core.obis import Obis
from duaarah.core.reports import RELAY_REASONS, TAMPERS, VOLTAGE_KINDS, check_channel
from duaarah.wire.dlms.axdr import Tag


class BadProfile(Exception):
    """A profile file that cannot be meant: found when it is loaded, never when a meter speaks."""

    code = "bad_profile"
    retryable = False


# report -> the fields its columns must fill, and those they may
REPORT_FIELDS = MappingProxyType(
    {
        "low_credit": frozenset({"remaining_wh", "relay_closed"}),
        "credit_exhausted": frozenset({"relay_closed"}),
        "last_gasp": frozenset[str](),
        "power_restored": frozenset[str](),
        "data_block": frozenset({"used_wh", "balance_wh", "events_kept", "outages_kept", "out_kept_s"}),
        "daily_summary": frozenset(
            {
                *("day_yyyymmdd", "energy_wh", "balance_wh", "voltage_min_mv", "voltage_avg_mv", "voltage_max_mv"),
                *("outages", "out_s", "demand_w"),
            }
        ),
        "token_result": frozenset({"command_counter", "result", "tid", "energy_wh", "balance_wh"}),
        "relay_state": frozenset({"relay_closed", "relay_reason"}),
        "tamper": frozenset({"tamper", "begins"}),
        "overload": frozenset({"begins", "load_w"}),
        "voltage": frozenset({"voltage_kind", "phase", "extreme_mv", "lasted_s"}),
        "power_failure_log": frozenset({"log"}),
        "modem_status": frozenset[str](),
        "load_profile": frozenset({"buffer"}),
    }
)
OPTIONAL_FIELDS = MappingProxyType(
    {
        "overload": frozenset({"limit_w"}),
        "modem_status": frozenset({"signal_dbm", "cell", "network", "firmware", "resets"}),
        "load_profile": frozenset({"start_at", "period_s"}),
    }
)
# Fields whose values are words: the maker's numbers for them stand in the profile.
WORDS = MappingProxyType({"relay_reason": RELAY_REASONS, "tamper": TAMPERS, "voltage_kind": VOLTAGE_KINDS})
_FLAGS = frozenset({"relay_closed", "begins"})
_OTHER_COLUMNS = frozenset({"skip", "clock"})
_ENTRY_FIELDS = frozenset({"begin_at", "end_at", "out_s", "skip"})
# Types of ours that stand for several of the standard: any integer, any text, any form of an instant, any array.
NUMBER, TEXT, TIME, BUFFER = "number", "text", "time", "buffer"
_KINDS = frozenset({NUMBER, TEXT, TIME, BUFFER})
OFFSET_MIN_MAX = 14 * 60


@dataclass(frozen=True, slots=True)
class Column:
    """One element of a push body: a constant that tells the push from others, or a field of its report.

    `kind` is a type of ours where the tag is not fixed (`tag` is None then). `obis` is set where the element is a pair
    {OBIS, value}. `absent` is the raw value that stands for "none". `words` are the names of the maker's numbers.
    `entry` are the columns of each element of an array.
    """

    tag: Tag | None
    kind: str
    field: str | None
    constant: int | bytes | None
    obis: Obis | None
    scaler: int
    null_absent: bool
    absent: int | None
    words: MappingProxyType[int, str] | None = None
    entry: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True)
class Channel:
    """One column of a load profile's buffer: a channel's name, or `clock`, `status`, `skip`; scaled to the name's unit."""

    name: str
    scaler: int
    absent: int | None


@dataclass(frozen=True, slots=True)
class PushBody:
    """
    The columns of one push and the report it stands for. `fixed`: fields that this push means by itself. `utc_offset_min`
    is for clocks that do not say theirs. Of a load profile: its channels, its period if no column says it, and whether
    a row's clock is that of its end. `mark`: the place and the value of a constant that stands bare in the body.
    """

    report: str
    columns: tuple[Column, ...]
    fixed: MappingProxyType[str, Any]
    utc_offset_min: int | None = None
    channels: tuple[Channel, ...] = ()
    period_s: int | None = None
    stamped_at_end: bool = False
    mark: tuple[int, int | bytes] | None = None


def parse_push(table: dict[str, Any]) -> PushBody:
    """One `[[push]]`; BadProfile (or KeyError, ValueError, TypeError) when it cannot be meant."""
    report = table["report"]
    columns = tuple(_column(column) for column in table["columns"])
    fixed = {name: _fixed(name, value) for name, value in table.get("fixed", {}).items()}
    fields = [column.field for column in columns if column.field not in _OTHER_COLUMNS and column.field] + list(fixed)
    needed, allowed = REPORT_FIELDS[report], OPTIONAL_FIELDS.get(report, frozenset())
    if len(fields) != len(set(fields)) or not needed <= set(fields) <= needed | allowed:
        raise BadProfile(f"The columns of {report} do not fill its fields exactly once.")
    if not any(column.constant is not None for column in columns):
        raise BadProfile(f"Nothing tells the push {report} from another.")
    offset_min = table.get("utc_offset_min")
    if offset_min is not None and abs(offset_min) > OFFSET_MIN_MAX:
        raise BadProfile("utc_offset_min is minutes east of Greenwich, 420 for WIB.")
    marks = [(at, one.constant) for at, one in enumerate(columns) if one.constant is not None and one.obis is None]
    body = PushBody(
        report, columns, MappingProxyType(fixed), offset_min, *_profile_of(table), mark=marks[0] if marks else None
    )
    if report == "load_profile":
        _check_load_profile(body, set(fields))
    return body


def _fixed(name: str, value: Any) -> Any:
    if name in WORDS and value not in WORDS[name]:
        raise BadProfile(f"{value} is none of {', '.join(WORDS[name])}.")
    if name in _FLAGS and not isinstance(value, bool):
        raise BadProfile(f"{name} is true or false.")
    return value


def _profile_of(table: dict[str, Any]) -> tuple[tuple[Channel, ...], int | None, bool]:
    channels = tuple(_channel(channel) for channel in table.get("channels", ()))
    stamp = table.get("stamp", "begin")
    if stamp not in ("begin", "end"):
        raise BadProfile("The stamp of a row is that of its begin or its end.")
    return channels, table.get("period_s"), stamp == "end"


def _channel(table: dict[str, Any]) -> Channel:
    name = table["name"]
    if name not in ("clock", "status", "skip"):
        check_channel(name)
    return Channel(name, table.get("scaler", 0), table.get("absent"))


def _check_load_profile(body: PushBody, fields: set[str]) -> None:
    names = [channel.name for channel in body.channels if channel.name != "skip"]
    if len(names) != len(set(names)) or not set(names) - {"clock", "status"}:
        raise BadProfile("A load profile has one channel or more, each once.")
    if "start_at" not in fields and "clock" not in names:
        raise BadProfile("A load profile says when it begins, by start_at or by a clock in its rows.")
    if ("period_s" in fields) == (body.period_s is not None):
        raise BadProfile("A load profile's period is in one column, or in the profile.")


def _column(table: dict[str, Any]) -> Column:
    constant = bytes.fromhex(table["hex"]) if "hex" in table else table.get("number")
    if (constant is None) == ("is" not in table):
        raise BadProfile("A column is either a constant or a field.")
    kind, field, absent = table["type"], table.get("is"), table.get("absent")
    if (field == "buffer") != (kind == BUFFER) or (field == "log") != ("of" in table):
        raise BadProfile("A buffer fills `buffer`; a log says by `of` what its entries are.")
    return Column(
        tag=None if kind in _KINDS else Tag[kind.upper()],
        kind=kind,
        field=field,
        constant=constant,
        obis=Obis.parse(table["obis"]) if "obis" in table else None,
        scaler=table.get("scaler", 0),
        null_absent=absent == "null",
        absent=int(absent, 0) if isinstance(absent, str) and absent != "null" else None,
        words=_words(field, table.get("words")),
        entry=_entry(table["of"]) if "of" in table else (),
    )


def _words(field: str | None, table: dict[str, int] | None) -> MappingProxyType[int, str] | None:
    if (field in WORDS) != (table is not None):
        raise BadProfile(
            f"The field {field} has words: the maker's number for each." if field in WORDS else "No words here."
        )
    if table is None:
        return None
    if not set(table) <= set(WORDS[field or ""]) or len(set(table.values())) != len(table):
        raise BadProfile(
            f"The words of {field} are among {', '.join(WORDS[field or ''])}, each with a number of its own."
        )
    return MappingProxyType({number: word for word, number in table.items()})


def _entry(tables: list[dict[str, Any]]) -> tuple[Column, ...]:
    columns = tuple(_column(table) for table in tables)
    fields = [column.field for column in columns if column.field != "skip"]
    if len(fields) != len(set(fields)) or not {"begin_at"} < set(fields) <= _ENTRY_FIELDS:
        raise BadProfile("An entry of a log has its begin, and its end or its length.")
    return columns
