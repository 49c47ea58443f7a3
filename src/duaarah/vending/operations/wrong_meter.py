# SPDX-License-Identifier: Apache-2.0
"""
A purchase for the wrong meter is paid back, or bought for the right one, while it is not loaded. By two people.

A purchase without a token is paid back at once, if nobody can be asking for its token. A token that exists can be keyed in by
whoever saw it, so only its meter can give it up: it gets a blank, a credit of nothing with the same TID. That it accepts the
blank proves that the token was not loaded, and makes it "used" for ever (IEC 62055-41, 7.3.5); "used" means that it had
loaded it. Where a lost answer leaves both possible, nothing is paid back by itself.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from typing import Any

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.core.intent import TokenResult
from duaarah.headend.models import Command
from duaarah.headend.operations import close_command, queue_command, reopen_command, shelve_command
from duaarah.people.models import Approval, Login
from duaarah.people.operations import ApprovalRefused, request_approval, use_approval
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter
from duaarah.sms.models import Priority
from duaarah.vending.batch_models import Correction
from duaarah.vending.models import KeyChange, LedgerEntry, LedgerLine, Vend
from duaarah.vending.operations import arrears
from duaarah.vending.operations.books import (
    ADMIN,
    INSTALMENT,
    PENDING,
    PPJ,
    PPN,
    ROUNDING,
    STAMP,
    STROOM,
    book,
    commission_account,
)
from duaarah.vending.operations.configuration import key_terms
from duaarah.vending.operations.delivery import record_delivery
from duaarah.vending.operations.issue import pay_back
from duaarah.vending.operations.phones import phone_of_meter
from duaarah.vending.operations.top_up import OneWay, TopUpRefused, top_up
from duaarah.vending.operations.words import tell_moved, tell_taken_back
from duaarah.vending.ports import Issued, Refused, TokenRequest, TokenSource

LOG = logging.getLogger(__name__)
VERB = "vending.take_back"
State = Correction.State
OFFER_ATTEMPTS = 3
RESULT = "wrong_meter"
_KEPT = (STROOM, ROUNDING, PPJ, PPN, STAMP, ADMIN, INSTALMENT)


class TakeBackRefused(Exception):
    """The purchase stays as it is; `code` says why: see `judge`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def judge(vend: Vend, to_meter: Meter | None, now: dt.datetime) -> None:
    """
    Whether a purchase can be taken back now; nothing is written.

    Raises:
        TakeBackRefused: sold_elsewhere, loaded, not_open (refunded or refused by its meter), under_way (asked before),
            token_may_exist (its source may have made it), meter_does_not_talk, key_change_under_way, collected_more
            (its token's booking has lines that are not a purchase's), same_meter.
    """
    if vend.payment is None:
        raise TakeBackRefused("sold_elsewhere", "The token was sold elsewhere; the money is not ours to give back.")
    if vend.state == Vend.State.LOADED:
        raise TakeBackRefused("loaded", "The meter has loaded the token.")
    if vend.state not in (Vend.State.PAID, Vend.State.ISSUED):
        raise TakeBackRefused("not_open", "The purchase is closed.")
    if vend.corrections.exclude(state__in=(State.FAILED, State.TOO_LATE)).exists():
        raise TakeBackRefused("under_way", "It was asked to be taken back before.")
    if to_meter is not None and to_meter.pk == vend.meter_id:
        raise TakeBackRefused("same_meter", "It was bought for this meter.")
    if vend.state == Vend.State.PAID and (vend.waits_for_id is None or vend.obtain_attempts):
        raise TakeBackRefused("token_may_exist", "Its token is being made; try again when it is there.")
    if vend.state == Vend.State.ISSUED:
        if pairing_of_meter(meter_id=vend.meter_id, at=now) is None:
            raise TakeBackRefused("meter_does_not_talk", "Only its meter can give a token up, and it does not talk.")
        changing = KeyChange.objects.filter(meter_id=vend.meter_id, state=KeyChange.State.CLOSING)
        if changing.exists() or key_terms(vend) != key_terms(Meter.objects.get(pk=vend.meter_id)):
            raise TakeBackRefused(
                "key_change_under_way", "The meter's key is not the one that the token was made with."
            )
        if set(_issued_lines(vend)) - {PENDING, *_KEPT, commission_account(vend.payment.channel_id)}:
            raise TakeBackRefused("collected_more", "The purchase paid for something else, too.")


def _issued_lines(vend: Vend) -> dict[str, int]:
    lines = LedgerLine.objects.filter(entry__vend=vend, entry__kind=LedgerEntry.Kind.TOKEN_ISSUED)
    return dict(lines.values_list("account__code", "amount_sen"))


def request_take_back(
    *, vend: Vend, to_meter: Meter | None, reason: str, requested_by: Login, now: dt.datetime
) -> Approval:
    """
    Ask a second person to pay a purchase back, or to move it to another meter.

    Raises:
        TakeBackRefused: see `judge`; an audit line says so.
        ValueError: no reason.
    """
    try:
        judge(vend, to_meter, now)
    except TakeBackRefused as error:
        _refused(vend, error.code, str(error), f"login:{requested_by.pk}", now)
        raise
    assert vend.payment is not None
    detail: dict[str, Any] = {
        "vend": vend.pk,
        "drn": vend.drn,
        "amount_idr": vend.payment.amount_idr,
        "to_drn": to_meter.drn if to_meter is not None else None,
    }
    return request_approval(
        verb=VERB, subject=f"vend:{vend.pk}", detail=detail, reason=reason, requested_by=requested_by, now=now
    )


def take_back(*, approval_id: int, token_source: TokenSource, actor: str, now: dt.datetime) -> Correction:
    """
    Do what was approved: pay back a purchase without a token; have the meter give up one that exists.

    Raises:
        ApprovalRefused: not approved, expired, used.
        TakeBackRefused: see `judge`. An audit line says so; the approval stays unspent.
    """
    detail = Approval.objects.get(pk=approval_id, verb=VERB).detail
    vend = Vend.objects.get(pk=detail["vend"])
    try:
        made = _begin(approval_id, vend.pk, detail["to_drn"], actor, now)
    except (ApprovalRefused, TakeBackRefused) as error:
        _refused(vend, error.code, str(error), actor, now)
        raise
    return _go_on(made, token_source, now)


def _begin(approval_id: int, vend_id: int, to_drn: str | None, actor: str, now: dt.datetime) -> Correction:
    """Entry (T1)."""
    with transaction.atomic(durable=True):
        vend = Vend.objects.select_for_update(of=("self",)).select_related("payment__quote").get(pk=vend_id)
        approval = use_approval(approval_id=approval_id, verb=VERB, subject=f"vend:{vend_id}", now=now)
        to_meter = Meter.objects.get(drn=to_drn) if to_drn else None
        judge(vend, to_meter, now)
        made = Correction.objects.create(
            vend=vend, to_meter=to_meter, approval=approval, state=State.ASKING, made_at=now
        )
        audit.record(
            at=now,
            actor=actor,
            verb=VERB,
            subject=f"meter:{vend.meter_id}",
            reason=approval.reason,
            correlation=vend.correlation,
            detail={"vend": vend.pk, "state": vend.state, "to_drn": to_drn, "approval": approval.pk},
        )
        if vend.state == Vend.State.PAID:
            _void(made, vend, now)
        elif vend.command_id is not None:
            shelve_command(command_id=vend.command_id, now=now)
    return made


def _go_on(made: Correction, token_source: TokenSource, now: dt.datetime) -> Correction:
    """The next step of a correction, after T1 or after a crash; no transaction is open here."""
    made.refresh_from_db()
    if made.state == State.ASKING and made.command_id is None:
        _ask_meter(made, token_source, now)
    elif made.state == State.MOVING:
        _buy_anew(made, token_source, now)
    made.refresh_from_db()
    return made


def _ask_meter(made: Correction, token_source: TokenSource, now: dt.datetime) -> None:
    """The blank: everything that decides it is stored with the vend, so that a repeat makes the same digits."""
    vend = made.vend
    request = TokenRequest(
        request_id=uuid.uuid5(vend.request_id, f"blank:{made.pk}"),
        pan=vend.pan,
        keys=key_terms(vend),
        tid=vend.tid,
        rnd=vend.rnd,
        energy_wh=0,
    )
    answer = token_source.obtain(request)
    with transaction.atomic(durable=True):
        row = Correction.objects.select_for_update(of=("self",)).get(pk=made.pk)
        if row.state != State.ASKING or row.command_id is not None:
            return
        match answer:
            case Issued():
                row.command_id = queue_command(
                    request_id=request.request_id,
                    meter_id=vend.meter_id,
                    kind=Command.Kind.LOAD_CREDIT,
                    payload={"token": answer.digits},
                    priority=Priority.TOKEN,
                    correlation=vend.correlation,
                    now=now,
                )
                row.save(update_fields=["command"])
            case Refused():
                _close(row, State.FAILED, answer.code, now)


def record_blank(*, command_id: int, report: TokenResult, now: dt.datetime) -> bool:
    """Joining (T4): the meter's word on a blank, and what follows; False when the command carried none."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A correction goes on in the transaction that read the answer.")
    found = Correction.objects.filter(command_id=command_id).values_list("vend_id", flat=True).first()
    if found is None:
        return False
    # The vend first, as a delivery does.
    vend = Vend.objects.select_for_update(of=("self",)).select_related("payment__quote").get(pk=found)
    made = Correction.objects.select_for_update(of=("self",)).select_related("command").get(command_id=command_id)
    assert made.command is not None
    fine = report.result == "accept"
    state = Command.State.ACKED if fine or report.result == "used" else Command.State.REJECTED
    close_command(command_id=command_id, state=state, result=report.result, now=now)
    if made.state not in (State.ASKING, State.UNSURE):
        return True
    if vend.state == Vend.State.LOADED:
        _close(made, State.TOO_LATE, "loaded", now)
    elif fine:
        _void(made, vend, now)
    elif report.result == "used" and made.state == State.ASKING and made.command.attempts == 1:
        record_delivery(meter_id=vend.meter_id, report=report, command_id=vend.command_id, now=now)
        _close(made, State.TOO_LATE, "loaded", now)
    elif report.result == "used" and made.state == State.ASKING:
        # An earlier copy of the blank may be what the meter remembers; its answer may still come and decide.
        _close(made, State.UNSURE, "answer_lost", now)
    elif made.state == State.ASKING:
        _close(made, State.FAILED, report.result, now)
    return True


def _void(made: Correction, vend: Vend, now: dt.datetime) -> None:
    """Joining: the purchase is undone in the books, by new lines; the money is where it came from."""
    assert vend.payment is not None
    total_sen = (vend.payment.amount_idr + vend.payment.admin_idr) * 100
    # Before the wallet's row, as T1 takes them: what it paid off of arrears is owed again.
    arrears.release(vend_id=vend.pk)
    lines = {PENDING: total_sen}
    if vend.state == Vend.State.ISSUED:
        lines = {code: -amount for code, amount in _issued_lines(vend).items() if code != PENDING}
    book(
        kind=LedgerEntry.Kind.REFUND,
        reference=f"refund:{vend.pk}",
        at=now,
        vend_id=vend.pk,
        lines_sen={**lines, pay_back(vend.payment, total_sen): -total_sen},
    )
    vend.state, vend.closed_at, vend.result, vend.waits_for = Vend.State.REFUNDED, now, RESULT, None
    vend.save(update_fields=["state", "closed_at", "result", "waits_for"])
    audit.record_refusal(
        at=now,
        actor="vending",
        verb="vending.refund_unloaded",
        subject=f"meter:{vend.meter_id}",
        code=RESULT,
        correlation=vend.correlation,
        detail={"vend": vend.pk, "correction": made.pk, "amount_idr": vend.payment.amount_idr},
    )
    if made.to_meter_id is not None:
        made.state = State.MOVING
        made.save(update_fields=["state"])
    else:
        tell_taken_back(vend, "taken_back", vend.drn, now)
        _close(made, State.DONE, "", now)


def _buy_anew(made: Correction, token_source: TokenSource, now: dt.datetime) -> None:
    """The same nominal for the right meter, at its price of now; the reference makes a repeat the same purchase."""
    vend, meter = made.vend, made.to_meter
    assert vend.payment is not None and meter is not None
    buyer = pairing_of_meter(meter_id=meter.pk, at=now) or OneWay(
        meter=meter, phone=phone_of_meter(meter_id=meter.pk, now=now)
    )
    bought: Vend | None = None
    code = ""
    try:
        if vend.payment.holder_id is not None and (
            meter.customer is None or meter.customer.holder_id != vend.payment.holder_id
        ):
            raise TakeBackRefused(
                "other_wallet", "The right meter has another holder; his wallet is not ours to spend."
            )
        bought = top_up(
            pairing=buyer,
            amount_idr=vend.payment.amount_idr,
            channel=vend.payment.channel,
            reference=f"move:{vend.pk}",
            token_source=token_source,
            now=now,
        ).vend
    except (TopUpRefused, TakeBackRefused) as error:
        code = error.code
    with transaction.atomic(durable=True):
        row = Correction.objects.select_for_update(of=("self",)).get(pk=made.pk)
        if row.state != State.MOVING:
            return
        if bought is None:
            tell_taken_back(vend, "not_moved", meter.drn, now)
            _close(row, State.NOT_MOVED, code, now)
        else:
            row.new_vend = bought
            row.save(update_fields=["new_vend"])
            tell_moved(vend, bought, now)
            _close(row, State.MOVED, "", now)


def resume_corrections(*, token_source: TokenSource, now: dt.datetime) -> int:
    """What a crash or a security module that was away left waiting; returns how many there were."""
    open_ = Correction.objects.filter(state=State.MOVING) | Correction.objects.filter(state=State.ASKING, command=None)
    rows = list(open_.select_related("vend__payment__channel", "to_meter__customer").order_by("pk")[:50])
    for made in rows:
        _go_on(made, token_source, now)
    return len(rows)


def ask_again(*, meter_id: int, now: dt.datetime) -> None:
    """Joining: a meter that is heard is asked once more for what it never answered."""
    silent = Correction.objects.filter(
        vend__meter_id=meter_id, vend__state=Vend.State.ISSUED, state=State.ASKING, command__state="EXPIRED"
    )
    for made in silent.select_related("command"):
        assert made.command is not None
        # No sooner than an hour after it was given up: a meter that speaks and never answers costs little.
        closed_at = made.command.closed_at
        if closed_at is not None and now - closed_at >= dt.timedelta(hours=1) * min(made.command.attempts // 8, 24):
            reopen_command(command_id=made.command.pk, attempts=OFFER_ATTEMPTS, now=now)


def give_up_correction(*, correction_id: int, actor: str, now: dt.datetime) -> None:
    """
    Entry: leave the purchase as it is; its token goes on to its meter.

    Raises:
        TakeBackRefused: not_open, or asked (the blank is on its way, and may be in the meter).
    """
    with transaction.atomic(durable=True):
        made = (
            Correction.objects.select_for_update(of=("self",)).select_related("command", "vend").get(pk=correction_id)
        )
        never_sent = made.command is None or made.command.attempts == 0
        fine = made.state == State.ASKING and never_sent
        if fine:
            if made.command is not None:
                shelve_command(command_id=made.command.pk, now=now)
            _close(made, State.FAILED, "given_up", now, actor=actor)
    if not fine:
        code = "asked" if made.state in (State.ASKING, State.UNSURE) else "not_open"
        error = TakeBackRefused(code, "The meter may have given the token up already, or it is over.")
        _refused(made.vend, error.code, str(error), actor, now)
        raise error


def _close(made: Correction, state: Correction.State, code: str, now: dt.datetime, actor: str = "vending") -> None:
    made.state, made.code, made.closed_at = state, code[:30], now
    made.save(update_fields=["state", "code", "closed_at"])
    what: dict[str, Any] = {
        "at": now,
        "actor": actor,
        "verb": "vending.close_correction",
        "subject": f"vend:{made.vend_id}",
        "correlation": made.vend.correlation,
        "detail": {"correction": made.pk, "state": state.value, "new_vend": made.new_vend_id},
    }
    if state in (State.DONE, State.MOVED):
        audit.record(**what)
    else:
        audit.record_refusal(code=code[:30], **what)


def _refused(vend: Vend, code: str, reason: str, actor: str, now: dt.datetime) -> None:
    with transaction.atomic(durable=True):
        audit.record_refusal(
            at=now,
            actor=actor,
            verb=VERB,
            subject=f"vend:{vend.pk}",
            code=code,
            reason=reason,
            correlation=vend.correlation,
        )
