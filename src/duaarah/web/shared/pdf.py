# SPDX-License-Identifier: Apache-2.0
"""
A page as an A4 PDF: words and tables in the order they are given, a page number at the foot.

The fonts come with reportlab and are embedded. A character that they have no picture of is replaced by one that looks
like it, or by `?`: a name never breaks a receipt.
"""

from __future__ import annotations

import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import IO
from xml.sax.saxutils import escape

from django.http import FileResponse
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, LongTable, Paragraph, SimpleDocTemplate, Spacer, TableStyle

INK, LINE = colors.HexColor("#10212B"), colors.HexColor("#C9D1D3")
# A frame keeps six points free on each side.
_FRAME = 6
MARGIN = 18 * mm - _FRAME
WIDTH = A4[0] - 2 * MARGIN - 2 * _FRAME
# A table of a hundred thousand rows is laid out in parts, so that its cost grows with its length only.
PART_ROWS = 400
CELL_MAX = 400
_CELL_PAD = 3


@dataclass(frozen=True, kw_only=True)
class Words:
    """A paragraph; `kind`: title, head, text or small."""

    text: str
    kind: str = "text"


@dataclass(frozen=True, kw_only=True)
class Grid:
    """
    A table with its head repeated on each page. `widths` are shares of the page's width; the columns in `right` are
    figures. `wrap` breaks long cells into lines; without it they are cut, which is faster for long lists. `sums`: the
    last row is a sum.
    """

    head: Sequence[str]
    rows: Iterable[Sequence[str]]
    widths: Sequence[int]
    right: frozenset[int] = field(default_factory=frozenset)
    wrap: bool = True
    sums: bool = False


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A flowable of reportlab's own, such as the picture of a chart."""

    flowable: Flowable


Part = Words | Grid | Drawn


def as_pdf(*, name: str, title: str, parts: Iterable[Part]) -> FileResponse:
    """`name` is the file's, without its ending; `title` is the document's own. The same parts make the same bytes."""
    # FileResponse closes it, and then it is gone.
    file = pdf_file(title=title, parts=parts)
    return FileResponse(file, as_attachment=True, filename=f"{name}.pdf", content_type="application/pdf")


def pdf_file(*, title: str, parts: Iterable[Part]) -> IO[bytes]:
    """At its beginning, to be read."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever reads it closes it, and then it is gone
    document = SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=title,
        author="Dua Arah",
        invariant=1,
    )
    _fonts()
    document.build(list(_flowables(parts)), onFirstPage=_foot, onLaterPages=_foot)
    file.seek(0)
    return file


@cache
def _fonts() -> tuple[TTFont, TTFont]:
    """The two fonts, registered once a process."""
    plain, bold = TTFont("DuaArah", "Vera.ttf"), TTFont("DuaArah-Bold", "VeraBd.ttf")
    for font in (plain, bold):
        pdfmetrics.registerFont(font)
    return plain, bold


def readable(text: str) -> str:
    """The text in characters that both fonts have a picture of; line breaks are kept, other controls are not."""
    known = [font.face.charToGlyph for font in _fonts()]
    return "".join(_shown(letter, known) for letter in text)


def _shown(letter: str, known: list[dict[int, int]]) -> str:
    # A space that holds two words together is no printable character for Python.
    if letter == "\n" or (
        (letter == "\xa0" or letter.isprintable()) and all(ord(letter) in glyphs for glyphs in known)
    ):
        return letter
    if unicodedata.category(letter) in ("Cc", "Cf", "Mn", "Me"):
        return ""
    plain = {"→": "->", "\u202f": " ", "\u2009": " ", "‑": "-"}.get(letter) or unicodedata.normalize("NFKD", letter)
    fitting = "".join(one for one in plain if all(ord(one) in glyphs for glyphs in known))
    return fitting or "?"


def _style(kind: str) -> ParagraphStyle:
    size = {"title": 16, "head": 12, "text": 9, "small": 7.5, "bold": 8, "cell": 8}[kind]
    bold = kind in ("title", "head", "bold")
    return ParagraphStyle(
        kind,
        fontName="DuaArah-Bold" if bold else "DuaArah",
        fontSize=size,
        leading=size * 1.35,
        textColor=INK,
        spaceBefore=size / 2 if kind == "head" else 0,
        spaceAfter=0 if kind in ("bold", "cell") else size / 3,
        splitLongWords=1,
    )


def _paragraph(text: str, kind: str, *, right: bool = False) -> Paragraph:
    style = _style(kind)
    style.alignment = 2 if right else 0
    return Paragraph(escape(readable(text)).replace("\n", "<br/>"), style)


def _flowables(parts: Iterable[Part]) -> Iterator[Flowable]:
    for part in parts:
        if isinstance(part, Words):
            yield _paragraph(part.text, part.kind)
            continue
        if isinstance(part, Drawn):
            yield part.flowable
            continue
        yield Spacer(1, 2 * mm)
        yield from _tables(part)
        yield Spacer(1, 3 * mm)


def _tables(grid: Grid) -> Iterator[Flowable]:
    """One table after the other, as many as the rows need; at least one, so that the head is seen."""
    rows, first = iter(grid.rows), True
    widths = [WIDTH * share / sum(grid.widths) for share in grid.widths]
    held = list(islice(rows, PART_ROWS))
    while held or first:
        following = list(islice(rows, PART_ROWS))
        yield _table(grid, held, widths, head=first, last=not following)
        held, first = following, False


def _table(grid: Grid, rows: list[Sequence[str]], widths: list[float], *, head: bool, last: bool) -> LongTable:
    lines = [[_cell(grid, n, text, widths, "cell") for n, text in enumerate(row)] for row in rows]
    if grid.sums and last and lines:
        lines[-1] = [_cell(grid, n, text, widths, "bold") for n, text in enumerate(rows[-1])]
    heading = [_paragraph(text, "bold", right=n in grid.right) for n, text in enumerate(grid.head)]
    commands = [
        ("FONT", (0, 0), (-1, -1), "DuaArah", 8),
        ("TEXTCOLOR", (0, 0), (-1, -1), INK),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
        ("LEFTPADDING", (0, 0), (-1, -1), _CELL_PAD),
        ("RIGHTPADDING", (0, 0), (-1, -1), _CELL_PAD),
        *(("ALIGN", (n, 0), (n, -1), "RIGHT") for n in sorted(grid.right)),
    ]
    # The head is in every part, for its pages; only the first part shows it where a part begins amid a page.
    return LongTable(
        [heading, *lines], colWidths=widths, repeatRows=1, style=TableStyle(commands), spaceBefore=0 if head else 6
    )


def _cell(grid: Grid, number: int, text: str, widths: list[float], kind: str) -> object:
    if grid.wrap or kind == "bold":
        return _paragraph(text[:CELL_MAX], kind, right=number in grid.right)
    room = widths[number] - 2 * _CELL_PAD
    shown = readable(text[:CELL_MAX]).replace("\n", " ")
    while shown and pdfmetrics.stringWidth(shown, "DuaArah", 8) > room:
        shown = shown[:-1]
    return shown


def _foot(canvas: Canvas, document: SimpleDocTemplate) -> None:
    canvas.saveState()
    canvas.setFont("DuaArah", 7)
    canvas.setFillColor(INK)
    canvas.drawString(MARGIN + _FRAME, 10 * mm, f"Dua Arah · {readable(document.title)}")
    canvas.drawRightString(A4[0] - MARGIN - _FRAME, 10 * mm, str(canvas.getPageNumber()))
    canvas.restoreState()
