"""A table for printing: its head on every page, every figure within its column, a length that nobody prints refused."""

from __future__ import annotations

import re
import zlib
from base64 import a85decode

import pytest
from reportlab.pdfbase.pdfmetrics import stringWidth

from duaarah.web.shared.pdf_table import ROWS_MAX, PrintedTable, TooLong, laid_out, pdf_file


def table(rows: list[tuple[str, ...]], sums: tuple[str, ...] | None = None) -> PrintedTable:
    return PrintedTable(
        name="x",
        title="Penjualan <listrik> & lain",
        under="1 Feb 2026",
        head=tuple(f"Kolom {place}" for place in range(len(rows[0]))),
        rows=rows,
        sums=sums,
        figures=frozenset(range(1, len(rows[0]))),
        page="Halaman",
    )


def pages(content: bytes) -> list[bytes]:
    """The text operators of each page's stream."""
    streams = re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL)
    found = []
    for stream in streams:
        found.append(zlib.decompress(a85decode(stream.strip(), adobe=False) if not stream.startswith(b"x") else stream))
    return found


def test_every_page_has_the_head_and_the_sum_comes_last() -> None:
    rows = [(f"baris {number}", f"{number},00") for number in range(200)]
    with pdf_file(table(rows, ("Jumlah", "19.900,00"))) as file:
        texts = pages(file.read().replace(b"~>", b""))
    assert len(texts) > 3
    for number, text in enumerate(texts, start=1):
        assert b"(Kolom 0)" in text and f"(Halaman {number})".encode() in text
    assert b"(19.900,00)" in texts[-1] and b"(19.900,00)" not in texts[0]
    assert b"(baris 0)" in texts[0] and b"(baris 199)" in texts[-1]


@pytest.mark.parametrize("figure", ["1,00", "999.999.999,99", "-999.999.999.999,99"])
def test_no_figure_runs_into_the_next_column(figure: str) -> None:
    rows = [("16 Feb 2026", "53511", *(figure,) * 12)]
    size, widths = laid_out(table(rows), rows, 773.0)
    assert sum(widths) == pytest.approx(773.0) and 4 <= size <= 7
    for text, width in zip(rows[0], widths, strict=True):
        assert stringWidth(text, "Helvetica-Bold", size) <= width


def test_what_nobody_prints_is_refused() -> None:
    with pytest.raises(TooLong):
        pdf_file(table([("x", "1")] * (ROWS_MAX + 1)))
