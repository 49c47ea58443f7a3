# SPDX-License-Identifier: Apache-2.0
"""Tokens sold elsewhere, as they came in files; and meters whose digits reach nobody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duaarah.clock.queries import now
from duaarah.core.msisdn import MSISDNError
from duaarah.registry.models import Meter
from duaarah.vending.batch_models import TokenBatch, TokenBatchRow
from duaarah.vending.operations.phones import set_token_phone, untold_vends
from duaarah.web.shared.access import for_operator
from duaarah.web.shared.export import Table, exported
from duaarah.web.utility.guard import keeper

SHOWN = 100
State, RowState = TokenBatch.State, TokenBatchRow.State
STATES = {
    State.WAITING: gettext_lazy("Rows are being loaded"),
    State.DONE: gettext_lazy("Every row has its outcome"),
    State.REFUSED: gettext_lazy("Refused whole"),
}
ROW_STATES = {
    RowState.WAITING: gettext_lazy("Waits for its turn"),
    RowState.TAKEN: gettext_lazy("Taken: loads itself"),
    RowState.REPEATED: gettext_lazy("Known before: nothing was loaded again"),
    RowState.REFUSED: gettext_lazy("Refused"),
}
CODES = {
    "too_large": gettext_lazy("the file is larger than 16 MB"),
    "trailer_missing": gettext_lazy("it was cut off: the last line is no trailer"),
    "signature_refused": gettext_lazy("its signature does not fit"),
    "bad_head": gettext_lazy("its first line is not as agreed"),
    "wrong_channel": gettext_lazy("it names another channel"),
    "bad_columns": gettext_lazy("not the columns as agreed"),
    "too_many_rows": gettext_lazy("more than 100,000 rows"),
    "wrong_count": gettext_lazy("the count of its trailer is not that of its rows"),
    "wrong_sum": gettext_lazy("the sum of its trailer is not that of its rows"),
    "batch_conflict": gettext_lazy("another file came under the same batch id"),
    "channel_refused": gettext_lazy("this channel does not tell of tokens"),
    "meter_unknown": gettext_lazy("no such meter, or another customer's"),
    "token_not_for_meter": gettext_lazy("the digits are no credit token of this meter"),
    "token_known": gettext_lazy("another notification brought this token"),
    "notification_conflict": gettext_lazy("the same id was used for another sale"),
    "bad_notification_id": gettext_lazy("its id is empty or too long"),
    "bad_drn": gettext_lazy("its meter number is not 11 or 13 digits"),
    "bad_idpel": gettext_lazy("its customer number is not 12 digits"),
    "bad_token": gettext_lazy("its token is not 20 digits"),
    "bad_amount_idr": gettext_lazy("its nominal is no whole number of rupiah"),
    "bad_sold_at": gettext_lazy("its time cannot be read"),
}


def code_words(code: str) -> str:
    """Why a file or a row was refused, in words."""
    return str(CODES.get(code, code))


@for_operator
def batches(request: HttpRequest) -> HttpResponseBase:
    """The latest files, newest first, with how many of their rows came to what."""
    if (file := exported(request, _batches_table)) is not None:
        return file
    context = {"rows": [_batch(made) for made in _counted()[:SHOWN]], "untold": untold_vends().count()}
    return render(request, "utility/token_batches.html", context)


def _counted() -> QuerySet[TokenBatch]:
    counts = {state.lower(): Count("rows", filter=Q(rows__state=state)) for state in ("TAKEN", "REPEATED", "REFUSED")}
    return TokenBatch.objects.select_related("channel").annotate(**counts).order_by("-pk")


def _batch(made: TokenBatch) -> dict[str, Any]:
    return {"made": made, "state": STATES[State(made.state)], "code": code_words(made.code) if made.code else ""}


def _batches_table() -> Table:
    head = (_("Channel"), _("Batch"), _("Date"), _("File"), _("State"), _("Why"), _("Rows"), _("Taken"), _("Repeated"))
    rows = (
        (
            *(made.channel.code, made.batch_id, made.of_date, made.file_name, str(STATES[State(made.state)])),
            *(code_words(made.code) if made.code else "", made.count, made.taken, made.repeated),  # type: ignore[attr-defined]
            *(made.refused, made.sum_idr, made.received_at.isoformat()),  # type: ignore[attr-defined]
        )
        for made in _counted().iterator(chunk_size=2_000)
    )
    return Table(name="berkas-token", head=(*head, _("Refused"), _("Sum in rupiah"), _("Received")), rows=rows)


@for_operator
def batch(request: HttpRequest, batch: int) -> HttpResponseBase:
    """One file: its rows, or only those of one state (`status` in the address). Digits are never shown."""
    made = get_object_or_404(_counted(), pk=batch)
    chosen = request.GET.get("status", "")
    rows = made.rows.order_by("line")
    if chosen in RowState.values:
        rows = rows.filter(state=chosen)
    if (file := exported(request, lambda: _rows_table(made, rows))) is not None:
        return file
    after = request.GET.get("sesudah", "")
    shown = rows.filter(line__gt=int(after)) if after.isdigit() and len(after) < 9 else rows
    found = list(shown[:SHOWN])
    context = {
        **_batch(made),
        "rows": [{"row": r, "state": ROW_STATES[RowState(r.state)], "code": code_words(r.code)} for r in found],
        "counts": [(state, words, made.rows.filter(state=state).count()) for state, words in ROW_STATES.items()],
        "chosen": chosen,
        "after": found[-1].line if len(found) == SHOWN else None,
    }
    return render(request, "utility/token_batch.html", context)


def _rows_table(made: TokenBatch, rows: QuerySet[TokenBatchRow]) -> Table:
    def lines() -> Iterator[tuple[object, ...]]:
        for r in rows.iterator(chunk_size=2_000):
            why = code_words(r.code) if r.code else ""
            yield r.line, r.notification_id, r.drn, r.amount_idr, r.sold_at, str(ROW_STATES[RowState(r.state)]), why

    head = (_("Line of the file"), _("Notification id"), _("Meter"), _("Nominal"), _("Sold"), _("State"), _("Why"))
    return Table(name=f"berkas-token-{made.channel.code}-{made.batch_id or made.pk}", head=head, rows=lines())


@for_operator
def untold(request: HttpRequest) -> HttpResponseBase:
    """GET: one-way meters whose digits could be told to nobody. POST: where they go from now on."""
    if request.method == "POST":
        login = keeper(request)
        meter = get_object_or_404(Meter, drn=request.POST.get("drn", ""))
        try:
            told = set_token_phone(
                meter=meter, phone=request.POST.get("phone", ""), actor=f"login:{login.pk}", now=now()
            )
            messages.success(request, _("Written down; %(n)d tokens are on their way to this number.") % {"n": told})
        except MSISDNError:
            messages.error(request, _("This is not an Indonesian mobile number. Nothing was changed."))
        return redirect("desk-untold")
    waiting = untold_vends()
    meters = waiting.values("meter_id", "meter__drn", "meter__customer__name", "meter__customer__idpel").order_by()
    rows = meters.annotate(n=Count("pk")).order_by("meter__drn")[:SHOWN]
    return render(request, "utility/untold.html", {"rows": rows, "meters": waiting.values("meter").distinct().count()})
