# SPDX-License-Identifier: Apache-2.0
"""A table of a page as a file: `?unduh=csv` is streamed, `?unduh=xlsx` opens in Excel. No cell is ever a formula."""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import IO

from django.http import FileResponse, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils.http import content_disposition_header
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from duaarah.core.sheets import cell

# Excel's own limit is 1,048,576 rows a sheet; what is longer goes on in the next sheet.
SHEET_ROWS = 1_000_000
CHUNK_ROWS = 500
WIDTH = 18
# What a sheet's name may not hold.
_NO_NAME = re.compile(r"[\\/*?:\[\]']")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True, kw_only=True)
class Table:
    """
    `name` is the file's, without its ending; `head` is in the reader's language; figures are ints or Decimals. `notes` say
    what the table rests on: under it in a CSV, in a sheet of their own in a workbook.
    """

    name: str
    head: Sequence[str]
    rows: Iterable[Sequence[object]]
    notes: Sequence[Sequence[object]] = ()


def exported(request: HttpRequest, make: Callable[[], Table]) -> HttpResponseBase | None:
    """The file that the address asks for, None when it asks for the page; `make` runs for a file only."""
    wanted = request.GET.get("unduh", "")
    if wanted == "csv":
        return as_csv(make())
    return as_xlsx(make()) if wanted == "xlsx" else None


def as_csv(table: Table) -> StreamingHttpResponse:
    """UTF-8 with its mark, semicolons: Excel opens it by a double click where the comma is the decimal sign."""
    response = StreamingHttpResponse(_csv_chunks(table), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(True, f"{table.name}.csv") or "attachment"
    return response


class _Line:
    """What csv writes to: keeps nothing, gives each line back."""

    def write(self, text: str) -> str:
        return text


def _comma(value: int | Decimal | str) -> int | str:
    """A decimal as the spreadsheet that parts columns by semicolons reads it."""
    return str(value).replace(".", ",") if isinstance(value, Decimal) else value


def _csv_chunks(table: Table) -> Iterator[bytes]:
    writer = csv.writer(_Line(), delimiter=";", lineterminator="\r\n")
    yield b"\xef\xbb\xbf"
    held = [str(writer.writerow([cell(name) for name in table.head]))]
    for row in table.rows:
        held.append(str(writer.writerow([_comma(cell(value)) for value in row])))
        if len(held) >= CHUNK_ROWS:
            yield "".join(held).encode()
            held = []
    for row in ((), *table.notes) if table.notes else ():
        held.append(str(writer.writerow([cell(value) for value in row])))
    yield "".join(held).encode()


def as_xlsx(table: Table) -> FileResponse:
    """The file of `xlsx_file`, as a download."""
    # FileResponse closes it, and then it is gone.
    return FileResponse(xlsx_file(table), as_attachment=True, filename=f"{table.name}.xlsx", content_type=XLSX)


def xlsx_file(table: Table) -> IO[bytes]:
    """Written row by row into a file of the system's own, never all of it in memory; at its beginning, to be read."""
    book = Workbook(write_only=True)
    sheet, written = None, SHEET_ROWS
    for row in table.rows:
        if written >= SHEET_ROWS:
            sheet, written = _sheet(book, table.head), 0
        sheet.append([cell(value) for value in row])  # type: ignore[attr-defined]
        written += 1
    if sheet is None:
        _sheet(book, table.head)
    if table.notes:
        notes = book.create_sheet("i")
        notes.column_dimensions["A"].width, notes.column_dimensions["B"].width = WIDTH, 5 * WIDTH
        for row in table.notes:
            notes.append([cell(value) for value in row])
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever reads it closes it, and then it is gone
    book.save(file)
    file.seek(0)
    return file


def workbook_file(tables: Sequence[Table]) -> IO[bytes]:
    """Several short tables, each on a sheet of its name; at its beginning, to be read."""
    book = Workbook(write_only=True)
    for table in tables:
        sheet = _sheet(book, table.head, name=_NO_NAME.sub(" ", table.name)[:31].strip())
        for row in table.rows:
            sheet.append([cell(value) for value in row])  # type: ignore[attr-defined]
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever reads it closes it, and then it is gone
    book.save(file)
    file.seek(0)
    return file


def _sheet(book: Workbook, head: Sequence[str], name: str = "") -> object:
    sheet = book.create_sheet(name or f"{len(book.worksheets) + 1}")
    sheet.freeze_panes = "A2"
    for number in range(1, len(head) + 1):
        sheet.column_dimensions[get_column_letter(number)].width = WIDTH
    cells = [WriteOnlyCell(sheet, value=cell(name)) for name in head]
    for one in cells:
        one.font = Font(bold=True)
    sheet.append(cells)
    return sheet
