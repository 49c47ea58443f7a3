# SPDX-License-Identifier: Apache-2.0
"""Traffic of a month as a page shows it: a table of days and classes, and a chart."""

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
from duaarah.web.shared.charts import Axis, Chart, Kind, Series
from duaarah.web.shared.export import Table

_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])\Z")


def month_of(words: str, at: dt.datetime) -> dt.date:
    """`2026-02` -> its first day; empty -> the package month of `at`. Raises Http404 for anything else."""
    if not words:
        return package_month(at)
    if (found := _MONTH.match(words)) is None:
        raise Http404
    return dt.date(int(found[1]), int(found[2]), 1)


def month_context(*, month_date: dt.date, operator_ids: Sequence[int] | None) -> dict[str, Any]:
    """`days` (date, cells by class, total), `classes` that occur with their sums, its `chart`, and the months beside it."""
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
        "chart": _chart(cells, month_date, after),
    }


def _chart(cells: dict[dt.date, dict[str, int]], first_date: dt.date, end_date: dt.date) -> Chart:
    """One column a calendar day."""
    dates = tuple(first_date + dt.timedelta(days=number) for number in range((end_date - first_date).days))
    return Chart(
        key="sms",
        title=_("SMS a day"),
        unit=_("segments"),
        kind=Kind.BAR,
        axis=Axis.DAY,
        positions=dates,
        series=(Series(name=_("Segments"), values=tuple(float(sum(cells.get(d, {}).values())) for d in dates)),),
        source=_("Counted from the package ledger: each segment once, when the SMSC accepted it or a handset sent it."),
        decimals=0,
    )


def traffic_table(*, month_date: dt.date, operator_ids: Sequence[int] | None) -> Table:
    """The month's lines as a file: day, class, segments, of these sent again."""
    head = (_("Day (WIB)"), _("Kind"), _("Segments"), _("Sent again"))
    lines = traffic(month_date=month_date, operator_ids=operator_ids)
    rows = ((x.date.isoformat(), _(MessageClass(x.message_class).label), x.segments, x.retries) for x in lines)
    return Table(name=f"lalu-lintas-{month_date:%Y-%m}", head=head, rows=rows)
