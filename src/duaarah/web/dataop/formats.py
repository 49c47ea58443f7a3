# SPDX-License-Identifier: Apache-2.0
"""A form for how an operator writes his records."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from duaarah.clock.queries import now
from duaarah.people.models import Organisation
from duaarah.sms.models import MessageClass, RecordFormat
from duaarah.sms.package.formats import Format, FormatRefused, set_record_format
from duaarah.web.dataop.guard import for_data_operator
from duaarah.web.shared.access import acting

_COLUMNS = ("message_id_column", "at_column", "destination_column", "price_column", "class_column")
_FIELDS = ("delimiter", "encoding", *_COLUMNS, "at_format", "zone")
TEXT_MAX = 60
CLASSES_MAX = 4_000


def _why(refused: FormatRefused) -> str:
    words = {
        "delimiter": _("Columns are parted by one sign that is no letter, figure or quote."),
        "encoding": _("This encoding is not known."),
        "columns": _("Each column has a name of its own, of at most 40 letters."),
        "at_format": _("A time is read to the second, in the signs of strptime."),
        "zone": _("This time zone is not known."),
        "classes": _("His classes lead to classes that we have."),
    }
    return words.get(refused.code, str(refused))


def _classes(text: str) -> dict[str, list[str]]:
    """`P2A = RECEIPT, WARNING`, a line each; a line without a sign of equality leads nowhere and is refused."""
    lines = [line.partition("=") for line in text[:CLASSES_MAX].splitlines() if line.strip()]
    return {his.strip(): [part.strip() for part in ours.split(",") if part.strip()] for his, _sign, ours in lines}


def _as_text(classes: dict[str, object]) -> str:
    return "\n".join(
        f"{his} = {', '.join(ours) if isinstance(ours, list) else ours}" for his, ours in sorted(classes.items())
    )


@for_data_operator
def record_format(request: HttpRequest, operator: str) -> HttpResponse:
    """The format as it is; a post keeps another one, or says in one sentence why not."""
    of = get_object_or_404(Organisation, code=operator, kind=Organisation.Kind.MOBILE_OPERATOR)
    if request.method == "POST":
        login = acting(request, Organisation.Kind.DATA_OPERATOR)
        said = {name: request.POST.get(name, "")[:TEXT_MAX] for name in _FIELDS}
        said = {name: value if name == "delimiter" else value.strip() for name, value in said.items()}
        form = Format(**said, classes=_classes(request.POST.get("classes", "")))
        try:
            set_record_format(operator=of, form=form, actor=f"login:{login.pk}", now=now())
        except FormatRefused as refused:
            messages.error(request, f"{_why(refused)} {_('Nothing was changed.')}")
            return redirect("data-format", operator=of.code)
        messages.success(request, _("Kept. The next file is read like this."))
        return redirect("data-reconciliations")
    row = RecordFormat.objects.filter(operator=of).first() or RecordFormat(operator=of)
    labels = {
        "message_id_column": _("Column of the message id"),
        "at_column": _("Column of the time"),
        "destination_column": _("Column of the destination"),
        "price_column": _("Column of the price"),
        "class_column": _("Column of his class; empty: he has none"),
        "delimiter": _("Sign between columns"),
        "encoding": _("Encoding"),
        "at_format": _("How a time is written (strptime)"),
        "zone": _("Time zone, where a time names none"),
    }
    context = {
        "operator": of,
        "fields": [(name, labels[name], getattr(row, name)) for name in (*_COLUMNS, "delimiter", "at_format", "zone")]
        + [("encoding", labels["encoding"], row.encoding)],
        "classes": _as_text(row.classes),
        "ours": MessageClass.choices,
    }
    return render(request, "dataop/format.html", context)
