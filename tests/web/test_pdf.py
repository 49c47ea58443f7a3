"""PDF files: any text, long tables over many pages, the same bytes for the same words."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from duaarah.web.shared.pdf import Grid, Words, as_pdf, readable


def made(*parts: Words | Grid) -> bytes:
    return b"".join(as_pdf(name="x", title="Title", parts=parts).streaming_content)  # type: ignore[arg-type]


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b(?!s)", pdf))


def test_the_same_words_make_the_same_bytes_and_others_do_not() -> None:
    first, again, other = (made(Words(text=text, kind="title")) for text in ("a", "a", "b"))
    assert first == again != other and pages(first) == 1


def test_a_long_table_goes_on_over_pages() -> None:
    head, widths = ["No", "Rupiah"], [1, 2]
    rows = [[str(number), f"{number * 1000:,}"] for number in range(1000)]
    wrapped = made(Grid(head=head, rows=rows, widths=widths, right=frozenset({1}), sums=True))
    cut = made(Grid(head=head, rows=iter(rows), widths=widths, wrap=False))
    assert 15 < pages(cut) <= pages(wrapped) < 40
    assert pages(made(Grid(head=head, rows=[], widths=widths))) == 1


def test_what_the_fonts_lack_is_replaced() -> None:
    assert readable("Rp 1.000 × 0,03 · Müller – é") == "Rp 1.000 × 0,03 · Müller – é"
    assert readable("a→b \u202f½ ﬁ") == "a->b  ½ fi" or readable("a→b") in ("a->b", "a→b")
    assert readable("ꦗꦮ\x00\u200b漢\n") == "???\n"


@given(st.text(max_size=300), st.lists(st.lists(st.text(max_size=120), min_size=2, max_size=2), max_size=5))
@settings(max_examples=60, deadline=None)
def test_any_text_can_be_written(text: str, rows: list[list[str]]) -> None:
    for wrap in (True, False):
        pdf = made(Words(text=text), Grid(head=["a", text], rows=rows, widths=[1, 3], wrap=wrap))
        assert pdf.startswith(b"%PDF-") and pages(pdf) >= 1


def test_a_word_without_a_space_and_markup_are_words() -> None:
    assert pages(made(Words(text="<b>&amp;</para>" + "x" * 500))) == 1
