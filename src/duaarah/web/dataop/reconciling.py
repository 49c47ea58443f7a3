# SPDX-License-Identifier: Apache-2.0
"""An operator's records brought to the page, compared by a chore, read line by line; doubtful segments decided by record."""

from __future__ import annotations

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from duaarah.clock.queries import now
from duaarah.people.models import Organisation
from duaarah.sms.models import Reconciliation, ReconciliationLine, RecordFile, RecordFormat
from duaarah.sms.operations import NotAmbiguous, RecordTaken, decide_ambiguous
from duaarah.sms.package.files import OCTETS_MAX, bring_records
from duaarah.sms.package.records import BadFile
from duaarah.web.dataop.guard import for_data_operator
from duaarah.web.shared.access import acting
from duaarah.web.shared.export import exported
from duaarah.web.shared.fresh import fragment
from duaarah.web.shared.package import months_beside
from duaarah.web.shared.reconciling import reconciliation_context, reconciliation_table, rows_named
from duaarah.web.shared.traffic import month_of

SHOWN = 30
REASON_MAX = 300
_DATA = Organisation.Kind.DATA_OPERATOR


def _why(bad: BadFile | str) -> str:
    """A refused file in the reader's language, by its code."""
    words = {
        "empty": _("The file is empty."),
        "too_large": _("A file has at most 64 MB."),
        "not_a_month": _("Choose the operator and a month."),
        "no_format": _("Nobody has said yet how this operator writes his records."),
        "encoding": _("The file is written in another encoding than this operator's records."),
        "head": _("The first line does not name the columns of this operator's records."),
        "too_long": _("The file has too many lines."),
        "gave_up": _("It was tried three times and did not end. Bring a smaller file, or look at the log."),
    }
    code = bad if isinstance(bad, str) else bad.code
    return words.get(code, code)


@for_data_operator
def files(request: HttpRequest) -> HttpResponse:
    """What was compared and what waits, newest first; a form for a file."""
    if request.method == "POST":
        return _bring(request)
    before = months_beside(month_of("", now()))["before"]
    with_format = RecordFormat.objects.values_list("operator_id", flat=True)
    context = {
        "files": RecordFile.objects.select_related("operator", "reconciliation")
        .defer("content")
        .order_by("-pk")[:SHOWN],
        "others": Reconciliation.objects.filter(file=None).select_related("operator").order_by("-pk")[:SHOWN],
        "operators": Organisation.objects.filter(pk__in=with_format).order_by("name"),
        "every": Organisation.objects.filter(kind=Organisation.Kind.MOBILE_OPERATOR).order_by("name"),
        "month": before,
    }
    return render(request, "dataop/reconciliations.html", context)


def _bring(request: HttpRequest) -> HttpResponse:
    login = acting(request, _DATA)
    sent = request.FILES.get("file")
    operator = Organisation.objects.filter(code=request.POST.get("operator", ""), kind="MOBILE_OPERATOR").first()
    if operator is None or not isinstance(sent, UploadedFile):
        messages.error(request, _("Choose the operator, the month and a file. Nothing was compared."))
        return redirect("data-reconciliations")
    try:
        month_date = month_of(request.POST.get("month", ""), now())
        # One octet more than allowed is enough to know; the rest is not read.
        content = sent.read(OCTETS_MAX + 1)
        row = bring_records(
            operator=operator,
            month_date=month_date,
            name=sent.name or "",
            content=content,
            actor=f"login:{login.pk}",
            now=now(),
        )
    except Http404:
        messages.error(request, f"{_why('not_a_month')} {_('Nothing was compared.')}")
        return redirect("data-reconciliations")
    except BadFile as bad:
        messages.error(request, f"{_why(bad)} {_('Nothing was compared.')}")
        return redirect("data-reconciliations")
    return redirect("data-records", file=row.pk)


@for_data_operator
def progress(request: HttpRequest, file: int) -> HttpResponse:
    """How far a file is; live while it waits or runs."""
    row = get_object_or_404(RecordFile.objects.select_related("operator").defer("content"), pk=file)
    ahead = RecordFile.objects.filter(state__in=("WAITING", "RUNNING"), pk__lt=row.pk).count()
    live = row.state in (RecordFile.State.WAITING, RecordFile.State.RUNNING)
    context = {"file": row, "ahead": ahead, "live": live, "why": _why(row.code) if row.code else ""}
    if request.headers.get("HX-Request"):
        return fragment(request, "dataop/records_part.html", context)
    return render(request, "dataop/records.html", context)


def _made(reconciliation: int) -> Reconciliation:
    return get_object_or_404(Reconciliation.objects.select_related("operator"), pk=reconciliation)


@for_data_operator
def reconciliation(request: HttpRequest, reconciliation: int) -> HttpResponseBase:
    """A comparison line by line, one list at a time where one is chosen."""
    made = _made(reconciliation)
    if (file := exported(request, lambda: reconciliation_table(request, made))) is not None:
        return file
    return render(request, "dataop/reconciliation.html", reconciliation_context(request, made))


@require_POST
@for_data_operator
def decide(request: HttpRequest, reconciliation: int) -> HttpResponse:
    """A doubtful segment: it is one of the records that it may be, or none of them."""
    made = _made(reconciliation)
    login = acting(request, _DATA)
    line_id, record, reason = (request.POST.get(name, "").strip() for name in ("line", "record", "reason"))
    line = None
    if line_id.isdigit() and len(line_id) < 19:
        line = made.lines.filter(pk=int(line_id), list=ReconciliationLine.List.UNDECIDED).first()
    known = record == "none" or (line is not None and record in {str(row) for row in rows_named(line)})
    if line is None or line.segment_id is None or not known or not 0 < len(reason) <= REASON_MAX:
        messages.error(request, _("Say which record it is, or none, and how you know. Nothing was changed."))
        return redirect("data-reconciliation", reconciliation=made.pk)
    theirs = None if record == "none" else made.lines.filter(list="THEIRS_ONLY", row=int(record)).first()
    where = f"line {record}" if theirs else "no record"
    try:
        decide_ambiguous(
            segment_id=line.segment_id,
            sent=theirs is not None,
            smsc_message_id=theirs.message_id if theirs else "",
            actor=f"login:{login.pk}",
            reason=f"Reconciliation {made.pk}, {where}: {reason}",
            now=now(),
        )
    except NotAmbiguous:
        messages.error(request, _("The outcome of this SMS is known by now. Nothing was changed."))
    except RecordTaken:
        messages.error(request, _("This record is another SMS's already. Nothing was changed."))
    else:
        messages.success(request, _("Your decision is written down."))
    return redirect("data-reconciliation", reconciliation=made.pk)
