"""Charts: one description makes the picture of the page and its files, and each holds the numbers."""

from __future__ import annotations

import base64
import csv
import datetime as dt
import io
import re
import zlib
from dataclasses import replace
from itertools import pairwise

import pytest
from django.http import HttpResponseBase
from django.test import RequestFactory
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from PIL import Image

from duaarah.web.shared import charts as module
from duaarah.web.shared.chart_data import clock_words
from duaarah.web.shared.chart_kit import Area, Box, Label, Line, ticks
from duaarah.web.shared.chart_layout import NARROW, WIDE, drawn
from duaarah.web.shared.chart_paint import svg
from duaarah.web.shared.charts import Axis, Chart, Kind, Series, Threshold, chart_response, summary

DATES = tuple(dt.date(2026, 11, 1) + dt.timedelta(days=number) for number in range(5))
AT = dt.datetime(2026, 11, 23, 11, 40, tzinfo=dt.UTC)
VOLTAGE = Chart(
    key="tegangan",
    title="Evening <voltage>",
    unit="V",
    kind=Kind.LINE,
    axis=Axis.DAY,
    positions=DATES,
    series=(
        Series(name="L1", values=(220.5, 221.25, None, 219.0, 218.0)),
        Series(name="band", values=(230.0, 229.0, None, 228.0, 227.0), lows=(195.0, 196.0, None, 197.0, 198.0)),
    ),
    thresholds=(Threshold(name="-10 %", value=198.0), Threshold(name="+5 %", value=231.0)),
    allowed=(198.0, 231.0),
    source="Quarter-hours of 12 meters.",
    coverage="4 of 5 days are told.",
    marked=frozenset({3}),
    mark="estimated",
    from_zero=False,
)
LOAD = Chart(
    key="beban",
    title="Load",
    unit="kW",
    kind=Kind.BAR,
    axis=Axis.MINUTE,
    positions=tuple(float(minute) for minute in range(0, 1440, 60)),
    series=(Series(name="Load", values=tuple(float(hour) for hour in range(24))),),
    source="x",
)


@pytest.fixture(autouse=True)
def in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "now", lambda: AT)
    translation.activate("en")


def asked(query: str) -> HttpResponseBase | None:
    return chart_response(RequestFactory().get(f"/x/?{query}"), [LOAD, VOLTAGE])


def content(query: str) -> bytes:
    response = asked(query)
    assert response is not None and response.status_code == 200 and "attachment" in response["Content-Disposition"]
    return b"".join(response)


def pdf_words(pdf: bytes) -> str:
    """Every stream of a PDF, decoded: words of embedded fonts are glyphs, but numbers of paths are readable."""
    found = re.findall(rb"/Filter \[ /ASCII85Decode /FlateDecode \].*?stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    return "\n".join(
        zlib.decompress(base64.a85decode(each.strip(), adobe=False) if not each.strip().endswith(b"~>")
                        else base64.a85decode(b"<~" + each.strip(), adobe=True)).decode("latin-1")
        for each in found
    )  # fmt: skip


def test_the_page_itself_is_no_file() -> None:
    assert asked("bulan=2026-11") is None


def test_csv_holds_the_numbers_and_what_they_rest_on() -> None:
    rows = list(csv.reader(io.StringIO(content("grafik=tegangan&bentuk=csv").decode("utf-8-sig")), delimiter=";"))
    assert rows[0] == ["Day", "L1 (V)", "band, lowest (V)", "band, highest (V)", "estimated"]
    assert rows[1:6] == [
        ["2026-11-01", "220,5", "195", "230", ""],
        ["2026-11-02", "221,25", "196", "229", ""],
        ["2026-11-03", "", "", "", ""],
        ["2026-11-04", "219", "197", "228", "estimated"],
        ["2026-11-05", "218", "198", "227", ""],
    ]
    notes = dict(row for row in rows[7:])
    assert notes["Unit"] == "V" and notes["Source"] == VOLTAGE.source and notes["Coverage"] == VOLTAGE.coverage
    assert notes["Made"] == "23 Nov 2026 18:40 WIB" and notes["Title"] == VOLTAGE.title


def test_xlsx_opens_and_its_figures_are_numbers() -> None:
    book = load_workbook(io.BytesIO(content("grafik=tegangan&bentuk=xlsx")))
    rows = list(book.worksheets[0].values)
    assert rows[2] == ("2026-11-02", 221.25, 196, 229, None) and rows[3] == ("2026-11-03", None, None, None, None)
    notes = dict(book.worksheets[1].values)
    assert notes["Made"] == "23 Nov 2026 18:40 WIB" and notes["Coverage"] == VOLTAGE.coverage


def test_png_is_a_picture_at_twice_the_size_with_every_hue() -> None:
    picture = Image.open(io.BytesIO(content("grafik=tegangan&bentuk=png"))).convert("RGB")
    assert picture.width == 2 * (WIDE[0] + 32) and picture.height > 2 * WIDE[1]
    colours = {colour for _n, colour in picture.getcolors(1 << 24) or []}
    # Paper, the line of L1, the limits, and the band of what is allowed; edges are smoothed, so nearly.
    for hue in ((255, 255, 255), (11, 107, 114), (184, 58, 28), (227, 240, 240)):
        assert min(sum(abs(a - b) for a, b in zip(hue, seen, strict=True)) for seen in colours) < 20, hue


def test_a_bar_of_the_png_is_as_high_as_its_value() -> None:
    picture = Image.open(io.BytesIO(content("bentuk=png"))).convert("RGB")
    boxes = [item for item in drawn(LOAD).items if isinstance(item, Box)]
    assert len(boxes) == 23  # midnight is nothing
    for box in boxes[::5]:
        x = round((box.x + box.width / 2 + 16) * 2)
        column = [picture.getpixel((x, y)) for y in range(picture.height)]
        teal = sum(abs(r - 11) + abs(g - 107) + abs(b - 114) < 60 for r, g, b in column)
        assert teal == pytest.approx(2 * box.height, abs=4)


def test_pdf_has_the_picture_and_the_table() -> None:
    pdf = content("grafik=tegangan&bentuk=pdf")
    assert pdf.startswith(b"%PDF-") and len(re.findall(rb"/Type /Page\b(?!s)", pdf)) == 1
    drawn_words = pdf_words(pdf)
    line = next(
        item for item in drawn(VOLTAGE).items if isinstance(item, Line) and item.role == "s1" and len(item.points) == 2
    )
    x, y = line.points[1] if line.points[0][0] < 100 else line.points[0]
    assert f"{x:g} {WIDE[1] - y:g} l" in drawn_words or f"{x:g} {WIDE[1] - y:g} m" in drawn_words


@pytest.mark.parametrize(("query", "status", "words"), [
    ("bentuk=exe", 400, "A chart is exported as png, csv, xlsx or pdf; “exe” is none of them."),
    ("bentuk=", 400, "is none of them"),
    ("grafik=lain&bentuk=png", 404, "This page has no such chart"),
])  # fmt: skip
def test_what_is_no_file_says_so(monkeypatch: pytest.MonkeyPatch, query: str, status: int, words: str) -> None:
    told: list[tuple[str, int]] = []
    monkeypatch.setattr(module, "render", lambda _r, _t, context, status: told.append((context["text"], status)))
    asked(query)
    assert told[0][1] == status and words in told[0][0]


def test_a_gap_is_never_drawn_over() -> None:
    lines = [item for item in drawn(VOLTAGE).items if isinstance(item, Line) and item.role == "s1" and item.width == 2]
    assert [len(line.points) for line in lines if not line.points[0][1] < 20] == [2, 2]
    assert len([item for item in drawn(VOLTAGE).items if isinstance(item, Area)]) == 2


def test_the_svg_says_what_it_shows_in_both_widths_and_escapes() -> None:
    text = svg(VOLTAGE)
    assert text.count("<svg") == text.count("<desc") == 2 and text.count('role="img"') == 2
    assert "Evening &lt;voltage&gt;" in text and "<voltage>" not in text and "style=" not in text
    assert "L1: least 218.0 V (5 Nov 2026), most 221.2 V (2 Nov 2026)." in text
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids)) == 4


def test_a_marked_bar_looks_and_reads_apart() -> None:
    chart = replace(LOAD, marked=frozenset({5}), mark="flagged")
    parts = [item for item in drawn(chart).items if isinstance(item, Box) and item.part and item.title]
    assert [part.title for part in parts] == ["05:00: 5.0 kW · flagged"]


def test_a_ranking_lies_each_bar_as_long_as_its_value() -> None:
    chart = replace(
        LOAD,
        kind=Kind.RANK,
        axis=Axis.NAME,
        positions=("Gardu Melati", "Gardu dengan nama yang amat sangat panjang sekali", "T-3", "T-4"),
        series=(Series(name="x", values=(120.0, 60.0, None, 30.0)),),
        thresholds=(Threshold(name="100 %", value=100.0),),
    )
    for size in (WIDE, NARROW):
        drawing = drawn(chart, size)
        boxes = [item for item in drawing.items if isinstance(item, Box)]
        assert [round(box.width / boxes[0].width, 2) for box in boxes] == [1.0, 0.5, 0.25]
        words = [item.text for item in drawing.items if isinstance(item, Label)]
        assert {"Gardu Melati", "T-3", "120.0 kW", "100 %"} <= set(words)
        assert any(word.startswith("Gardu dengan") for word in words)


def test_values_and_positions_are_as_many() -> None:
    with pytest.raises(ValueError, match="positions"):
        replace(LOAD, positions=LOAD.positions[:-1])


def test_nothing_known_is_an_empty_plane() -> None:
    hollow = replace(LOAD, series=(Series(name="Load", values=(None,) * 24),))
    assert hollow.empty and summary(hollow) == "Nothing is known yet."
    assert not [item for item in drawn(hollow).items if isinstance(item, Box)]


def test_the_end_of_the_day_is_twenty_four_hours() -> None:
    assert clock_words(1440) == "24:00"
    with translation.override("id"):
        assert clock_words(1110) == "18.30"


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
@settings(max_examples=200, deadline=None)
def test_ticks_span_what_is_seen_in_even_steps(low: float, span: float) -> None:
    found = ticks(low, low + span)
    slack = 1e-6 * max(abs(low), span, 1)
    assert found[0] <= low + slack and found[-1] >= low + span - slack and 2 <= len(found) <= 8
    steps = [b - a for a, b in pairwise(found)]
    assert max(steps) == pytest.approx(min(steps), rel=1e-6, abs=1e-9 * max(1, abs(low)))


@given(
    st.lists(st.one_of(st.none(), st.floats(-1e5, 1e5)), min_size=1, max_size=40),
    st.sampled_from(list(Kind)),
    st.sampled_from([WIDE, NARROW]),
)
@settings(max_examples=150, deadline=None)
def test_whatever_the_values_all_is_drawn_inside(values: list[float | None], kind: Kind, size: tuple[int, int]) -> None:
    dates = tuple(DATES[0] + dt.timedelta(days=number) for number in range(len(values)))
    one = Chart(
        key="x", title="x", unit="", kind=kind, axis=Axis.DAY, positions=dates, source="x",
        series=(Series(name="x", values=tuple(values)),),
    )  # fmt: skip
    drawing = drawn(one, size)
    assert drawing.width == size[0] and (drawing.height == size[1] or kind is Kind.RANK)
    for item in drawing.items:
        if isinstance(item, Line | Area):
            places = list(item.points)
        elif isinstance(item, Label):
            places = [(item.x, item.y)]
        else:
            places = [(item.x, item.y), (item.x + item.width, item.y + item.height)]
        assert all(-3 <= x <= size[0] + 3 and -3 <= y <= drawing.height + 3 for x, y in places), item
