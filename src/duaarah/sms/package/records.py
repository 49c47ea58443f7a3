# SPDX-License-Identifier: Apache-2.0
"""An operator's file of records, read row by row by his format; a bad row is an error of its own, never of the file."""

from __future__ import annotations

import csv
import datetime as dt
import io
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from duaarah.core.msisdn import MSISDNError, canonical
from duaarah.sms.reconciliation_models import RecordFormat

ROWS_MAX = 2_000_000


class BadFile(Exception):
    """Not a file of this operator's format; nothing was compared."""

    retryable = False

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Record:
    """One SMS as the operator has it. `row` counts lines from the head, which is 1."""

    row: int
    message_id: str
    at: dt.datetime
    destination: str
    message_class: str
    price_idr: int


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row cannot be read: columns, message_id, duplicate, time, destination or price."""

    row: int
    code: str


def key_of(message_id: str) -> str:
    """A message id as both sides write it: case and leading zeros do not count."""
    return message_id.strip().lower().lstrip("0") or "0"


def read_records(content: bytes, form: RecordFormat) -> tuple[list[Record], list[RowError]]:
    """
    All records and all errors.

    Raises:
        BadFile: encoding, head (a column is missing or named twice), too_long.
    """
    try:
        text = content.decode(form.encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise BadFile("encoding", f"The file is not written in {form.encoding}.") from error
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=form.delimiter)
    head = [name.strip() for name in next(rows, [])]
    wanted = [form.message_id_column, form.at_column, form.destination_column, form.price_column]
    wanted += [form.class_column] if form.class_column else []
    for name in wanted:
        if head.count(name) != 1:
            raise BadFile("head", f"The head of the file does not name the column {name!r} once.")
    records: list[Record] = []
    errors: list[RowError] = []
    seen: set[str] = set()
    for number, cells in enumerate(rows, start=2):
        if number > ROWS_MAX:
            raise BadFile("too_long", f"A file has at most {ROWS_MAX} lines.")
        if not any(cell.strip() for cell in cells):
            continue
        found = _record(number, cells, head, form)
        if isinstance(found, Record) and key_of(found.message_id) in seen:
            found = RowError(number, "duplicate")
        if isinstance(found, RowError):
            errors.append(found)
        else:
            seen.add(key_of(found.message_id))
            records.append(found)
    return records, errors


def _record(number: int, cells: list[str], head: list[str], form: RecordFormat) -> Record | RowError:
    if len(cells) != len(head):
        return RowError(number, "columns")
    values = {name: cell.strip() for name, cell in zip(head, cells, strict=True)}
    message_id = values[form.message_id_column]
    if not message_id or len(message_id) > 65:
        return RowError(number, "message_id")
    try:
        at = dt.datetime.strptime(values[form.at_column], form.at_format)  # noqa: DTZ007 - the zone is his format's, below
    except ValueError:
        return RowError(number, "time")
    try:
        destination = canonical(values[form.destination_column])
    except MSISDNError:
        return RowError(number, "destination")
    price = values[form.price_column]
    if not (price.isascii() and price.isdigit() and len(price) <= 9):
        return RowError(number, "price")
    return Record(
        number,
        message_id,
        at if at.tzinfo else at.replace(tzinfo=ZoneInfo(form.zone)),
        destination,
        values[form.class_column] if form.class_column else "",
        int(price),
    )
