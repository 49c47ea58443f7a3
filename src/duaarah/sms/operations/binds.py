# SPDX-License-Identifier: Apache-2.0
"""Binds are set up and changed by people: proposed, tried, looked at a second time, then written."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from duaarah.audit import operations as audit
from duaarah.people.models import Organisation
from duaarah.sms.bind_models import BindDraft, BindTrial
from duaarah.sms.bind_rules import FIELDS, PAIR, PAIR_KINDS, changes, check, fingerprint, values_of
from duaarah.sms.models import Bind

DRAFT_KEPT = dt.timedelta(hours=1)
TRIALS_MAX, TRIALS_WITHIN = 5, dt.timedelta(minutes=10)
REASON_MAX = 400


class BindRefused(Exception):
    """These values are not written. `problems` names each field and what is wrong with it. Nothing was changed."""

    code = "bind_values_refused"
    retryable = False

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(f"Not taken: {', '.join(f'{name} ({why})' for name, why in problems.items())}.")
        self.problems = dict(problems)


class BindChangedMeanwhile(Exception):
    """Somebody else changed this bind after the values were proposed. Nothing was changed."""

    code = "bind_changed_meanwhile"
    retryable = False


class DraftGone(Exception):
    """This proposal was used already, or is older than an hour. Nothing was changed."""

    code = "bind_draft_gone"
    retryable = False


class TrialRefused(Exception):
    """One trial at a time, and not many on one account: an SMSC locks it. Nothing was sent."""

    code = "bind_trial_refused"
    retryable = False


def propose_bind(
    *,
    bind_id: int | None,
    operator_id: int,
    values: Mapping[str, Any],
    password_wrapped: bytes,
    actor: str,
    now: dt.datetime,
) -> BindDraft:
    """
    Entry: keep values for a second look; the bind is not touched. `bind_id` None: a new one, which begins switched off.

    `password_wrapped` is wrapped for values["name"]; empty: as before. A bind keeps its name and its operator.

    Raises:
        BindRefused: a field may not hold that, or the name is taken. Nothing was kept.
        Bind.DoesNotExist, Organisation.DoesNotExist: no such bind, or no such mobile operator.
    """
    with transaction.atomic(durable=True):
        bind = Bind.objects.get(pk=bind_id) if bind_id is not None else None
        operator = Organisation.objects.get(
            pk=bind.operator_id if bind else operator_id, kind=Organisation.Kind.MOBILE_OPERATOR
        )
        asked = {name: values[name] for name in FIELDS}
        if bind is not None:
            asked["name"] = bind.name
        if problems := problems_of(bind, asked, password_wrapped):
            raise BindRefused(problems)
        return BindDraft.objects.create(
            bind=bind,
            operator=operator,
            values=asked,
            password_wrapped=password_wrapped,
            seen=fingerprint(bind) if bind else "",
            asked_by=actor,
            asked_at=now,
            kept_from_at=Now(),
        )


def names_of(values: Mapping[str, Any]) -> list[str]:
    """Names of the rows that a new bind becomes: one, or two of a pair."""
    pair = values["kind"] == PAIR
    return [values["name"] + ending for ending, _ in PAIR_KINDS] if pair else [values["name"]]


def problems_of(bind: Bind | None, values: Mapping[str, Any], password_wrapped: bytes) -> dict[str, str]:
    """What is wrong with values for a bind, or for a new one; see bind_rules.check."""
    plain = {**values, "kind": Bind.Kind.TX} if bind is None and values["kind"] == PAIR else values
    wrong = check(plain, lease_s=settings.SEGMENT_LEASE_S)
    if bind is None:
        if Bind.objects.filter(name__in=names_of(values)).exists():
            wrong.setdefault("name", "name_taken")
        if not password_wrapped:
            wrong["password"] = "password_missing"
    return wrong


def _open_draft(draft_id: int, actor: str) -> BindDraft:
    """The proposal, locked, of the one who made it. Raises BindDraft.DoesNotExist."""
    return BindDraft.objects.select_for_update(of=("self",)).get(pk=draft_id, asked_by=actor)


def confirm_draft(
    *, draft_id: int, passwords: Mapping[str, bytes], reason: str, actor: str, now: dt.datetime
) -> list[Bind]:
    """
    Entry: what was proposed and looked at becomes the bind; the links worker binds anew by itself within seconds.

    `passwords`: name of a row -> its wrapped password; rows of a change that are not in it keep theirs. An audit line says
    every field's old and new value, of the password only that it is another one. A refusal leaves one audit line.

    Raises:
        DraftGone, BindChangedMeanwhile, BindRefused: see there.
        BindDraft.DoesNotExist: no such proposal of this actor's.
    """
    refusal: DraftGone | BindChangedMeanwhile | BindRefused | None = None
    made: list[Bind] = []
    with transaction.atomic(durable=True):
        draft = _open_draft(draft_id, actor)
        name = draft.values["name"]
        line = {"at": now, "actor": actor, "verb": "sms.set_bind", "subject": f"bind:{name}", "reason": reason[:400]}
        try:
            _check_draft(draft, reason)
            made = _change(draft, passwords, line) if draft.bind_id else _add(draft, passwords, line)
        except (DraftGone, BindChangedMeanwhile, BindRefused) as error:
            refusal = error
            audit.record_refusal(**line, code=error.code, detail={"draft": draft_id, "said": str(error)})  # type: ignore[arg-type]
        else:
            draft.state, draft.password_wrapped = BindDraft.State.USED, b""
            draft.save(update_fields=["state", "password_wrapped"])
    if refusal is not None:
        raise refusal
    return made


def _check_draft(draft: BindDraft, reason: str) -> None:
    kept = BindDraft.objects.filter(pk=draft.pk, state=BindDraft.State.OPEN, kept_from_at__gt=Now() - DRAFT_KEPT)
    if not kept.exists():
        raise DraftGone("This proposal was used already, or is too old.")
    if not reason.strip() or len(reason) > REASON_MAX:
        raise BindRefused({"reason": "reason"})


def _change(draft: BindDraft, passwords: Mapping[str, bytes], line: dict[str, Any]) -> list[Bind]:
    assert draft.bind_id is not None
    bind = Bind.objects.select_for_update(of=("self",)).get(pk=draft.bind_id)
    if fingerprint(bind) != draft.seen:
        raise BindChangedMeanwhile("Somebody else changed this bind meanwhile.")
    if problems := problems_of(bind, draft.values, b""):
        raise BindRefused(problems)
    old = values_of(bind)
    written = changes(old, draft.values)
    detail = {name: [_said(name, a), _said(name, b)] for name, a, b in written}
    fields = [name for name, _, _ in written]
    for name in fields:
        setattr(bind, name, draft.values[name])
    if bind.name in passwords:
        bind.password_wrapped = passwords[bind.name]
        fields.append("password_wrapped")
        detail["password"] = ["", "another one"]
    if not fields:
        raise BindRefused({"reason": "nothing_changes"})
    # Only what a person sets: the worker writes the bind's state meanwhile.
    bind.save(update_fields=fields)
    audit.record(**line, detail=detail)
    return [bind]


def _add(draft: BindDraft, passwords: Mapping[str, bytes], line: dict[str, Any]) -> list[Bind]:
    if problems := problems_of(None, draft.values, b"given"):
        raise BindRefused(problems)
    values, made = {**draft.values, "active": False}, []
    pair = values["kind"] == PAIR
    group = values["bind_group"] or (values["name"] if pair else "")
    for row, (_, kind) in zip(names_of(values), PAIR_KINDS if pair else (("", values["kind"]),), strict=True):
        own = {**values, "name": row, "kind": kind, "bind_group": group}
        made.append(Bind.objects.create(operator=draft.operator, password_wrapped=passwords[row], **own))
        audit.record(
            **{**line, "subject": f"bind:{row}"},
            detail={"operator": draft.operator.code, **{name: ["", _said(name, own[name])] for name in FIELDS}},
        )
    return made


def _said(name: str, value: Any) -> Any:
    """A value for the audit record; of a certificate its digest."""
    return f"sha256:{hashlib.sha256(value.encode()).hexdigest()}" if name == "tls_ca" and value else value


def forget_old_drafts() -> int:
    """Entry: passwords of proposals that nobody confirmed in time are not kept. Returns how many."""
    with transaction.atomic(durable=True):
        old = BindDraft.objects.filter(kept_from_at__lt=Now() - DRAFT_KEPT).exclude(password_wrapped=b"")
        return old.update(password_wrapped=b"")


def ask_trial(*, bind_id: int | None = None, draft_id: int | None = None, actor: str, now: dt.datetime) -> BindTrial:
    """
    Entry: have a links worker bind once with a bind's stored values, or with those of a proposal, and say what came.

    Raises:
        TrialRefused: one is under way, or TRIALS_MAX went to this account within TRIALS_WITHIN. Leaves an audit line.
        DraftGone: the proposal was used already.
        Bind.DoesNotExist, BindDraft.DoesNotExist: no such bind, or no such proposal of this actor's.
    """
    refusal: TrialRefused | None = None
    trial: BindTrial | None = None
    with transaction.atomic(durable=True):
        draft = _open_draft(draft_id, actor) if draft_id is not None else None
        found = draft.bind_id if draft is not None else bind_id
        # The lock lets one ask at a time.
        bind = Bind.objects.select_for_update(of=("self",)).get(pk=found) if found is not None else None
        if draft is not None and draft.state != BindDraft.State.OPEN:
            raise DraftGone("This proposal was used already.")
        values = draft.values if draft is not None else values_of(bind) if bind is not None else {}
        wrapped = bytes(draft.password_wrapped) if draft is not None else b""
        if not wrapped and bind is not None:
            wrapped = bytes(bind.password_wrapped)
        line = {"at": now, "actor": actor, "verb": "sms.ask_trial", "subject": f"bind:{values['name']}"}
        said = {"host": values["host"], "port": values["port"], "system_id": values["system_id"]}
        account = BindTrial.objects.filter(host=values["host"], system_id=values["system_id"])
        lately = account.filter(queued_at__gt=Now() - TRIALS_WITHIN)
        if account.exclude(state=BindTrial.State.DONE).exists() or lately.count() >= TRIALS_MAX:
            refusal = TrialRefused("One trial at a time, and not many on one account.")
            audit.record_refusal(**line, code=refusal.code, detail=said)  # type: ignore[arg-type]
        else:
            trial = BindTrial.objects.create(
                bind=bind,
                draft=draft,
                name=values["name"],
                host=values["host"],
                system_id=values["system_id"],
                values=values,
                password_wrapped=wrapped,
                asked_by=actor,
                asked_at=now,
                queued_at=Now(),
            )
            audit.record(**line, detail=said)  # type: ignore[arg-type]
    if refusal is not None:
        raise refusal
    assert trial is not None
    return trial
