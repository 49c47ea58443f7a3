# SPDX-License-Identifier: Apache-2.0
"""
One customer's SMS in, one SMS out.

The purchase reference is the inbound row itself, and so is the reply's identity: whatever is repeated after a crash,
he buys once and is answered once.
"""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from duaarah.audit import operations as audit
from duaarah.core.gsm7 import decode
from duaarah.core.msisdn import MSISDNError, canonical
from duaarah.core.tariff import NOMINALS_IDR
from duaarah.headend.models import InvocationCounter
from duaarah.messaging.addressing import language_of, meter_name
from duaarah.messaging.limits import conversation_number, over_meter_limit, over_phone_limit
from duaarah.messaging.operations import queue_message
from duaarah.messaging.texts import TOKEN_STATES, about_days, kwh, local_time, render, rupiah, token_groups
from duaarah.notices.forecasts import days_known
from duaarah.notices.operations import CodeRefused, release_reply_code, spend_reply_code
from duaarah.people.models import Language
from duaarah.people.operations import PINLocked, PINRefused, check_pin
from duaarah.registry.access import MeterAmbiguous, MeterUnknown, Reach, meter_for_phone, reach_of_phone
from duaarah.registry.models import Pairing
from duaarah.sms.models import InboundSms, MessageClass, Priority
from duaarah.sms.operations import book_inbound, close_inbound
from duaarah.texting.auto import auto
from duaarah.texting.grammar import BY_VERB, Asked, Verb, parse
from duaarah.texting.permit import permit
from duaarah.texting.reply import Reply
from duaarah.texting.shown import nominals, virtual_account
from duaarah.texting.verbs import NOT_YET, history, threshold, warnings
from duaarah.texting.why import why
from duaarah.vending.models import Channel, Vend
from duaarah.vending.operations import top_up
from duaarah.vending.operations.top_up import NominalRefused, NoPrice, WalletTooLow
from duaarah.vending.ports import TokenSource
from duaarah.vending.queries import latest_vend

CHANNEL = "SMS"
JAKARTA = "Asia/Jakarta"
ALIASES_SHOWN = 5
NUMBER_SHOWN_MAX = 8
_UCS2 = 8
# What a delegated phone may do; every other verb is the paired phone's alone.
RIGHTS_NEEDED = {
    Verb.BALANCE: ("OWN", "BUY", "READ"),
    Verb.HISTORY: ("OWN", "BUY", "READ"),
    Verb.TOKEN: ("OWN", "BUY", "READ"),
    Verb.WHY: ("OWN", "BUY", "READ"),
    Verb.BUY: ("OWN", "BUY"),
}


def answer(*, inbound_id: int, token_source: TokenSource, now: dt.datetime) -> str:
    """Read one inbound text, do what it asks by one domain call, and queue the one answer; returns the outcome's code."""
    inbound = InboundSms.objects.select_related("bind").get(pk=inbound_id)
    if inbound.state != InboundSms.State.RECEIVED:
        return "done_before"
    try:
        phone = canonical(inbound.source)
    except MSISDNError:
        return _finish(inbound, None, "", "id", Reply(None, {}, "not_a_phone", refused=True), None, now)
    pairings = [reach.pairing for reach in reach_of_phone(phone=phone, at=now)]
    language = language_of(pairings[0]) if pairings else Language.INDONESIAN
    zone = pairings[0].meter.zone if pairings else JAKARTA
    reply, pairing, asked = _unread(inbound, phone, language, zone, bool(pairings)), None, Asked(None)
    if reply is None:
        asked = parse(_text(inbound))
        reply, pairing = _reply(inbound, asked, phone, language, token_source, now)
    return _finish(inbound, pairing, phone, language, reply, booked_as(asked) if pairings else None, now)


def booked_as(asked: Asked) -> str:
    """The message class by the grammar's table; what a verb that is not built yet cannot do is not booked as done."""
    if asked.verb is None or asked.verb in NOT_YET:
        return MessageClass.CUSTOMER_MO
    return BY_VERB[asked.verb].books


def _unread(inbound: InboundSms, phone: str, language: str, zone: str, paired: bool) -> Reply | None:
    """The answer to what is not even read: a wrong number of ours, too many SMS, a stranger's. The same for any text."""
    number = conversation_number(instead_of=inbound.destination)
    if number is not None:
        hour = int(inbound.arrived_at.timestamp()) // 3600
        values = {"here": inbound.destination, "number": number}
        return Reply("other_number", values, "other_number", once=f"other_number:{phone}:{hour}")
    until_at = over_phone_limit(inbound=inbound, paired=paired)
    if until_at is not None:
        return _too_many(phone, language, zone, until_at)
    return None if paired else Reply("unknown_sender", {}, "unknown_sender", refused=True)


def _too_many(phone: str, language: str, zone: str, until_at: dt.datetime) -> Reply:
    """One answer that says until when; then silence until then."""
    values = {"time": local_time(until_at, zone, language)}
    once = f"too_many:{phone}:{int(until_at.timestamp())}"
    return Reply("too_many", values, "too_many", once=once, refused=True)


def _text(inbound: InboundSms) -> str:
    octets = bytes(inbound.payload)
    if inbound.data_coding == _UCS2:
        return octets.decode("utf-16-be", errors="replace")
    return decode(octets) if inbound.data_coding == 0 else octets.decode("latin-1")


def _reply(
    inbound: InboundSms, asked: Asked, phone: str, language: str, token_source: TokenSource, now: dt.datetime
) -> tuple[Reply, Pairing | None]:
    if asked.unsure:
        between = " / ".join(verb.value for verb in asked.unsure)
        return Reply("did_you_mean", {"verbs": between}, "did_you_mean"), None
    if asked.verb is None:
        return Reply("not_understood", {}, "not_understood"), None
    if asked.verb is Verb.HELP:
        return Reply("help", {}, "help"), None
    if asked.verb in NOT_YET:
        return Reply(NOT_YET[asked.verb], {}, NOT_YET[asked.verb]), None
    if asked.verb in (Verb.STOP, Verb.START) and asked.alias is None:
        reached = reach_of_phone(phone=phone, at=now)
        own = [reach.pairing for reach in reached if reach.right == "OWN"]
        if own or not reached:
            return warnings(asked, own, phone, now), None
        return _no_right(asked, reached[0].pairing), None
    try:
        reach = _meter(phone, asked, now)
    except MeterAmbiguous as error:
        return _which(asked, error.aliases), None
    except MeterUnknown as error:
        values = {"given": asked.alias or "-", "aliases": _some(error.aliases)}
        return Reply("meter_unknown", values, error.code), None
    pairing = reach.pairing
    until_at = over_meter_limit(inbound=inbound, meter_id=pairing.meter_id)
    if until_at is not None:
        return _too_many(phone, language, pairing.meter.zone, until_at), None
    if reach.right not in RIGHTS_NEEDED.get(asked.verb, ("OWN",)):
        return _no_right(asked, pairing), pairing
    if asked.verb is Verb.PERMIT:
        return permit(asked, pairing, phone, now), pairing
    if asked.verb is Verb.BALANCE:
        return _balance(pairing, language, now), pairing
    if asked.verb is Verb.TOKEN:
        return _latest_token(pairing, language), pairing
    if asked.verb is Verb.HISTORY:
        return history(asked, pairing, language), pairing
    if asked.verb is Verb.WHY:
        return why(pairing, language), pairing
    if asked.verb is Verb.THRESHOLD:
        return threshold(inbound, asked, pairing, phone, language, now), pairing
    if asked.verb in (Verb.STOP, Verb.START):
        return warnings(asked, [pairing], phone, now), pairing
    if asked.verb is Verb.AUTO:
        return auto(asked, pairing, phone, language, now), pairing
    return _buy(inbound, asked, pairing, phone, language, token_source, now), pairing


def _meter(phone: str, asked: Asked, now: dt.datetime) -> Reach:
    """The meter an SMS is about: by its alias, by its reply code, or the only one there is."""
    try:
        return meter_for_phone(phone=phone, alias=asked.alias, at=now)
    except MeterAmbiguous:
        if asked.code is not None:
            for reach in reach_of_phone(phone=phone, at=now):
                if reach.pairing.meter.replycode_set.filter(phone=phone, code=asked.code).exists():
                    return reach
        raise


def _no_right(asked: Asked, pairing: Pairing) -> Reply:
    verb = asked.verb.value if asked.verb else ""
    return Reply("no_right", {"verb": verb, "meter": meter_name(pairing)}, "no_right", refused=True)


def _which(asked: Asked, aliases: list[str]) -> Reply:
    verb = asked.verb.value if asked.verb else Verb.BALANCE.value
    example = f"{verb} {aliases[0]}"
    if asked.verb is Verb.BUY and asked.nominal_idr in NOMINALS_IDR:
        example += f" {asked.nominal_idr} <PIN>"
    elif asked.energy_text is not None and len(asked.energy_text) <= NUMBER_SHOWN_MAX:
        example += f" {asked.energy_text}"
    return Reply("which_meter", {"example": example, "aliases": _some(aliases)}, "which_meter")


def _some(aliases: list[str]) -> str:
    """As many names as an SMS has room for."""
    return ", ".join(aliases[:ALIASES_SHOWN]) + (" ..." if len(aliases) > ALIASES_SHOWN else "")


def _balance(pairing: Pairing, language: str, now: dt.datetime) -> Reply:
    counters = InvocationCounter.objects.filter(pk=pairing.meter_id).first()
    if counters is None or counters.balance_wh is None or counters.balance_at is None:
        return Reply("balance_unknown", {"meter": meter_name(pairing)}, "balance_unknown")
    values = {
        "kwh": kwh(counters.balance_wh, language),
        "meter": meter_name(pairing),
        "time": local_time(counters.balance_at, pairing.meter.zone, language),
    }
    days = days_known(pairing.meter_id, now)
    if days is None:
        return Reply("balance", values, "balance")
    return Reply("balance_days", {**values, "days": about_days(days, language)}, "balance")


def _latest_token(pairing: Pairing, language: str) -> Reply:
    vend = latest_vend(meter_id=pairing.meter_id)
    if vend is None:
        return Reply("no_token", {"meter": meter_name(pairing)}, "no_token")
    values = {
        "meter": meter_name(pairing),
        "token": token_groups(vend.token.digits),
        "kwh": kwh(vend.encoded_wh or 0, language),
        "time": local_time(vend.paid_at, pairing.meter.zone, language),
        "state": TOKEN_STATES[vend.state][language],
    }
    return Reply("latest_token", values, "latest_token")


def _buy(
    inbound: InboundSms,
    asked: Asked,
    pairing: Pairing,
    phone: str,
    language: str,
    token_source: TokenSource,
    now: dt.datetime,
) -> Reply:
    if asked.nominal_idr is None or asked.nominal_idr not in NOMINALS_IDR:
        return _wrong_nominal(asked, language)
    reference = f"sms:{inbound.pk}"
    refusal = _authorise(asked, pairing, phone, reference, now)
    if refusal is not None:
        return refusal
    try:
        outcome = top_up(
            pairing=pairing,
            amount_idr=asked.nominal_idr,
            channel=Channel.objects.get(code=CHANNEL),
            reference=reference,
            token_source=token_source,
            now=now,
        )
    except WalletTooLow as error:
        release_reply_code(phone=phone, reference=reference)
        values = {
            "wallet": rupiah(error.balance_idr, language),
            "nominal": rupiah(asked.nominal_idr, language),
            "va": virtual_account(pairing),
        }
        return Reply("wallet_empty", values, error.code)
    except NominalRefused:
        return _wrong_nominal(asked, language)
    except NoPrice as error:
        release_reply_code(phone=phone, reference=reference)
        return Reply("no_rate", {"meter": meter_name(pairing)}, error.code)
    if outcome.vend.state == Vend.State.PAID:
        return Reply("purchase_pending", {"nominal": rupiah(asked.nominal_idr, language)}, "purchase_pending")
    if phone != pairing.phone:
        values = {"nominal": rupiah(asked.nominal_idr, language), "meter": meter_name(pairing)}
        return Reply("bought_for", values, "bought")
    # The receipt (or the digits, or the refund) is the answer: a top-up takes one SMS to the customer, not two.
    return Reply(None, {}, "bought")


def _authorise(asked: Asked, pairing: Pairing, phone: str, reference: str, now: dt.datetime) -> Reply | None:
    """None when the SMS carries the authority to spend: a live reply code, or the holder's PIN."""
    plain = str(asked.nominal_idr)
    customer = pairing.meter.customer
    try:
        if asked.code is not None and asked.nominal_idr is not None:
            spend_reply_code(
                phone=phone,
                code=asked.code,
                meter_id=pairing.meter_id,
                nominal_idr=asked.nominal_idr,
                reference=reference,
                now=now,
            )
            return None
        if asked.pin is None or customer is None:
            return Reply("pin_needed", {"nominal_plain": plain}, "pin_needed")
        check_pin(holder=customer.holder, pin=asked.pin, now=now)
    except PINLocked as error:
        return Reply("pin_locked", {}, error.code)
    except PINRefused as error:
        return Reply("pin_refused", {"nominal_plain": plain}, error.code)
    except CodeRefused as error:
        return Reply("code_refused", {"nominal_plain": plain}, error.code)
    return None


def _wrong_nominal(asked: Asked, language: str) -> Reply:
    if asked.nominal_text is None:
        values = {"nominals": nominals(), "secret": asked.code or "<PIN>"}
        return Reply("nominal_needed", values, "nominal_needed")
    return Reply("wrong_nominal", {"given": asked.nominal_text, "nominals": nominals()}, "wrong_nominal")


def _finish(
    inbound: InboundSms,
    pairing: Pairing | None,
    phone: str,
    language: str,
    reply: Reply,
    message_class: str | None,
    now: dt.datetime,
) -> str:
    """
    One transaction: the answer is queued, the segment is booked to the customer's own phone, the row is closed.

    `message_class` is None for a stranger.
    """
    stranger = reply.refused and message_class is None
    with transaction.atomic(durable=True):
        row = InboundSms.objects.select_for_update().get(pk=inbound.pk)
        if row.state != InboundSms.State.RECEIVED:
            return "done_before"
        if reply.template is not None:
            queue_message(
                dedupe=reply.once or f"reply:{inbound.pk}",
                phone=phone,
                template=reply.template,
                language=language,
                text=render(reply.template, language, **reply.values),
                message_class=MessageClass.NOTICE if reply.template == "other_number" else MessageClass.REPLY,
                priority=Priority.REPLY,
                meter_id=pairing.meter_id if pairing else None,
                correlation=None,
                now=now,
                source=inbound.destination if inbound.destination.isdigit() else None,
                bind_name=inbound.bind.name,
            )
        book_inbound(
            inbound_id=inbound.pk,
            meter_id=pairing.meter_id if pairing else None,
            message_class=message_class or MessageClass.UNKNOWN_MO,
            correlation=None,
            now=now,
        )
        if reply.refused:
            audit.record_refusal(
                at=now,
                actor=f"phone:...{inbound.source[-3:]}",
                verb="texting.answer",
                subject=f"inbound:{inbound.pk}",
                code=reply.outcome,
            )
        close_inbound(
            inbound_id=inbound.pk,
            state=InboundSms.State.REFUSED if stranger else InboundSms.State.DONE,
            outcome=reply.outcome,
        )
    return reply.outcome
