# SPDX-License-Identifier: Apache-2.0
"""What a meter's report means: T4, the transaction that reads a frame and does everything that follows from it."""

from __future__ import annotations

import datetime as dt
import secrets

from django.db import IntegrityError, transaction

from duaarah.audit import operations as audit
from duaarah.core.intent import (
    CreditExhausted,
    DailySummary,
    DataBlock,
    LastGasp,
    LowCredit,
    PowerRestored,
    SettingResult,
    SettingResults,
    TokenResult,
    UnknownReport,
)
from duaarah.core.reports import (
    Happening,
    ModemStatus,
    Overload,
    PowerFailureLog,
    RelayState,
    Tamper,
    VoltageEvent,
)
from duaarah.core.smsplan import Bucket
from duaarah.headend.operations import (
    AcceptedFrame,
    accept_frame,
    answered_together,
    record_key_transfer,
    record_order,
)
from duaarah.headend.ports import Driver, FrameRefused, KeyUnwrapper
from duaarah.messaging.addressing import language_of, meter_name
from duaarah.messaging.operations import queue_message
from duaarah.messaging.texts import about_days, kwh, local_time, render, rupiah
from duaarah.notices.covered import is_covered
from duaarah.notices.forecasts import days_known, days_warned_at, forget_warnings, mark_read, note_warning
from duaarah.notices.models import ReplyCode
from duaarah.notices.padam import told_padam
from duaarah.notices.preferences import wants_no_warning
from duaarah.notices.settings import record_setting
from duaarah.notices.used_up import tell_used_up
from duaarah.outages.evidence import note_report
from duaarah.outages.models import MeterSupply
from duaarah.outages.operations import record_supply
from duaarah.registry.models import Pairing
from duaarah.sms.models import InboundSms, MessageClass, Priority
from duaarah.sms.operations import book_inbound, close_inbound
from duaarah.vending.operations import record_delivery, record_key_part
from duaarah.vending.operations.offers import Why, offer_again
from duaarah.vending.operations.wrong_meter import ask_again, record_blank

CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXYZ"
CODE_DIGITS = "23456789"
CODE_LIFE_S = 48 * 3600
SUGGESTED_IDR = 50_000
_DRAWS_MAX = 20


def take_frame(*, inbound_id: int, driver: Driver, keys: KeyUnwrapper, now: dt.datetime) -> str:
    """
    Entry (T4): read one inbound binary SMS and act on it; returns the outcome's code.

    Counter, event, delivery, supply state, messages and the package entry commit together or not at all. A frame that
    is refused leaves its row as REFUSED, one package entry and one audit line, and nothing else.
    """
    with transaction.atomic(durable=True):
        inbound = InboundSms.objects.select_for_update().get(pk=inbound_id)
        if inbound.state != InboundSms.State.RECEIVED:
            return "done_before"
        try:
            accepted = accept_frame(inbound=inbound, driver=driver, keys=keys, now=now)
        except FrameRefused as error:
            return _refuse(inbound, error, now)
        mark_read(meter_ids=[accepted.pairing.meter_id])
        outcome = act_on(accepted, now)
        close_inbound(inbound_id=inbound.pk, state=InboundSms.State.DONE, outcome=outcome)
        return outcome


def _refuse(inbound: InboundSms, error: FrameRefused, now: dt.datetime) -> str:
    book_inbound(inbound_id=inbound.pk, meter_id=None, message_class=MessageClass.UNKNOWN_MO, correlation=None, now=now)
    close_inbound(inbound_id=inbound.pk, state=InboundSms.State.REFUSED, outcome=error.code)
    audit.record_refusal(
        at=now,
        actor=f"sim:...{inbound.source[-3:]}",
        verb="headend.accept_frame",
        subject=f"inbound:{inbound.pk}",
        code=error.code,
        reason=str(error),
    )
    return error.code


def act_on(accepted: AcceptedFrame, now: dt.datetime) -> str:
    """Joining: everything that follows from a meter's word, whatever carried it; the outcome's code."""
    note_report(meter_id=accepted.pairing.meter_id, report=accepted.report, now=now)
    outcome = _act_on(accepted, now)
    # It is heard, so it can be told: the oldest token that it never answered, if there is one.
    ask_again(meter_id=accepted.pairing.meter_id, now=now)
    offer_again(meter_id=accepted.pairing.meter_id, why=Why.HEARD, now=now)
    return outcome


def _act_on(accepted: AcceptedFrame, now: dt.datetime) -> str:
    pairing, report = accepted.pairing, accepted.report
    match report:
        case TokenResult():
            command_id = accepted.command_id
            delivery = record_delivery(meter_id=pairing.meter_id, report=report, command_id=command_id, now=now)
            if delivery.vend_id is None and command_id is not None:
                of_key = record_key_part(command_id=command_id, report=report, now=now)
                if not of_key:
                    record_blank(command_id=command_id, report=report, now=now)
            if report.energy_wh > 0:
                forget_warnings(meter_id=pairing.meter_id)
            if report.balance_wh > 0:
                record_supply(meter_id=pairing.meter_id, state=MeterSupply.State.NYALA, now=now)
            tell_used_up(pairing=pairing, bucket=Bucket.TOKEN, now=now)
            return f"token_{report.result}"
        case SettingResult():
            of_order = record_order(accepted=accepted, report=report, now=now)
            if not of_order and not record_key_transfer(accepted=accepted, report=report, now=now):
                record_setting(accepted=accepted, report=report, now=now)
            return f"setting_{report.result}"[:60]
        case SettingResults():
            for each in answered_together(accepted, report):
                _act_on(each, now)
            return "settings_" + "_".join(sorted(set(report.results)))[:50]
        case LowCredit():
            warn_low_credit(pairing=pairing, remaining_wh=report.remaining_wh, now=now)
            return "low_credit"
        case CreditExhausted():
            record_supply(meter_id=pairing.meter_id, state=MeterSupply.State.STROOM_HABIS, now=now)
            warn_exhausted(pairing=pairing, now=now)
            return "credit_exhausted"
        case LastGasp():
            record_supply(meter_id=pairing.meter_id, state=MeterSupply.State.PADAM, now=now)
            return "last_gasp"
        case PowerRestored():
            record_supply(meter_id=pairing.meter_id, state=MeterSupply.State.NYALA, now=now)
            tell_used_up(pairing=pairing, bucket=Bucket.FAULT, now=now)
            return "power_restored"
        case DataBlock():
            return "data_block"
        case DailySummary():
            return "daily_summary"
        case UnknownReport():
            return "unknown_report"
    return told_outcome(report)


def told_outcome(report: Happening) -> str:
    """The outcome's code of a report that is kept and asks for no deed of ours."""
    match report:
        case Tamper():
            return f"tamper_{report.tamper}" if report.begins else f"tamper_{report.tamper}_ended"
        case RelayState():
            return "relay_closed" if report.relay_closed else "relay_open"
        case Overload():
            return "overload" if report.begins else "overload_ended"
        case VoltageEvent():
            return f"voltage_{report.voltage_kind}"
        case PowerFailureLog():
            return "power_log"
        case ModemStatus():
            return "modem_status"
    return "load_profile"


def warn_low_credit(*, pairing: Pairing, remaining_wh: int, now: dt.datetime) -> None:
    """
    Joining: one warning with a one-time code for this crossing of the threshold, unless the phone opted out.

    Nor where a warning of the days left came a short while ago and its code still lives (it said the same), or where a rule
    buys by itself.
    """
    if wants_no_warning(phone=pairing.phone, meter_id=pairing.meter_id):
        return
    if is_covered(meter_id=pairing.meter_id):
        return
    if days_warned_at(meter_id=pairing.meter_id, after_at=now - dt.timedelta(seconds=CODE_LIFE_S)):
        return
    days = days_known(pairing.meter_id, now, remaining_wh)
    queue_low_credit(pairing=pairing, remaining_wh=remaining_wh, days=days, now=now)
    note_warning(meter_id=pairing.meter_id, by_days=False, now=now)


def queue_low_credit(*, pairing: Pairing, remaining_wh: int, days: float | None, now: dt.datetime) -> None:
    """Joining: the low-credit warning itself; `days` None: nobody can say how long the credit lasts."""
    language = language_of(pairing)
    code = issue_reply_code(pairing=pairing, nominal_idr=SUGGESTED_IDR, now=now)
    values = {
        "kwh": kwh(remaining_wh, language),
        "meter": meter_name(pairing),
        "nominal_plain": str(SUGGESTED_IDR),
        "nominal": rupiah(SUGGESTED_IDR, language),
        "code": code.code,
    }
    if days is None:
        text = render("low_credit", language, **values)
    else:
        text = render("low_credit_days", language, **values, days=about_days(days, language))
    _warn(pairing, "low_credit", code, text, Priority.LOW_CREDIT, now)


def warn_exhausted(*, pairing: Pairing, now: dt.datetime) -> None:
    """
    Joining: the supply was cut because the credit is gone, not because the grid failed. Who was told of this same dark that
    it is padam is not told the contrary.
    """
    if told_padam(meter_id=pairing.meter_id, now=now):
        return
    language = language_of(pairing)
    code = issue_reply_code(pairing=pairing, nominal_idr=SUGGESTED_IDR, now=now)
    text = render(
        "credit_exhausted",
        language,
        time=local_time(now, pairing.meter.zone, language),
        meter=meter_name(pairing),
        nominal_plain=str(SUGGESTED_IDR),
        code=code.code,
    )
    _warn(pairing, "credit_exhausted", code, text, Priority.FAULT, now)


def _warn(pairing: Pairing, template: str, code: ReplyCode, text: str, priority: int, now: dt.datetime) -> None:
    queue_message(
        dedupe=f"{template}:code:{code.pk}",
        phone=pairing.phone,
        template=template,
        language=language_of(pairing),
        text=text,
        message_class=MessageClass.WARNING,
        priority=priority,
        meter_id=pairing.meter_id,
        correlation=None,
        now=now,
    )


def issue_reply_code(*, pairing: Pairing, nominal_idr: int, now: dt.datetime) -> ReplyCode:
    """
    Joining: a code such as `K7P`, live for two days, once per phone.

    An earlier live code of the same meter is replaced: one warning, one way to answer it.
    """
    ReplyCode.objects.filter(meter_id=pairing.meter_id, phone=pairing.phone, used_at=None).update(
        used_at=now, used_by="replaced"
    )
    for _ in range(_DRAWS_MAX):
        drawn = "".join(secrets.choice(letters) for letters in (CODE_LETTERS, CODE_DIGITS, CODE_LETTERS))
        try:
            with transaction.atomic():
                return ReplyCode.objects.create(
                    phone=pairing.phone,
                    code=drawn,
                    meter_id=pairing.meter_id,
                    nominal_idr=nominal_idr,
                    created_at=now,
                    expires_at=now + dt.timedelta(seconds=CODE_LIFE_S),
                )
        except IntegrityError:
            # The same three characters are live for another meter of this phone.
            continue
    raise RuntimeError("No free reply code for this phone.")


class CodeRefused(Exception):
    """No such live code for this phone, meter and nominal."""

    code = "code_refused"


def spend_reply_code(
    *, phone: str, code: str, meter_id: int, nominal_idr: int, reference: str, now: dt.datetime
) -> None:
    """
    Entry: spend a code for one purchase. The same reference may come again: it is the same purchase.

    Raises:
        CodeRefused: unknown, used for another purchase, expired, for another meter, or for a larger nominal than it
            allows. An audit line says so, the code stays as it was.
    """
    with transaction.atomic(durable=True):
        found = (
            ReplyCode.objects.select_for_update()
            .filter(phone=phone, code=code.upper(), meter_id=meter_id)
            .order_by("-pk")
            .first()
        )
        if found is not None and found.used_by == reference:
            return
        fine = (
            found is not None and found.used_at is None and found.expires_at > now and nominal_idr <= found.nominal_idr
        )
        if fine and found is not None:
            found.used_at, found.used_by = now, reference
            found.save(update_fields=["used_at", "used_by"])
        else:
            audit.record_refusal(
                at=now,
                actor=f"phone:...{phone[-3:]}",
                verb="notices.spend_reply_code",
                subject=f"meter:{meter_id}",
                code=CodeRefused.code,
            )
    if not fine:
        raise CodeRefused("The code is wrong, used or expired.")


def release_reply_code(*, phone: str, reference: str) -> None:
    """Entry: the purchase that a code was spent for was refused, so the customer may use the code again."""
    try:
        with transaction.atomic(durable=True):
            ReplyCode.objects.filter(phone=phone, used_by=reference).update(used_at=None, used_by="")
    except IntegrityError:
        # The same three characters were given to another meter of this phone meanwhile: this one stays spent.
        return
