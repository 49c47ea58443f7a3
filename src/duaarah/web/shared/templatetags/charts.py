# SPDX-License-Identifier: Apache-2.0
"""`{% chart one %}`: the picture, what it rests on, its table, and its files."""

from __future__ import annotations

from typing import Any

from django import template
from django.http import QueryDict

from duaarah.web.shared.chart_data import Chart, head_of, rows_of
from duaarah.web.shared.chart_paint import svg

register = template.Library()
FORMS = (("png", "PNG"), ("csv", "CSV"), ("xlsx", "XLSX"), ("pdf", "PDF"))


@register.inclusion_tag("shared/chart.html", takes_context=True)
def chart(context: Any, one: Chart, table: bool = True) -> dict[str, Any]:
    """The address of a file is the page's own, with what it already asks for; `table`: False where the page has it."""
    request = context.get("request")
    query = request.GET.copy() if request is not None else QueryDict(mutable=True)
    files = []
    for form, name in FORMS:
        query["grafik"], query["bentuk"] = one.key, form
        files.append((f"?{query.urlencode()}", name))
    rows = rows_of(one) if table else []
    return {"chart": one, "svg": svg(one), "head": head_of(one), "rows": rows, "files": files}
