# SPDX-License-Identifier: Apache-2.0
"""`tariff quote`: one request as a dict in, one answer as a dict out. Decimals are strings without exponent."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

from duaarah.core.tariff.programmes import cap_wh, programme_for
from duaarah.core.tariff.quote import ROUNDINGS, QuoteLines, quote
from duaarah.core.tariff.rows import Row
from duaarah.core.tariff.tables import TariffError, Terms, admin_row, ppj_row, ppn_row, rate_row, stamp_row

_WORDS = ("tariff", "region")
_DECIMALS = ("rate", "ppj", "ppn")
_INTEGERS = ("nominal", "va", "stamp", "instalment", "admin")
_DATES = ("date", "as_known_at")
_KNOWN = frozenset((*_WORDS, *_DECIMALS, *_INTEGERS, *_DATES, "rounding"))
_DECIMAL = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2})?")
_WIB = dt.timezone(dt.timedelta(hours=7))
_WORD_MAX = 40


class BadRequest(TariffError):
    """The line is not a request as docs/records says."""

    code = "bad_request"


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A request whose types are right; what was not there is None."""

    nominal_idr: int
    date: dt.date
    as_known_date: dt.date | None
    tariff: str | None
    va: int | None
    region: str | None
    rate: Decimal | None
    ppj: Decimal | None
    ppn: Decimal | None
    stamp_idr: int | None
    instalment_idr: int
    admin_idr: int
    rounding: str


def answer(record: object) -> dict[str, Any]:
    """
    Price one request (docs/records/tariff-quote-request) as docs/records/tariff-quote says.

    Raises:
        TariffError: bad_request, unknown_tariff, unknown_region, no_rate_at_date or amount_range, by its code.
    """
    asked = _read(record)
    found = _terms(asked)
    lines = quote(asked.nominal_idr, found, instalment_idr=asked.instalment_idr)
    return {
        **_shown(lines, found),
        **_by_power(asked),
        "rows": {name: _source(row) for name, row in found.rows.items()},
    }


def _terms(asked: _Asked) -> Terms:
    """Numbers that were given win over those that are looked up."""
    rows: dict[str, Row] = {}

    def number(name: str, given: Decimal | int | None, row: Row | None) -> Decimal:
        if given is not None:
            return Decimal(given)
        assert row is not None
        rows[name] = row
        return row.value

    at: dict[str, Any] = {"date": asked.date, "as_known_date": asked.as_known_date}
    rate = ppj = ppn = stamp = None
    if asked.rate is None:
        tariff, va = _needed(asked.tariff, "tariff", "rate"), _needed(asked.va, "va", "rate")
        rate = rate_row(group=tariff, va=va, **at)
    if asked.ppj is None:
        region, va = _needed(asked.region, "region", "ppj"), _needed(asked.va, "va", "ppj")
        ppj = ppj_row(region=region, va=va, **at)
    if asked.ppn is None:
        tariff, va = _needed(asked.tariff, "tariff", "ppn"), _needed(asked.va, "va", "ppn")
        ppn = ppn_row(group=tariff, va=va, **at)
    if asked.stamp_idr is None:
        stamp = stamp_row(nominal_idr=asked.nominal_idr, **at)
    admin = admin_row(asked.date)
    return Terms(
        rate_idr_per_kwh=number("rate", asked.rate, rate),
        ppj_rate=number("ppj", asked.ppj, ppj),
        ppn_rate=number("ppn", asked.ppn, ppn),
        stamp_idr=int(number("stamp", asked.stamp_idr, stamp)),
        admin_idr=asked.admin_idr,
        admin_inside=bool(number("admin", None, admin)),
        rounding=asked.rounding,
        rows=rows,
    )


def _needed(value: Any, name: str, instead: str) -> Any:
    return _wrong(f"{name!r} is missing, or give the number {instead!r}.") if value is None else value


def _shown(lines: QuoteLines, found: Terms) -> dict[str, Any]:
    return {
        "nominal": _money(lines.nominal_idr * 100),
        "admin": _money(lines.admin_idr * 100),
        "admin_inside": found.admin_inside,
        "total_paid": _money(lines.total_paid_idr * 100),
        "stamp": _money(lines.stamp_sen),
        "instalment": _money(lines.instalment_sen),
        "ppj": _money(lines.ppj_sen),
        "ppn": _money(lines.ppn_sen),
        "stroom": _money(lines.stroom_sen),
        "rate": _at_least_two(lines.rate_idr_per_kwh),
        "kwh": f"{Decimal(lines.energy_wh).scaleb(-3):.1f}",
        "kwh_exact": f"{lines.exact_kwh:.4f}",
        "rounding_idr": _money(lines.rounding_sen),
    }


def _by_power(asked: _Asked) -> dict[str, Any]:
    """What the contracted power alone says: the cap of a month, and a programme that held (it is not in the lines)."""
    if asked.va is None:
        return {"cap_kwh": None, "programme": None}
    cap = cap_wh(va=asked.va, date=asked.date)
    programme = None
    if asked.tariff is not None:
        try:
            programme = programme_for(
                group=asked.tariff, va=asked.va, date=asked.date, as_known_date=asked.as_known_date
            )
        except TariffError:
            # The numbers were given: the group is a remark.
            programme = None
    return {
        "cap_kwh": _plain(Decimal(cap).scaleb(-3)),
        "programme": None if programme is None else programme.name,
    }


def _source(row: Row) -> dict[str, str | None]:
    """The row behind a figure; null where it always held or was always known."""
    dates = {"valid_from": row.from_date, "known_from": row.known_date}
    said = {name: None if date == dt.date.min else date.isoformat() for name, date in dates.items()}
    return {"basis": row.basis, **said, "note": row.note}


def _money(amount_sen: int) -> str:
    sign = "-" if amount_sen < 0 else ""
    return f"{sign}{abs(amount_sen) // 100}.{abs(amount_sen) % 100:02d}"


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _at_least_two(number: Decimal) -> str:
    whole, _, rest = _plain(number).partition(".")
    return f"{whole}.{rest:0<2}"


def _read(record: object) -> _Asked:
    if not isinstance(record, dict):
        _wrong("A request is a JSON object.")
    if unknown := sorted(str(name)[:_WORD_MAX] for name in record if name not in _KNOWN):
        _wrong(f"Unknown key: {unknown[0]!r}.")
    for name in ("nominal", "date"):
        if name not in record:
            _wrong(f"{name!r} is missing.")
    integers = {name: _integer(record[name], name) for name in _INTEGERS if name in record}
    decimals = {name: _decimal(record[name], name) for name in _DECIMALS if name in record}
    words = {name: _word(record[name], name) for name in _WORDS if name in record}
    if decimals.get("rate") == 0 or integers.get("va") == 0:
        _wrong("A rate and a contracted power are above zero.")
    rounding = record.get("rounding", "half_up")
    if not isinstance(rounding, str) or rounding not in ROUNDINGS:
        _wrong("'rounding' is half_up or down.")
    return _Asked(
        nominal_idr=integers["nominal"],
        date=_date(record["date"], "date"),
        as_known_date=_known_date(record["as_known_at"]) if "as_known_at" in record else None,
        tariff=words.get("tariff"),
        va=integers.get("va"),
        region=words.get("region"),
        rate=decimals.get("rate"),
        ppj=decimals.get("ppj"),
        ppn=decimals.get("ppn"),
        stamp_idr=integers.get("stamp"),
        instalment_idr=integers.get("instalment", 0),
        admin_idr=integers.get("admin", 0),
        rounding=rounding,
    )


def _integer(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        _wrong(f"{name!r} is a whole number, zero or more.")
    return value


def _decimal(value: object, name: str) -> Decimal:
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        _wrong(f"{name!r} is a decimal number in a string, zero or more.")
    number = Decimal(value)
    if name != "rate" and number > 1:
        _wrong(f'{name!r} is a fraction: 3 % is "0.03".')
    return number


def _word(value: object, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _WORD_MAX:
        _wrong(f"{name!r} is a name.")
    return value


def _date(value: object, name: str) -> dt.date:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        _wrong(f"{name!r} is a date as 2026-01-31.")
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        _wrong(f"{name!r} is no day of the calendar.")


def _known_date(value: object) -> dt.date:
    """A date, or an instant: then its WIB day (naive: WIB)."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        return _date(value, "as_known_at")
    try:
        at = dt.datetime.fromisoformat(value)
        return (at if at.tzinfo is None else at.astimezone(_WIB)).date()
    except (ValueError, OverflowError):
        _wrong("'as_known_at' is no instant of the calendar.")


def _wrong(sentence: str) -> NoReturn:
    raise BadRequest(sentence)
