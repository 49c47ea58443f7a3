# SPDX-License-Identifier: Apache-2.0
"""The link console, what needs a look, and the whole life of one SMS."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _

from duaarah.headend.models import Attempt
from duaarah.messaging.models import Message
from duaarah.sms.console import NEWEST, SHOWN_MAX, LinkLine, ambiguous, given_up, links, parked, related
from duaarah.sms.models import Bind, InboundSms, MessageClass, OutboundSegment, PackageEntry, Receipt
from duaarah.web.dataop.decide import may_go_again
from duaarah.web.dataop.guard import for_data_operator
from duaarah.web.dataop.words import receipt_state, status_name, without_tokens
from duaarah.web.shared.export import Table, exported
from duaarah.web.shared.fresh import answer, shared_text
from duaarah.web.shared.templatetags.duaarah import instant

PAGE = 50
FILE_MAX = 200_000


def _link(line: LinkLine) -> dict[str, Any]:
    queue = [{"name": MessageClass(q.message_class).label, "line": q} for q in line.queue]
    return {
        "bind": line.bind,
        "line": line,
        "tps": f"{line.tps_tenths // 10},{line.tps_tenths % 10}",
        "tps_en": f"{line.tps_tenths // 10}.{line.tps_tenths % 10}",
        "queue": queue,
        "waiting": sum(q.waiting for q in line.queue),
        "codes": [{"name": status_name(c.status), "line": c} for c in line.codes],
    }


def _console() -> dict[str, Any]:
    return {
        "links": [_link(line) for line in links()],
        "ambiguous": ambiguous().count(),
        "parked": parked().count(),
        "given_up": given_up().count(),
        "newest": NEWEST,
    }


@for_data_operator
def console(request: HttpRequest) -> HttpResponse:
    """Every link now: state, window, rate, queues with the age of the oldest, error codes."""
    part = shared_text("dataop/console_part.html", _console)
    if request.headers.get("HX-Request"):
        return answer(request, part)
    return render(request, "dataop/console.html", {"part": part})


@for_data_operator
def attention(request: HttpRequest) -> HttpResponse:
    """What no rule decides: lost responses, receipts without a segment, SMS that could not be read."""
    receipts = [
        {"row": r, "state": receipt_state(r.state), "text": without_tokens(r.text)} for r in parked()[:SHOWN_MAX]
    ]
    context = {
        "ambiguous": ambiguous()[:SHOWN_MAX],
        "ambiguous_n": ambiguous().count(),
        "parked": receipts,
        "parked_n": parked().count(),
        "given_up": given_up()[:SHOWN_MAX],
        "given_up_n": given_up().count(),
    }
    return render(request, "dataop/attention.html", context)


def _segments_table(rows: QuerySet[OutboundSegment]) -> Table:
    """The newest FILE_MAX of what the filters leave; a destination by its last three digits."""
    head = (_("SMS number"), _("When"), _("Kind"), _("Meter"), _("To"), _("State"), _("Link"), _("Message id"))
    found = rows[:FILE_MAX].iterator(chunk_size=2_000)
    return Table(
        name="sms",
        head=head,
        rows=(
            (
                *(row.pk, instant(row.created_at), _(row.get_message_class_display())),
                *(row.meter.drn if row.meter else "", f"…{row.destination[-3:]}", _(row.get_state_display())),
                *(row.bind.name, row.smsc_message_id),
            )
            for row in found
        ),
    )


@for_data_operator
def segments(request: HttpRequest) -> HttpResponseBase:
    """Outgoing SMS, newest first: by state, class and link, or by the SMSC's message id or the meter's number."""
    chosen = {name: request.GET.get(name, "") for name in ("keadaan", "kelas", "jalur")}
    words = request.GET.get("cari", "").strip()[:70]
    rows = OutboundSegment.objects.select_related("bind", "meter").order_by("-id")
    if chosen["keadaan"] in OutboundSegment.State.values:
        rows = rows.filter(state=chosen["keadaan"])
    if chosen["kelas"] in MessageClass.values:
        rows = rows.filter(message_class=chosen["kelas"])
    binds = list(Bind.objects.order_by("name"))
    if chosen["jalur"]:
        rows = rows.filter(bind__name=chosen["jalur"])
    if words:
        by_id = rows.filter(bind__in=binds, smsc_message_id=words)
        rows = by_id if by_id.exists() else rows.filter(meter__drn=words.replace(" ", ""))
    if (file := exported(request, lambda: _segments_table(rows))) is not None:
        return file
    before = request.GET.get("sebelum", "")
    if before.isdigit() and len(before) < 19:
        rows = rows.filter(id__lt=int(before))
    found = list(rows[:PAGE])
    context = {
        "rows": found,
        "chosen": chosen,
        "words": words,
        "states": OutboundSegment.State.choices,
        "classes": [choice for choice in MessageClass.choices if not choice[0].endswith("_MO")],
        "binds": binds,
        "before": found[-1].pk if len(found) == PAGE else None,
    }
    return render(request, "dataop/messages.html", context)


@for_data_operator
def segment_life(request: HttpRequest, segment: int) -> HttpResponse:
    """From what asked for it, over the link's attempt and the SMSC's word, to receipts and the package ledger."""
    row = get_object_or_404(OutboundSegment.objects.select_related("bind__operator", "meter"), pk=segment)
    message = Message.objects.filter(segment=row).first()
    # Attempts are partitioned by month and found by their meter; a segment without one has no attempt.
    attempts = Attempt.objects.filter(segment=row, meter=row.meter).select_related("command") if row.meter else None
    took = row.answered_at - row.submitted_at if row.answered_at and row.submitted_at else None
    # An imported past has one instant for both: nobody measured that.
    measured = took or None
    context = {
        "row": row,
        "message": message,
        "text": without_tokens(message.text) if message else "",
        "attempt": attempts.first() if attempts is not None else None,
        "took_ms": int(measured.total_seconds() * 1000) if measured is not None else None,
        "status": status_name(row.smsc_status),
        "receipts": [{"row": r, "state": receipt_state(r.state)} for r in Receipt.objects.filter(segment=row)],
        "entries": PackageEntry.objects.filter(segment=row).order_by("id"),
        "related": related(row),
        "octets": len(row.payload),
        "decidable": row.state == OutboundSegment.State.AMBIGUOUS,
        "again": may_go_again(row),
    }
    return render(request, "dataop/message.html", context)


@for_data_operator
def inbound_life(request: HttpRequest, inbound: int) -> HttpResponse:
    """One received SMS: what it was taken for, what became of it, its line in the package ledger."""
    row = get_object_or_404(InboundSms.objects.select_related("bind__operator"), pk=inbound)
    entry = PackageEntry.objects.filter(inbound=row).select_related("meter").first()
    answers = OutboundSegment.objects.none()
    if entry is not None and entry.meter_id is not None and entry.correlation is not None:
        answers = OutboundSegment.objects.filter(meter_id=entry.meter_id, correlation=entry.correlation)
    context = {"row": row, "entry": entry, "answers": answers.order_by("id")[:PAGE], "octets": len(row.payload)}
    return render(request, "dataop/inbound.html", context)
