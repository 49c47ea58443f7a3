# SPDX-License-Identifier: Apache-2.0
"""What people say of an indication or of a meter's place: audited, undoable. Entries."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from django.db import transaction

from duaarah.analytics.losses.counting import CLEAN_DAYS_MIN
from duaarah.analytics.losses.sources import CLEAN_BACK_DAYS
from duaarah.analytics.models import LossDecision
from duaarah.audit import operations as audit
from duaarah.people.models import Login
from duaarah.registry.models import Meter, NetworkNode

CLEAN_DAYS_MAX = 60
State, About = LossDecision.State, LossDecision.About
Span = tuple[dt.date, dt.date]


class DecisionRefused(Exception):
    """Nothing was decided; `code` says why."""

    retryable = False

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def check(*, state: str, note: str, clean: Span | None, meter: Meter, now: dt.datetime) -> None:
    """
    Whether a decision can be made so.

    Raises:
        DecisionRefused: "bad_state", "no_note", "bad_clean": not 7 to 60 whole days of the last 150, or of a dismissal.
    """
    if state not in State.values:
        raise DecisionRefused("bad_state", "No such state.")
    if not note.strip():
        raise DecisionRefused("no_note", "A decision says what was seen.")
    if clean is None:
        return
    today = now.astimezone(ZoneInfo(meter.zone)).date()
    first, last = clean
    days = (last - first).days + 1
    inside = last < today and (today - first).days < CLEAN_BACK_DAYS
    if state == State.DISMISSED or not CLEAN_DAYS_MIN <= days <= CLEAN_DAYS_MAX or not inside:
        raise DecisionRefused("bad_clean", "Clean days are seven to sixty whole days before today.")


def decide(
    *, node: NetworkNode, meter: Meter, state: str, note: str, clean: Span | None, login: Login, now: dt.datetime,
    about: str = About.SUSPECT,
) -> LossDecision:  # fmt: skip
    """
    Entry: found, nothing, or dismissed. `clean`: days of the transformer, both within, in which the inspection found that
    nothing went past a meter; its loss model learns from them at the next turn. The same said twice is one decision.

    Raises:
        DecisionRefused: as `check`.
    """
    check(state=state, note=note, clean=clean, meter=meter, now=now)
    values = {
        "state": state,
        "note": note.strip()[:400],
        "clean_first_date": clean[0] if clean else None,
        "clean_last_date": clean[1] if clean else None,
    }
    with transaction.atomic(durable=True):
        Meter.objects.select_for_update().get(pk=meter.pk)
        own = LossDecision.objects.filter(node=node, meter=meter, about=about, undone_at=None)
        last = own.order_by("-made_at", "-pk").first()
        if last is not None and all(getattr(last, name) == value for name, value in values.items()):
            return last
        made = LossDecision.objects.create(node=node, meter=meter, about=about, made_by=login, made_at=now, **values)
        _audit(made, "losses.decide", login, now)
    return made


def undo(*, decision_id: int, login: Login, now: dt.datetime) -> bool:
    """Entry: what was said before counts again; False if it was undone already."""
    with transaction.atomic(durable=True):
        found = LossDecision.objects.select_for_update().get(pk=decision_id)
        if found.undone_at is not None:
            return False
        found.undone_at, found.undone_by = now, login
        found.save(update_fields=["undone_at", "undone_by"])
        _audit(found, "losses.undo", login, now)
    return True


def _audit(row: LossDecision, verb: str, login: Login, now: dt.datetime) -> None:
    detail = {
        "decision": row.pk,
        "about": row.about,
        "node": row.node_id,
        "state": row.state,
        "clean": [str(row.clean_first_date), str(row.clean_last_date)] if row.clean_first_date else None,
    }
    subject = f"meter:{row.meter_id}"
    audit.record(at=now, actor=f"login:{login.pk}", verb=verb, subject=subject, reason=row.note, detail=detail)
