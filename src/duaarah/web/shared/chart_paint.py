# SPDX-License-Identifier: Apache-2.0
"""A drawing as SVG in a page's own colours, as a PNG, and on the canvas of a PDF."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import reportlab
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib import colors
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from duaarah.web.shared.chart_data import Chart, summary
from duaarah.web.shared.chart_kit import SIZE, Area, Box, Drawing, Item, Label, Line, Point
from duaarah.web.shared.chart_layout import NARROW, WIDE, drawn
from duaarah.web.shared.pdf import readable

# The light palette of the pages: a file is printed or put into a letter.
COLOURS = {
    "ink": "#10212b",
    "mute": "#54656c",
    "grid": "#dfe6e5",
    "base": "#54656c",
    "band": "#e3f0f0",
    "limit": "#b83a1c",
    "s1": "#0b6b72",
    "s2": "#e8a400",
    "s3": "#b83a1c",
    "s4": "#1f2a44",
    "s5": "#1f7a4b",
}
_PAPER, _LIGHT = "#ffffff", 0.6
# A PNG has twice as many pixels as the page; it is drawn at four times and made smaller, so that its edges are smooth.
SCALE, _FINE = 2, 4
_MARGIN = 16


def svg(chart: Chart) -> SafeString:
    """Two drawings, of which the page shows the one that fits its width: words keep their size on a phone."""
    return mark_safe("".join(_svg(chart, size, name) for size, name in ((WIDE, "wide"), (NARROW, "narrow"))))


def _svg(chart: Chart, size: tuple[int, int], name: str) -> str:
    drawing = drawn(chart, size)
    own = f"c-{escape(chart.key)}-{name}"
    # Who points at a bar sees its value; on a phone nobody points, and the table has it.
    shapes = "".join(_shape(item, titled=size == WIDE) for item in drawing.items)
    return (
        f'<svg class="chart {name}" viewBox="0 0 {drawing.width} {drawing.height}" role="img"'
        f' aria-labelledby="{own}-t" aria-describedby="{own}-d"><title id="{own}-t">{escape(chart.heading)}</title>'
        f'<desc id="{own}-d">{escape(summary(chart))}</desc>{shapes}</svg>'
    )


def _shape(item: Item, *, titled: bool) -> str:
    if isinstance(item, Label):
        return f'<text class="{item.role} {item.anchor}" x="{item.x}" y="{item.y}">{escape(item.text)}</text>'
    if isinstance(item, Box):
        look = f"{item.role} part" if item.part else item.role
        place = f'x="{item.x}" y="{item.y}" width="{item.width}" height="{item.height}"'
        title = f"<title>{escape(item.title)}</title>" if item.title and titled else ""
        return f'<rect class="{look}" {place}>{title}</rect>'
    if isinstance(item, Area):
        return f'<path class="{item.role}" d="{_course(item.points)}Z"></path>'
    dash = f' stroke-dasharray="{" ".join(f"{each:g}" for each in item.dash)}"' if item.dash else ""
    return f'<path class="{item.role} line" stroke-width="{item.width:g}"{dash} d="{_course(item.points)}"></path>'


def _course(points: Sequence[Point]) -> str:
    """The points as short as SVG says them: along an axis one figure is enough."""
    x, y = points[0]
    said = [f"M{x:g} {y:g}"]
    for to_x, to_y in points[1:]:
        said.append(f"H{to_x:g}" if to_y == y else f"V{to_y:g}" if to_x == x else f"L{to_x:g} {to_y:g}")
        x, y = to_x, to_y
    return "".join(said)


@cache
def _font(pixels: int, bold: bool) -> ImageFont.FreeTypeFont:
    # reportlab brings the face that the PDF files use too.
    folder = Path(reportlab.__file__).parent / "fonts"
    return ImageFont.truetype(str(folder / ("VeraBd.ttf" if bold else "Vera.ttf")), pixels)


def png(chart: Chart, foot: list[str]) -> bytes:
    """Heading, drawing and the sentences of `foot`, on white, 1,800 pixels wide."""
    drawing = drawn(chart, WIDE)
    width = WIDE[0] + 2 * _MARGIN
    lines = [line for sentence in foot for line in _wrapped(readable(sentence), WIDE[0])]
    height = 44 + drawing.height + 14 * len(lines) + _MARGIN
    picture = Image.new("RGB", (int(width * _FINE), int(height * _FINE)), _PAPER)
    brush = ImageDraw.Draw(picture)
    heading = readable(chart.heading).replace("\n", " ")
    _write(brush, _MARGIN, 26, heading, "start", "ink", size=15, bold=True)
    for item in drawing.items:
        _brushed(brush, item, _MARGIN, 40)
    for number, line in enumerate(lines):
        _write(brush, _MARGIN, 40 + drawing.height + 14 * (number + 1), line, "start", "mute", size=10)
    picture = picture.resize((int(width * SCALE), int(height * SCALE)), Image.Resampling.LANCZOS)
    made = io.BytesIO()
    picture.save(made, "PNG", optimize=True)
    return made.getvalue()


def _wrapped(text: str, room: float) -> Iterator[str]:
    font, line = _font(10 * _FINE, False), ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and font.getlength(longer) > room * _FINE:
            yield line
            line = word
        else:
            line = longer
    if line:
        yield line


def _write(
    brush: ImageDraw.ImageDraw, x: float, y: float, text: str, anchor: str, role: str, *, size: int, bold: bool = False
) -> None:
    place = {"start": "ls", "middle": "ms", "end": "rs"}[anchor]
    brush.text((x * _FINE, y * _FINE), text, fill=COLOURS[role], font=_font(size * _FINE, bold), anchor=place)


def _brushed(brush: ImageDraw.ImageDraw, item: Item, dx: float, dy: float) -> None:
    if isinstance(item, Label):
        _write(brush, item.x + dx, item.y + dy, readable(item.text), item.anchor, item.role, size=SIZE)
        return
    colour = _colour(item)
    if isinstance(item, Box):
        corners = (item.x + dx, item.y + dy, item.x + item.width + dx, item.y + item.height + dy)
        outline = COLOURS[item.role.split()[0]] if item.part else None
        brush.rectangle([each * _FINE for each in corners], fill=colour, outline=outline, width=_FINE)
        return
    points = [((x + dx) * _FINE, (y + dy) * _FINE) for x, y in item.points]
    if isinstance(item, Area):
        brush.polygon(points, fill=colour)
        return
    for stroke in _dashes(points, [each * _FINE for each in item.dash]):
        brush.line(stroke, fill=colour, width=round(item.width * _FINE), joint="curve")


def _colour(item: Box | Area | Line) -> str:
    role = item.role.split()[0]
    pale = "range" in item.role or (isinstance(item, Box) and item.part)
    return _lighter(COLOURS[role]) if pale else COLOURS[role]


def _lighter(colour: str) -> str:
    parts = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
    return "#" + "".join(f"{round(part + (255 - part) * _LIGHT):02x}" for part in parts)


def _dashes(points: list[Point], dash: list[float]) -> Iterator[list[Point]]:
    """The strokes of a dashed line; the line itself without a dash."""
    if not dash:
        yield points
        return
    place, left, stroke = 0, dash[0], [points[0]]
    for (x, y), (to_x, to_y) in pairwise(points):
        length, gone = ((to_x - x) ** 2 + (to_y - y) ** 2) ** 0.5, 0.0
        while length - gone > left:
            gone += left
            at = (x + (to_x - x) * gone / length, y + (to_y - y) * gone / length)
            if place % 2 == 0:
                yield [*stroke, at]
            place, stroke = place + 1, [at]
            left = dash[place % len(dash)]
        left -= length - gone
        stroke.append((to_x, to_y))
    if place % 2 == 0 and len(stroke) > 1:
        yield stroke


class Picture(Flowable):
    """A chart in a PDF: lines stay lines at any size, words can be searched."""

    def __init__(self, chart: Chart, width_pt: float) -> None:
        super().__init__()
        self.drawing: Drawing = drawn(chart, WIDE)
        self.scale = width_pt / self.drawing.width
        self.width, self.height = width_pt, self.drawing.height * self.scale

    def draw(self) -> None:
        canvas: Canvas = self.canv
        canvas.saveState()
        canvas.scale(self.scale, self.scale)
        for item in self.drawing.items:
            self._put(canvas, item)
        canvas.restoreState()

    def _put(self, canvas: Canvas, item: Item) -> None:
        whole = self.drawing.height
        if isinstance(item, Label):
            canvas.setFont("DuaArah", SIZE + 2)
            canvas.setFillColor(colors.HexColor(COLOURS[item.role]))
            write = {"start": canvas.drawString, "middle": canvas.drawCentredString, "end": canvas.drawRightString}
            write[item.anchor](item.x, whole - item.y, readable(item.text))
            return
        colour = colors.HexColor(_colour(item))
        canvas.setFillColor(colour)
        canvas.setStrokeColor(colour)
        if isinstance(item, Box):
            if item.part:
                canvas.setStrokeColor(colors.HexColor(COLOURS[item.role.split()[0]]))
                canvas.setLineWidth(0.8)
            canvas.rect(item.x, whole - item.y - item.height, item.width, item.height, stroke=int(item.part), fill=1)
            return
        path = canvas.beginPath()
        path.moveTo(item.points[0][0], whole - item.points[0][1])
        for x, y in item.points[1:]:
            path.lineTo(x, whole - y)
        if isinstance(item, Area):
            path.close()
            canvas.drawPath(path, stroke=0, fill=1)
            return
        canvas.setLineWidth(item.width)
        canvas.setDash(list(item.dash))
        canvas.drawPath(path, stroke=1, fill=0)
        canvas.setDash([])
