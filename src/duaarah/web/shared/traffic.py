# SPDX-License-Identifier: Apache-2.0
"""Traffic of a month as a page shows it: a table of days and classes, and the columns of a small chart."""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.http import Http404
from django.utils.translation import gettext as _

from duaarah.sms.models import MessageClass
from duaarah.sms.operations.enqueue import package_month
from duaarah.sms.traffic import traffic
from duaarah.web.shared.export import Table

CHART_HEIGHT, COLUMN_WIDTH, TOP = 120, 20, 14
_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])\Z")


def month_of(words: str, at: dt.datetime) -> dt.date:
    """`2026-02` -> its first day; empty -> the package month of `at`. Raises Http404 for anything else."""
    if not words:
        return package_month(at)
    if (found := _MONTH.match(words)) is None:
        raise Http404
    return dt.date(int(found[1]), int(found[2]), 1)


def month_context(*, month_date: dt.date, operator_ids: Sequence[int] | None) -> dict[str, Any]:
    """`days` (date, cells by class, total), `classes` that occur with their sums, `bars`, and the months beside it."""
    lines = traffic(month_date=month_date, operator_ids=operator_ids)
    cells: dict[dt.date, dict[str, int]] = defaultdict(dict)
    sums: dict[str, int] = defaultdict(int)
    for line in lines:
        cells[line.date][line.message_class] = line.segments
        sums[line.message_class] += line.segments
    classes = [code for code in MessageClass.values if code in sums]
    days = [
        {"date": day, "cells": [cells[day].get(c, 0) for c in classes], "total": sum(cells[day].values())}
        for day in sorted(cells)
    ]
    after = (month_date + dt.timedelta(days=31)).replace(day=1)
    return {
        "month": month_date,
        "before": (month_date - dt.timedelta(days=1)).replace(day=1),
        "after": after,
        "days": days,
        "classes": [{"name": MessageClass(c).label, "sum": sums[c]} for c in classes],
        "total": sum(sums.values()),
        "retries": sum(line.retries for line in lines),
        "bars": _bars(cells, month_date, after),
        "chart": {
            "width": COLUMN_WIDTH * (after - month_date).days,
            "height": CHART_HEIGHT + TOP + 18,
            "base": CHART_HEIGHT + TOP,
        },
    }


def _bars(cells: dict[dt.date, dict[str, int]], first_date: dt.date, end_date: dt.date) -> list[dict[str, int]]:
    """One column a calendar day; its height is a whole number of pixels, a day with traffic has at least one."""
    totals = {day: sum(by_class.values()) for day, by_class in cells.items()}
    most = max(totals.values(), default=0)
    bars = []
    for number in range((end_date - first_date).days):
        total = totals.get(first_date + dt.timedelta(days=number), 0)
        height = max(1, CHART_HEIGHT * total // most) if total else 0
        x, base = number * COLUMN_WIDTH, CHART_HEIGHT + TOP
        bars.append(
            {
                "day": number + 1,
                "total": total,
                "x": x + 2,
                "middle": x + COLUMN_WIDTH // 2,
                "y": base - height,
                "height": height,
                "width": COLUMN_WIDTH - 4,
                "label_y": base + 14,
                # The highest columns carry their figure: it is the scale.
                "figure_y": base - height - 4 if total == most and total else 0,
            }
        )
    return bars


def traffic_table(*, month_date: dt.date, operator_ids: Sequence[int] | None) -> Table:
    """The month's lines as a file: day, class, segments, of these sent again."""
    head = (_("Day (WIB)"), _("Kind"), _("Segments"), _("Sent again"))
    lines = traffic(month_date=month_date, operator_ids=operator_ids)
    rows = ((x.date.isoformat(), _(MessageClass(x.message_class).label), x.segments, x.retries) for x in lines)
    return Table(name=f"lalu-lintas-{month_date:%Y-%m}", head=head, rows=rows)
