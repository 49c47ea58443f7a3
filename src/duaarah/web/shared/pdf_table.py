# SPDX-License-Identifier: Apache-2.0
"""A table as a PDF for printing: A4 across, its head on each page, figures to the right, its sums at the end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import IO, Any
from xml.sax.saxutils import escape

from django.http import FileResponse
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import LongTable, Paragraph, SimpleDocTemplate, Spacer, TableStyle

ROWS_MAX = 20_000
_FONT, _BOLD, _SIZE = "Helvetica", "Helvetica-Bold", 7
_TITLE = ParagraphStyle("title", fontName=_BOLD, fontSize=13, leading=17)
_UNDER = ParagraphStyle("under", fontName=_FONT, fontSize=8, leading=11, textColor=colors.HexColor("#54656c"))
_HEAD = ParagraphStyle("head", fontName=_BOLD, fontSize=_SIZE, leading=9)
_HEAD_NUM = ParagraphStyle("head-num", parent=_HEAD, alignment=2)
_LAUT, _LINE = colors.HexColor("#0b6b72"), colors.HexColor("#dfe6e5")


class TooLong(Exception):
    """More rows than anybody prints; CSV and XLSX have no such limit."""

    code = "too_long"


@dataclass(frozen=True, kw_only=True)
class PrintedTable:
    """
    `rows` and `sums` are texts as a reader sees them; `figures` are the columns (from 0) that are set to the right.

    `page` is the word before a page's number, in the reader's language.
    """

    name: str
    title: str
    under: str
    head: Sequence[str]
    rows: Iterable[Sequence[str]]
    sums: Sequence[str] | None
    figures: frozenset[int]
    page: str


def as_pdf(table: PrintedTable) -> FileResponse:
    """The file of `pdf_file`, as a download. Raises TooLong."""
    return FileResponse(
        pdf_file(table), as_attachment=True, filename=f"{table.name}.pdf", content_type="application/pdf"
    )


def pdf_file(table: PrintedTable) -> IO[bytes]:
    """
    At its beginning, to be read.

    Raises:
        TooLong: more than ROWS_MAX rows.
    """
    head = [
        Paragraph(escape(name), _HEAD_NUM if place in table.figures else _HEAD) for place, name in enumerate(table.head)
    ]
    body: list[list[Any]] = [head]
    for row in table.rows:
        if len(body) > ROWS_MAX:
            raise TooLong(f"A printed table has at most {ROWS_MAX} rows.")
        body.append(list(row))
    if table.sums is not None:
        body.append(list(table.sums))
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever reads it closes it, and then it is gone
    document = SimpleDocTemplate(
        file,
        pagesize=landscape(A4),
        leftMargin=12 * mm,
        rightMargin=12 * mm,
        topMargin=12 * mm,
        bottomMargin=14 * mm,
        title=table.title,
        author="Dua Arah",
    )
    laid = LongTable(body, colWidths=_widths(table, body, document.width), repeatRows=1, style=_style(table))
    story = [Paragraph(escape(table.title), _TITLE), Paragraph(escape(table.under), _UNDER), Spacer(1, 4 * mm), laid]

    def foot(canvas: Canvas, _: Any) -> None:
        canvas.setFont(_FONT, 7)
        canvas.drawRightString(landscape(A4)[0] - 12 * mm, 8 * mm, f"{table.page} {canvas.getPageNumber()}")
        canvas.drawString(12 * mm, 8 * mm, f"Dua Arah · {table.title}")

    document.build(story, onFirstPage=foot, onLaterPages=foot)
    file.seek(0)
    return file


def _widths(table: PrintedTable, body: list[list[Any]], whole: float) -> list[float]:
    """Shares of the page by the longest text of a column (its head may break); at least room for eight figures."""
    sample = body[1:400] + body[-1:]
    longest = [
        max([8, min(len(name), 12)] + [len(str(row[place])) for row in sample if isinstance(row[place], str)])
        for place, name in enumerate(table.head)
    ]
    return [whole * length / sum(longest) for length in longest]


def _style(table: PrintedTable) -> TableStyle:
    commands: list[Any] = [
        ("FONT", (0, 0), (-1, -1), _FONT, _SIZE),
        ("LEADING", (0, 0), (-1, -1), 9),
        ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
        ("LINEBELOW", (0, 0), (-1, 0), 0.8, _LAUT),
        ("LINEBELOW", (0, 1), (-1, -1), 0.25, _LINE),
        ("LEFTPADDING", (0, 0), (-1, -1), 2),
        ("RIGHTPADDING", (0, 0), (-1, -1), 2),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
    ]
    commands += [("ALIGN", (place, 0), (place, -1), "RIGHT") for place in sorted(table.figures)]
    if table.sums is not None:
        commands += [("FONT", (0, -1), (-1, -1), _BOLD, _SIZE), ("LINEABOVE", (0, -1), (-1, -1), 0.8, _LAUT)]
    return TableStyle(commands)
