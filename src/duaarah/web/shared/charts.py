# SPDX-License-Identifier: Apache-2.0
"""
Charts of a page and their files: `?grafik=KEY&bentuk=png|csv|xlsx|pdf` on the page's own address, by its own permissions.

A view makes its charts, gives `chart_response` the first word, and shows each with `{% chart one %}`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from duaarah.clock.queries import now
from duaarah.web.shared.chart_data import (
    Axis,
    Chart,
    Kind,
    Series,
    Threshold,
    cells_of,
    head_of,
    rows_of,
    summary,
)
from duaarah.web.shared.chart_paint import Picture, png
from duaarah.web.shared.export import Table, as_csv, as_xlsx
from duaarah.web.shared.pdf import WIDTH, Drawn, Grid, Part, Words, as_pdf
from duaarah.web.shared.templatetags.duaarah import instant

__all__ = ["Axis", "Chart", "Kind", "Series", "Threshold", "chart_parts", "chart_response", "notes_of", "summary"]


def chart_response(request: HttpRequest, charts: Sequence[Chart]) -> HttpResponseBase | None:
    """The file that the address asks for, None when it asks for the page; a wrong word is answered by a sentence."""
    wanted = request.GET.get("bentuk")
    if wanted is None:
        return None
    make = _FILES.get(wanted)
    if make is None:
        words = _("A chart is exported as png, csv, xlsx or pdf; “%(wanted)s” is none of them.") % {
            "wanted": wanted[:20]
        }
        return render(request, "shared/message.html", {"title": _("No such file"), "text": words}, status=400)
    key = request.GET.get("grafik")
    found = next((one for one in charts if key in (None, one.key)), None)
    if found is None:
        words = _("This page has no such chart, or nothing to draw in it yet. Open the page and choose one there.")
        return render(request, "shared/message.html", {"title": _("No such chart"), "text": words}, status=404)
    return make(found, now())


def notes_of(chart: Chart, at: dt.datetime) -> list[tuple[str, str]]:
    """What a file says beside the figures: (name, words)."""
    notes = [(_("Title"), chart.title), (_("Unit"), chart.unit)]
    notes += [(_("Limit"), f"{one.name}: {chart.said(one.value)}") for one in chart.thresholds]
    notes += [(_("Source"), chart.source), (_("Coverage"), chart.coverage), (_("Made"), instant(at))]
    return [(name, words) for name, words in notes if words]


def _name(chart: Chart, at: dt.datetime) -> str:
    return f"{chart.key}-{at:%Y%m%d-%H%M}"


def _table(chart: Chart, at: dt.datetime) -> Table:
    return Table(name=_name(chart, at), head=head_of(chart), rows=cells_of(chart), notes=notes_of(chart, at))


def _csv(chart: Chart, at: dt.datetime) -> HttpResponseBase:
    return as_csv(_table(chart, at))


def _xlsx(chart: Chart, at: dt.datetime) -> HttpResponseBase:
    return as_xlsx(_table(chart, at))


def _foot(chart: Chart, at: dt.datetime) -> list[str]:
    return [f"{name}: {words}" for name, words in notes_of(chart, at)[2:]]


def _png(chart: Chart, at: dt.datetime) -> HttpResponseBase:
    response = HttpResponse(png(chart, _foot(chart, at)), content_type="image/png")
    response["Content-Disposition"] = content_disposition_header(True, f"{_name(chart, at)}.png") or "attachment"
    return response


def chart_parts(chart: Chart, at: dt.datetime) -> list[Part]:
    """A chart in a document: heading, picture, what it rests on, and its table."""
    head = head_of(chart)
    figures = frozenset(range(1, len(head) - bool(chart.marked)))
    return [
        Words(text=chart.heading, kind="head"),
        Drawn(flowable=Picture(chart, WIDTH)),
        *(Words(text=line, kind="small") for line in _foot(chart, at)),
        Grid(head=head, rows=rows_of(chart), widths=[2] * len(head), right=figures),
    ]


def _pdf(chart: Chart, at: dt.datetime) -> HttpResponseBase:
    return as_pdf(name=_name(chart, at), title=chart.title, parts=chart_parts(chart, at))


_FILES: dict[str, Callable[[Chart, dt.datetime], HttpResponseBase]] = {
    "png": _png,
    "csv": _csv,
    "xlsx": _xlsx,
    "pdf": _pdf,
}
