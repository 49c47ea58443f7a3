# SPDX-License-Identifier: Apache-2.0
"""One channel: its settlements and closings, its file against the books, and each line that does not agree, resolved."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from duaarah.clock.queries import now
from duaarah.people.models import Organisation
from duaarah.vending.channel_file import OCTETS_MAX, BadFile
from duaarah.vending.ledger_models import ChannelFileFormat, ChannelReconciliation, ChannelReconciliationLine
from duaarah.vending.models import Channel, Deposit
from duaarah.vending.operations.corrections import CorrectionRefused
from duaarah.vending.operations.policy import settlement_day
from duaarah.vending.operations.reconcile import reconcile
from duaarah.vending.operations.resolve import excess_idr, explain_line, request_correction
from duaarah.web.shared.access import acting
from duaarah.web.shared.export import Table, exported
from duaarah.web.shared.ledger_lists import FILE_ERRORS, HOW, LISTS, codes_words, refusal_words
from duaarah.web.utility.books import for_pln

SHOWN, PAGE = 31, 100
_UTILITY = Organisation.Kind.UTILITY


@for_pln
def channel(request: HttpRequest, code: str) -> HttpResponse:
    """Its deposit, days settled, tills closed, files compared, and a form for a file."""
    found = get_object_or_404(Channel.objects.select_related("unit__organisation"), code=code)
    if request.method == "POST":
        return _bring(request, found)
    context = {
        "channel": found,
        "deposit": Deposit.objects.filter(pk=found.pk).first(),
        "settlements": found.settlements.order_by("-day_date")[:SHOWN],
        "closings": found.closings.order_by("-sequence")[:SHOWN],
        "reconciliations": found.reconciliations.order_by("-pk")[:SHOWN],
        "format": ChannelFileFormat.objects.filter(channel=found).first() or ChannelFileFormat(channel=found),
        "yesterday": settlement_day(now()) - dt.timedelta(days=1),
    }
    return render(request, "utility/channel.html", context)


def _bring(request: HttpRequest, found: Channel) -> HttpResponse:
    login = acting(request, _UTILITY)
    sent = request.FILES.get("file")
    try:
        day_date = dt.date.fromisoformat(request.POST.get("day", ""))
    except ValueError:
        day_date = None
    if day_date is None or not isinstance(sent, UploadedFile):
        messages.error(request, _("Choose a day and a file. Nothing was compared."))
        return redirect("desk-channel", code=found.code)
    try:
        made = reconcile(
            channel=found,
            day_date=day_date,
            # One octet more than allowed is enough to know; the rest is not read.
            content=sent.read(OCTETS_MAX + 1),
            file_name=sent.name or "",
            actor=f"login:{login.pk}",
            now=now(),
        )
    except BadFile as bad:
        messages.error(request, f"{FILE_ERRORS.get(bad.code, bad)} {_('Nothing was compared.')}")
        return redirect("desk-channel", code=found.code)
    return redirect("desk-channel-file", made=made.pk)


def _made(made: int) -> ChannelReconciliation:
    return get_object_or_404(ChannelReconciliation.objects.select_related("channel"), pk=made)


def _chosen(request: HttpRequest, made: ChannelReconciliation) -> QuerySet[ChannelReconciliationLine]:
    lines = made.lines.select_related("resolution", "reconciliation").order_by("pk")
    which = request.GET.get("daftar", "")
    return lines.filter(list=which) if which in LISTS else lines


@for_pln
def compared(request: HttpRequest, made: int) -> HttpResponseBase:
    """A comparison, one list at a time where one is chosen."""
    row = _made(made)
    lines = _chosen(request, row)
    if (file := exported(request, lambda: _table(row, lines))) is not None:
        return file
    after = request.GET.get("sesudah", "")
    if after.isdigit() and len(after) < 19:
        lines = lines.filter(pk__gt=int(after))
    found = list(lines[:PAGE])
    counts = [
        ("OURS_ONLY", LISTS["OURS_ONLY"], row.ours_only, row.ours_only_idr),
        ("THEIRS_ONLY", LISTS["THEIRS_ONLY"], row.theirs_only, row.theirs_only_idr),
        ("DIFFERENT", LISTS["DIFFERENT"], row.different, row.different_idr),
        ("ERROR", LISTS["ERROR"], row.errors, None),
    ]
    context = {
        "made": row,
        "chosen": request.GET.get("daftar", ""),
        "counts": counts,
        "lines": [_shown(line) for line in found],
        "after": found[-1].pk if len(found) == PAGE else None,
    }
    return render(request, "utility/compared.html", context)


def _shown(line: ChannelReconciliationLine) -> dict[str, Any]:
    resolution = getattr(line, "resolution", None)
    return {
        "line": line,
        "list": LISTS[line.list],
        "codes": codes_words(line),
        "excess_idr": excess_idr(line),
        "resolution": resolution,
        "how": HOW[resolution.how] if resolution else "",
    }


def _table(made: ChannelReconciliation, lines: QuerySet[ChannelReconciliationLine]) -> Table:
    head = (
        *(_("List"), _("Line of the file"), _("Reference"), _("What differs"), _("Ours (Rp)"), _("Theirs (Rp)")),
        *(_("Our meter"), _("Their meter"), _("Our time"), _("Their time"), _("Resolved"), _("Reason")),
    )

    def rows() -> Iterator[tuple[object, ...]]:
        for x in lines.iterator(chunk_size=2_000):
            done = getattr(x, "resolution", None)
            times = (at.isoformat() if at else "" for at in (x.ours_at, x.theirs_at))
            yield (
                *(LISTS[x.list], x.row, x.reference, codes_words(x), x.ours_idr, x.theirs_idr),
                *(x.ours_meter, x.theirs_meter, *times, HOW[done.how] if done else "", done.reason if done else ""),
            )

    return Table(name=f"rekonsiliasi-{made.channel.code}-{made.day_date}", head=head, rows=rows())


@require_POST
@for_pln
def resolve(request: HttpRequest, made: int) -> HttpResponse:
    """A line is explained, or its money is asked back for: a second person decides that."""
    row = _made(made)
    login = acting(request, _UTILITY)
    number, how, reason = (request.POST.get(name, "") for name in ("line", "how", "reason"))
    lines = row.lines.select_related("reconciliation__channel")
    line = lines.filter(pk=number).first() if number.isdigit() and len(number) < 19 else None
    if line is None:
        messages.error(request, f"{_('Choose what is to be done.')} {_('No money has moved.')}")
        return redirect("desk-channel-file", made=row.pk)
    try:
        if how == "EXPLAINED":
            explain_line(line_id=line.pk, reason=reason, actor=f"login:{login.pk}", now=now())
            messages.success(request, _("Noted. No money has moved."))
        else:
            request_correction(line=line, how=how, reason=reason, requested_by=login, now=now())
            messages.success(request, _("Asked for. It waits for a second person; no money has moved yet."))
    except CorrectionRefused as error:
        messages.error(request, f"{refusal_words(error)} {_('No money has moved.')}")
    return redirect("desk-channel-file", made=row.pk)
