# SPDX-License-Identifier: Apache-2.0
"""A channel's file of sales, read row by row by its format; a bad row is an error of its own, never of the file."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from duaarah.vending.ledger_models import ChannelFileFormat

ROWS_MAX = 500_000
OCTETS_MAX = 64 * 1024 * 1024
REFERENCE_MAX = 64
METER_MAX = 20
# 50000, 50.000, 50,000, 50.000,00, Rp 50.000: whole rupiah, whatever the sheet made of them.
_AMOUNT = re.compile(r"(?:Rp\.? ?)?(\d{1,12}|\d{1,3}(?:[.,]\d{3}){1,3})(?:[.,]00)?")


class BadFile(Exception):
    """Not a file of this channel's format; nothing was compared. `code`: empty, encoding, head, too_long, too_large."""

    retryable = False

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Sold:
    """One sale as the channel has it. `row` counts lines from the head, which is 1; `meter` is a DRN or an idpel."""

    row: int
    reference: str
    meter: str
    amount_idr: int
    at: dt.datetime
    pln_ref: str


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row cannot be read: columns, reference, duplicate, meter, amount or time."""

    row: int
    reference: str
    code: str


def read_file(content: bytes, form: ChannelFileFormat) -> tuple[list[Sold], list[RowError]]:
    """
    All sales and all errors.

    Raises:
        BadFile: empty, too_large, encoding, head (a column is missing or named twice), too_long.
    """
    if len(content) > OCTETS_MAX:
        raise BadFile("too_large", "A file has at most 64 MB.")
    if not content.strip():
        raise BadFile("empty", "The file is empty.")
    try:
        text = content.decode(form.encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise BadFile("encoding", f"The file is not written in {form.encoding}.") from error
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=form.delimiter)
    try:
        return _read(rows, form)
    except csv.Error as error:
        raise BadFile("head", "The file is not a table of this channel's format.") from error


def _read(rows: Iterator[list[str]], form: ChannelFileFormat) -> tuple[list[Sold], list[RowError]]:
    head = [name.strip() for name in next(rows, [])]
    wanted = [form.reference_column, form.meter_column, form.amount_column, form.at_column]
    wanted += [form.pln_ref_column] if form.pln_ref_column else []
    for name in wanted:
        if head.count(name) != 1:
            raise BadFile("head", f"The head of the file does not name the column {name!r} once.")
    places = [head.index(name) for name in wanted]
    zone = ZoneInfo(form.zone)
    sold: list[Sold] = []
    errors: list[RowError] = []
    seen: set[str] = set()
    for number, cells in enumerate(rows, start=2):
        if number > ROWS_MAX:
            raise BadFile("too_long", f"A file has at most {ROWS_MAX} lines.")
        if not any(cell.strip() for cell in cells):
            continue
        found = _sold(number, cells, len(head), places, form.at_format, zone)
        if isinstance(found, Sold) and found.reference in seen:
            found = RowError(number, found.reference, "duplicate")
        if isinstance(found, RowError):
            errors.append(found)
        else:
            seen.add(found.reference)
            sold.append(found)
    return sold, errors


def _sold(
    number: int, cells: list[str], width: int, places: list[int], at_format: str, zone: ZoneInfo
) -> Sold | RowError:
    if len(cells) != width:
        return RowError(number, "", "columns")
    reference, meter, amount, time, *pln_ref = (cells[place].strip() for place in places)
    if not reference or len(reference) > REFERENCE_MAX:
        return RowError(number, reference[:REFERENCE_MAX], "reference")
    if not meter or len(meter) > METER_MAX:
        return RowError(number, reference, "meter")
    whole = _AMOUNT.fullmatch(amount)
    if whole is None:
        return RowError(number, reference, "amount")
    try:
        at = dt.datetime.strptime(time, at_format)  # noqa: DTZ007 - the zone is the format's, below
    except ValueError:
        return RowError(number, reference, "time")
    return Sold(
        number,
        reference,
        meter,
        int(re.sub(r"\D", "", whole[1])),
        at if at.tzinfo else at.replace(tzinfo=zone),
        pln_ref[0] if pln_ref else "",
    )
