# SPDX-License-Identifier: Apache-2.0
"""A comparison with an operator's records as a page shows it: its counts, its lines in words, and the file of them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duaarah.sms.models import MessageClass, OutboundSegment, Reconciliation, ReconciliationLine
from duaarah.web.shared.export import Table
from duaarah.web.shared.templatetags.duaarah import instant

PAGE = 100
List = ReconciliationLine.List
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}")
_CLASS = re.compile(rf"\b(?:{'|'.join(MessageClass.values)})\b")
CODES = {
    "destination": gettext_lazy("another destination"),
    "price": gettext_lazy("another price"),
    "class": gettext_lazy("another class"),
    "time": gettext_lazy("more than ten minutes apart"),
    "several": gettext_lazy("several records could be it"),
    "incomplete": gettext_lazy("the file does not prove that it is missing"),
    "decided_meanwhile": gettext_lazy("it was decided meanwhile"),
}
# Of a row that cannot be read.
ERRORS = {
    "destination": gettext_lazy("its destination is no mobile number"),
    "price": gettext_lazy("its price is no whole number"),
    "time": gettext_lazy("its time cannot be read"),
    "columns": gettext_lazy("not as many columns as the head"),
    "message_id": gettext_lazy("no message id, or too long a one"),
    "duplicate": gettext_lazy("the same message id twice"),
}


def chosen_lines(request: HttpRequest, made: Reconciliation) -> QuerySet[ReconciliationLine]:
    """The lines of one list (`daftar` in the address), or all, in the order of the comparison."""
    lines = made.lines.order_by("pk")
    which = request.GET.get("daftar", "")
    return lines.filter(list=which) if which in List.values else lines


def reconciliation_context(request: HttpRequest, made: Reconciliation) -> dict[str, Any]:
    """Counts by list, one page of lines, and for a doubtful segment the records it may be."""
    counted = dict(made.lines.order_by().values_list("list").annotate(n=Count("pk")))
    after = request.GET.get("sesudah", "")
    lines = chosen_lines(request, made)
    if after.isdigit() and len(after) < 19:
        lines = lines.filter(pk__gt=int(after))
    found = list(lines[:PAGE])
    return {
        "made": made,
        "chosen": request.GET.get("daftar", ""),
        "counts": [(code, List(code).label, counted[code]) for code in List.values if code in counted],
        "all": sum(counted.values()),
        "rows": _rows(made, found),
        "after": found[-1].pk if len(found) == PAGE else None,
    }


def code_words(line: ReconciliationLine) -> str:
    """What differs, or what is wrong with the row."""
    return str((ERRORS if line.list == List.ERROR else CODES).get(line.code, line.code))


def side(text: str) -> str:
    """One side of a line for a reader: instants by the clock on the wall, our classes in words."""
    text = _INSTANT.sub(lambda found: instant(dt.datetime.fromisoformat(found[0])), text)
    text = _CLASS.sub(lambda found: _(MessageClass(found[0]).label), text)
    return text.replace("...", "…")


def _rows(made: Reconciliation, found: list[ReconciliationLine]) -> list[dict[str, Any]]:
    doubtful = [line for line in found if line.list == List.UNDECIDED]
    open_ids = set(
        OutboundSegment.objects.filter(pk__in=[x.segment_id for x in doubtful], state="AMBIGUOUS").values_list(
            "pk", flat=True
        )
    )
    wanted = {row for line in doubtful for row in rows_named(line)}
    records = {x.row: x for x in made.lines.filter(list=List.THEIRS_ONLY, row__in=wanted)}
    return [
        {
            "line": line,
            "list": line.get_list_display(),
            "code": code_words(line),
            "ours": side(line.ours),
            "theirs": "" if line.list == List.UNDECIDED else side(line.theirs),
            "open": line.segment_id in open_ids,
            "records": [
                {"row": row, "message_id": records[row].message_id, "words": side(records[row].theirs)}
                for row in rows_named(line)
                if row in records
            ],
        }
        for line in found
    ]


def rows_named(line: ReconciliationLine) -> list[int]:
    """The lines of the file that a doubtful segment may be."""
    return [int(part) for part in line.theirs.split(",") if part.isdigit()] if line.list == List.UNDECIDED else []


def reconciliation_table(request: HttpRequest, made: Reconciliation) -> Table:
    """The chosen lines as a file, streamed from the database."""
    head = (
        *(_("List"), _("Line of the file"), _("SMS number"), _("Message id")),
        *(_("What differs"), _("Ours"), _("Theirs")),
    )

    def rows() -> Iterator[tuple[object, ...]]:
        for x in chosen_lines(request, made).iterator(chunk_size=2_000):
            yield (
                _(x.get_list_display()),
                x.row,
                x.segment_id,
                x.message_id,
                code_words(x),
                x.ours,
                x.theirs,
            )

    return Table(name=f"rekonsiliasi-{made.operator.code}-{made.month_date:%Y-%m}", head=head, rows=rows())
