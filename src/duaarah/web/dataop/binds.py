# SPDX-License-Identifier: Apache-2.0
"""Links are set up here: a form, a trial against the SMSC, a second look at what changes, and then the change."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from duaarah.audit.models import AuditRecord
from duaarah.clock.queries import now
from duaarah.people.models import Organisation
from duaarah.sms.bind_rules import PAIR, changes, defaults, fingerprint, password_problem, values_of
from duaarah.sms.console import effect_of
from duaarah.sms.models import Bind, BindDraft, BindTrial
from duaarah.sms.operations import (
    BindChangedMeanwhile,
    BindRefused,
    DraftGone,
    TrialRefused,
    ask_trial,
    confirm_draft,
    propose_bind,
)
from duaarah.sms.operations.binds import DRAFT_KEPT, names_of, problems_of
from duaarah.web.dataop import bind_form
from duaarah.web.dataop.bind_words import LABELS, ONE_SESSION, outcome_words, problem
from duaarah.web.dataop.guard import for_data_operator
from duaarah.web.shared.access import acting
from duaarah.web.shared.fresh import fragment
from duaarah.wiring.keystores import key_store, rewrap_bind_password, wrap_bind_password

_DATA = Organisation.Kind.DATA_OPERATOR
HISTORY_MAX = 30
TRIALS_SHOWN = 5
# What is not set is not listed; 0 is a value.
EMPTY: tuple[Any, ...] = ("", [], {})


def _actor(request: HttpRequest) -> str:
    """Who acts. Raises PermissionDenied for those who may only look."""
    return f"login:{acting(request, _DATA).pk}"


@for_data_operator
def binds(request: HttpRequest) -> HttpResponse:
    """Every link with its SMSC and state; those that are on first."""
    rows = Bind.objects.select_related("operator").order_by("-active", "name")
    return render(request, "dataop/binds.html", {"rows": rows})


@for_data_operator
def bind(request: HttpRequest, bind: int) -> HttpResponse:
    """One link: its values, its trials, who changed what and why, and the switch."""
    row = get_object_or_404(Bind.objects.select_related("operator"), pk=bind)
    values = values_of(row)
    facts = [
        (LABELS[name][0], bind_form.told(name, value)) for name, value in values.items() if value or value is False
    ]
    context = {
        "bind": row,
        "facts": facts,
        "trials": [_trial(t) for t in BindTrial.objects.filter(bind=row).order_by("-id")[:TRIALS_SHOWN]],
        "record": [
            {"row": r, "lines": _lines(r)}
            for r in AuditRecord.objects.filter(subject=f"bind:{row.name}", verb="sms.set_bind").order_by("-id")[
                :HISTORY_MAX
            ]
        ],
    }
    return render(request, "dataop/bind.html", context)


def _lines(record: AuditRecord) -> list[tuple[str, str, str]]:
    """(label, old, new) of a change as the audit record tells it; nothing of a new link, whose values stand above."""
    if record.refused or "operator" in record.detail:
        return []
    found = []
    for name, (old, new) in record.detail.items():
        label = LABELS[name][0] if name in LABELS else name
        found.append((str(label), bind_form.told(name, old), bind_form.told(name, new)))
    return found


@for_data_operator
def bind_new(request: HttpRequest) -> HttpResponse:
    """The form of a new link; it begins switched off."""
    return _form(request, None)


@for_data_operator
def bind_edit(request: HttpRequest, bind: int) -> HttpResponse:
    """The form of a link that is there."""
    return _form(request, get_object_or_404(Bind.objects.select_related("operator"), pk=bind))


def _form(request: HttpRequest, row: Bind | None) -> HttpResponse:
    actor = _actor(request)
    known = request.POST.get("draft") or request.GET.get("usul", "")
    before = _draft_of(actor, int(known), row) if known.isdigit() and len(known) < 19 else None
    values = dict(before.values) if before is not None else values_of(row) if row is not None else defaults()
    operator = str(before.operator_id) if before is not None else ""
    problems: dict[str, str] = {}
    if request.method == "POST":
        operator = request.POST.get("operator", "")
        values = bind_form.values_from(request.POST, values)
        found = _propose(request.POST.get("password", ""), row, before, values, operator, actor)
        if isinstance(found, BindDraft):
            return redirect("data-draft", draft=found.pk)
        problems = found
    context = {
        "bind": row,
        "draft": before,
        "problems": len(problems),
        "groups": bind_form.groups(
            values,
            problems,
            new=row is None,
            operator=operator,
            password_kept=row is not None or bool(before and before.password_wrapped),
        ),
    }
    return render(request, "dataop/bind_form.html", context, status=422 if problems else 200)


def _draft_of(actor: str, pk: int, row: Bind | None) -> BindDraft | None:
    return BindDraft.objects.filter(pk=pk, asked_by=actor, bind=row, state=BindDraft.State.OPEN).first()


def _propose(
    password: str, row: Bind | None, before: BindDraft | None, values: dict[str, Any], operator: str, actor: str
) -> BindDraft | dict[str, str]:
    """The proposal, or what is wrong with which field."""
    wrong: dict[str, str] = {}
    if why := password_problem(password):
        wrong["password"] = why
    chosen = int(operator) if operator.isdigit() and len(operator) < 10 else 0
    if row is None and not Organisation.objects.filter(pk=chosen, kind=Organisation.Kind.MOBILE_OPERATOR).exists():
        wrong["operator"] = "operator"
    wrapped = bytes(before.password_wrapped) if before is not None else b""
    # Whoever renames what he proposes takes the password with him.
    if wrapped and before is not None and before.values["name"] != values["name"]:
        wrapped = rewrap_bind_password(key_store(), before.values["name"], values["name"], wrapped)
    if password and "password" not in wrong:
        wrapped = wrap_bind_password(key_store(), values["name"], password)
    problems = dict(wrong)
    try:
        if not wrong:
            return propose_bind(
                bind_id=row.pk if row else None,
                operator_id=chosen,
                values=values,
                password_wrapped=wrapped,
                actor=actor,
                now=now(),
            )
        problems = {**problems_of(row, values, wrapped or password.encode()), **wrong}
    except BindRefused as error:
        problems |= error.problems
    return problems


@require_POST
@for_data_operator
def bind_switch(request: HttpRequest, bind: int) -> HttpResponse:
    """On or off, by the same second look."""
    actor = _actor(request)
    row = get_object_or_404(Bind, pk=bind)
    values = {**values_of(row), "active": not row.active}
    try:
        draft = propose_bind(bind_id=row.pk, operator_id=0, values=values, password_wrapped=b"", actor=actor, now=now())
    except BindRefused as error:
        for name, why in error.problems.items():
            messages.error(request, f"{LABELS[name][0]}: {problem(why)}")
        return redirect("data-bind-edit", bind=bind)
    return redirect("data-draft", draft=draft.pk)


@for_data_operator
def draft(request: HttpRequest, draft: int) -> HttpResponse:
    """The second look: each field's old and new value, what will happen, and one button that does it."""
    actor = _actor(request)
    row = BindDraft.objects.select_related("bind", "operator").filter(pk=draft, asked_by=actor).first()
    if row is None:
        raise Http404
    if request.method == "POST" and (done := _confirm(request, row, actor)) is not None:
        return done
    fresh = BindDraft.objects.filter(
        pk=row.pk, state=BindDraft.State.OPEN, kept_from_at__gt=Now() - DRAFT_KEPT
    ).exists()
    present = row.bind
    before = values_of(present) if present is not None else None
    context = {
        "draft": row,
        "bind": present,
        "fresh": fresh,
        "overtaken": present is not None and fingerprint(present) != row.seen,
        "lines": [
            (LABELS[name][0], bind_form.told(name, old), bind_form.told(name, new))
            for name, old, new in (changes(before, row.values) if before is not None else [])
        ],
        "facts": [
            (LABELS[name][0], bind_form.told(name, value))
            for name, value in row.values.items()
            if before is None and name != "active" and value not in EMPTY
        ],
        "password": bool(row.password_wrapped) and before is not None,
        "pair": row.values["kind"] == PAIR,
        "on": row.values["active"],
        "effect": effect_of(
            present,
            short_codes=row.values["short_codes"],
            sends=row.values["active"] and row.values["kind"] != Bind.Kind.RX,
        )
        if present is not None
        else None,
        "trials": [_trial(t) for t in BindTrial.objects.filter(draft=row).order_by("-id")[:TRIALS_SHOWN]],
    }
    return render(request, "dataop/bind_draft.html", context)


def _confirm(request: HttpRequest, row: BindDraft, actor: str) -> HttpResponse | None:
    """Where to go when it is written; None when it was refused, and why is among the messages."""
    name, wrapped = row.values["name"], bytes(row.password_wrapped)
    rows = names_of(row.values) if row.bind_id is None else [name]
    passwords = {each: _for(name, each, wrapped) for each in rows} if wrapped else {}
    try:
        made = confirm_draft(
            draft_id=row.pk, passwords=passwords, reason=request.POST.get("reason", ""), actor=actor, now=now()
        )
    except BindRefused as error:
        for field, why in error.problems.items():
            label = LABELS[field][0] if field in LABELS else _("Reason")
            messages.error(request, f"{label}: {problem(why)} {_('Nothing was changed.')}")
    except BindChangedMeanwhile:
        messages.error(request, _("Somebody else changed this link meanwhile. Nothing was changed."))
    except DraftGone:
        messages.error(request, _("This proposal was used already, or is older than an hour. Nothing was changed."))
    else:
        words = (
            _("The link is written down, switched off.") if row.bind_id is None else _("The change is written down.")
        )
        messages.success(request, words)
        return redirect("data-bind", bind=made[0].pk)
    return None


def _for(old_name: str, new_name: str, wrapped: bytes) -> bytes:
    return wrapped if old_name == new_name else rewrap_bind_password(key_store(), old_name, new_name, wrapped)


def _trial(row: BindTrial) -> dict[str, Any]:
    return {
        "row": row,
        "words": outcome_words(row),
        "good": row.outcome == "bound",
        "one_session": row.outcome == "refused" and row.status in ONE_SESSION,
    }


@require_POST
@for_data_operator
def bind_test(request: HttpRequest, bind: int) -> HttpResponse:
    """Have the stored values tried."""
    return _ask(request, bind_id=get_object_or_404(Bind, pk=bind).pk)


@require_POST
@for_data_operator
def draft_test(request: HttpRequest, draft: int) -> HttpResponse:
    """Have proposed values tried."""
    return _ask(request, draft_id=draft)


def _ask(request: HttpRequest, **what: int) -> HttpResponse:
    actor = _actor(request)
    try:
        trial = ask_trial(**what, actor=actor, now=now())
    except BindDraft.DoesNotExist:
        raise Http404 from None
    except TrialRefused:
        words = _(
            "One trial at a time, and five in ten minutes: an SMSC locks an account that tries too often. Nothing was sent."
        )
        messages.error(request, words)
    except DraftGone:
        messages.error(request, _("This proposal was used already, or is older than an hour. Nothing was changed."))
    else:
        return redirect("data-trial", trial=trial.pk)
    return (
        redirect("data-draft", draft=what["draft_id"])
        if "draft_id" in what
        else redirect("data-bind", bind=what["bind_id"])
    )


@for_data_operator
def trial(request: HttpRequest, trial: int) -> HttpResponse:
    """One trial, live until it has its outcome."""
    row = get_object_or_404(BindTrial.objects.select_related("bind"), pk=trial)
    context = {"t": _trial(row)}
    if request.headers.get("HX-Request"):
        return fragment(request, "dataop/trial_part.html", context)
    return render(request, "dataop/trial.html", context)
