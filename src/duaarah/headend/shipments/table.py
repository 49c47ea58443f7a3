# SPDX-License-Identifier: Apache-2.0
"""A maker's file as rows of texts: CSV (comma, semicolon, tab; UTF-8 or Windows-1252) or XLSX."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

FILE_OCTETS_MAX = 32 * 1024 * 1024
# An XLSX is a zip: what it unpacks to is bounded too.
UNPACKED_OCTETS_MAX = 512 * 1024 * 1024
ROWS_MAX = 200_000
_SEPARATORS = (";", ",", "\t")
_XLSX_BEGINS = b"PK\x03\x04"


class BadTable(Exception):
    """The file as a whole cannot be read; `code` says why. Nothing was kept."""

    retryable = False

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_table(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """
    The rows that hold anything, with their numbers as a spreadsheet shows them (the first is 1).

    Raises:
        BadTable: empty, too_large, not_a_table, too_many_rows.
    """
    if not content.strip():
        raise BadTable("empty", "The file is empty.")
    if len(content) > FILE_OCTETS_MAX:
        raise BadTable("too_large", f"The file has more than {FILE_OCTETS_MAX >> 20} MB; send it in parts.")
    rows = _sheet(content) if content.startswith(_XLSX_BEGINS) else _lines(content)
    for number, row in rows:
        if number > ROWS_MAX:
            raise BadTable("too_many_rows", f"The file has more than {ROWS_MAX} rows; send it in parts.")
        if any(row):
            yield number, row


def _lines(content: bytes) -> Iterator[tuple[int, list[str]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    if "\0" in text:
        raise BadTable("not_a_table", "This is neither CSV nor XLSX.")
    head = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(_SEPARATORS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        for row in reader:
            yield reader.line_num, [cell.strip() for cell in row]
    except csv.Error:
        raise BadTable("not_a_table", f"Line {reader.line_num} is not CSV.") from None


def _sheet(content: bytes) -> Iterator[tuple[int, list[str]]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > UNPACKED_OCTETS_MAX:
                raise BadTable("too_large", "The workbook unpacks to more than can be read.")
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
            yield number, [_cell(value) for value in row]
    except BadTable:
        raise
    # openpyxl reads by lxml where that is installed; what both parsers raise is a SyntaxError.
    except (
        zipfile.BadZipFile,
        InvalidFileException,
        SyntaxError,
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        OSError,
    ):
        raise BadTable("not_a_table", "This workbook cannot be read; save it as XLSX or CSV again.") from None


def _cell(value: object) -> str:
    """A number is written without a fraction that it does not have: Excel keeps meter numbers as numbers."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
