# SPDX-License-Identifier: Apache-2.0
"""One message of a bank or switch, one call of the host's verbs, one answer, and the journal's lines of both."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from duaarah.vending.operations import ppob
from duaarah.vending.operations.ppob import Caller, Gate, Line, PPOBRefused, codes
from duaarah.vending.operations.ppob.sale import Named
from duaarah.vending.ports import TokenSource
from duaarah.wire.iso8583 import ISOError, Message, encode, packaged, shortcomings
from duaarah.wiring import ppob_fields as said
from duaarah.wiring.ppob_fields import Fields, bad

LOG = logging.getLogger(__name__)
_ECHOED = ("2", "4", "11", "12", "15", "26", "32", "33", "40", "41", "56")
_PRIVATE = ("48", "62")
_RAW = "raw"
_TOKEN_CHARS = 20
_HEAD_CHARS = 20
_PHASES = {"payment": "purchase", "advice_repeat": "advice", "reversal_repeat": "reversal"}


@dataclass(slots=True)
class Session:
    """One connection: where it comes from, and who has signed on over it."""

    peer: str
    address: str
    partner: str | None = None
    partner_id: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. `text` is the whole message; `lines` are committed before it goes."""

    code: str
    lines: tuple[Line, ...]
    text: str = field(repr=False)
    signed_on: bool = False


class Desk:
    """The host behind one worker. `take` is called from several threads, in any order."""

    def __init__(self, token_source: TokenSource, *, clock: Callable[[], dt.datetime]) -> None:
        self._source, self._clock = token_source, clock

    def take(self, message: Message, text: str, session: Session) -> Answer:
        """
        Answer one readable message. Whatever it refuses leaves an audit line.

        Raises what the database raises; then nobody knows what became of it, and `later` is the answer.
        """
        now, pln_ref = self._clock(), reference_of(message)
        signed_on = False
        found: Fields = {}
        try:
            gate, found = self._answered(message, session, now)
            code = codes.OK
            signed_on = message.kind == "network_sign_on_request"
            session.partner_id = gate.partner_id
        except PPOBRefused as error:
            code = error.response
            ppob.record_refused(
                partner=str(message.fields.get("33", "")),
                kind=message.kind,
                error=error,
                trace=trace_of(message),
                pln_ref=pln_ref,
                now=now,
            )
        return _answer(message, text, session, code, found, now, signed_on=signed_on)

    def bad(self, partial: Message, text: str, session: Session, reason: str) -> Answer:
        """0030 to a message that could be read but for its private fields."""
        now = self._clock()
        error = bad(reason)
        partner, trace = str(partial.fields.get("33", "")), trace_of(partial)
        ppob.record_refused(partner=partner, kind=partial.kind, error=error, trace=trace, pln_ref="", now=now)
        return _answer(partial, text, session, error.response, {}, now)

    def later(self, message: Message, text: str, session: Session, now: dt.datetime) -> Answer:
        """0068: it takes longer than a channel waits, or nobody can say. It touches no database."""
        return _answer(message, text, session, codes.TIMEOUT, {}, now)

    # -- one message ---------------------------------------------------------------------------------------------------

    def _answered(self, message: Message, session: Session, now: dt.datetime) -> tuple[Gate, Fields]:
        if missing := shortcomings(message):
            raise bad(missing[0])
        fields, phase = message.fields, phase_of(message)
        said.check_time(fields["12"])
        network = phase == "network"
        caller = Caller(
            partner=fields["33"],
            switcher=fields["48"].get("switcher_id", "") or fields["33"],
            bank=fields.get("32", ""),
            product=fields.get("2", "")[-3:],
        )
        signed_on = network or session.partner == fields["33"]
        address = session.address if network else None
        gate = ppob.admit(caller, phase=phase, now=now, signed_on=signed_on, address=address)
        if network:
            self._network(gate, fields, session)
            return gate, {}
        verb = self._verbs().get((caller.product, phase))
        if verb is None or _RAW in fields["48"]:
            raise bad("This product has no such message.")
        found = verb(gate, fields, now)
        if gate.footer and phase in ("purchase", "advice"):
            found = {**found, "63": gate.footer}
        return gate, found

    def _verbs(self) -> dict[tuple[str, str], Callable[[Gate, Fields, dt.datetime], Fields]]:
        return {
            ("502", "inquiry"): self._prepaid_inquiry,
            ("502", "purchase"): self._purchase,
            ("502", "advice"): self._advice,
            ("504", "inquiry"): self._registration_inquiry,
            ("504", "purchase"): self._registration_payment,
            ("504", "reversal"): self._reversal,
            ("501", "inquiry"): self._postpaid_inquiry,
            ("501", "purchase"): self._postpaid_payment,
            ("501", "reversal"): self._reversal,
        }

    def _network(self, gate: Gate, fields: Fields, session: Session) -> None:
        action = gate.network_codes.get(fields["40"])
        if action == "sign_on":
            session.partner = gate.partner
        elif action == "sign_off":
            session.partner = None
        elif action == "cut_off":
            # The day's end is ours to say (the ledger's policy); a partner that announces its own is only heard.
            if session.partner != gate.partner:
                raise PPOBRefused(codes.SIGN_ON_FIRST, "This connection has not signed on.")
        elif action != "echo":
            raise bad("There is no such network code.")

    def _prepaid_inquiry(self, gate: Gate, fields: Fields, now: dt.datetime) -> Fields:
        asked = fields["48"]
        if asked["id_flag"] not in ("0", "1"):
            raise bad("The flag says neither meter nor idpel.")
        by_idpel = asked["id_flag"] == "1"
        number = asked["idpel"] if by_idpel else asked["meter_no"]
        found = ppob.inquire(gate=gate, number=number, by_idpel=by_idpel, now=now)
        return said.prepaid_found(found, asked, gate.unit_phone)

    def _purchase(self, gate: Gate, fields: Fields, now: dt.datetime) -> Fields:
        asked = fields["48"]
        if asked["option"] not in ("0", "1"):
            raise bad("There is no such buying option.")
        sold = ppob.purchase(
            gate=gate,
            named=_named(asked),
            amount_idr=said.amount_idr(fields["4"]),
            admin_idr=said.whole_idr(asked["admin"]),
            option=asked["option"],
            token_source=self._source,
            now=now,
        )
        return said.receipt(sold, asked)

    def _advice(self, gate: Gate, fields: Fields, now: dt.datetime) -> Fields:
        sold = ppob.advise(
            gate=gate,
            named=_named(fields["48"]),
            amount_idr=said.amount_idr(fields["4"]),
            token_source=self._source,
            now=now,
        )
        return said.receipt(sold, fields["48"])

    def _registration_inquiry(self, gate: Gate, fields: Fields, now: dt.datetime) -> Fields:
        asked = fields["48"]
        found = ppob.inquire_registration(
            gate=gate, number=asked["registration_no"], transaction_code=asked["transaction_code"], now=now
        )
        return said.registration(found, asked)

    def _registration_payment(self, gate: Gate, fields: Fields, now: dt.datetime) -> Fields:
        asked = fields["48"]
        found = ppob.pay_registration(
            gate=gate,
            pln_ref=asked["pln_ref"],
            switcher_ref=asked["switcher_ref"],
            number=asked["registration_no"],
            amount_idr=said.amount_idr(fields["4"]),
            said=said.said(fields),
            now=now,
        )
        return said.registration(found, asked)

    def _postpaid_inquiry(self, gate: Gate, fields: Fields, now: dt.datetime) -> Fields:
        found = ppob.inquire_postpaid(gate=gate, idpel=fields["48"]["idpel"], now=now)
        return said.postpaid(found, fields["48"], gate.unit_phone)

    def _postpaid_payment(self, gate: Gate, fields: Fields, now: dt.datetime) -> Fields:
        asked = fields["48"]
        ppob.pay_postpaid(
            gate=gate,
            reference=_postpaid_reference(asked),
            idpel=asked["idpel"],
            periods=said.periods(asked),
            amount_idr=said.amount_idr(fields["4"]),
            said=said.said(fields),
            now=now,
        )
        return {"48": asked}

    def _reversal(self, gate: Gate, fields: Fields, now: dt.datetime) -> Fields:
        asked = fields["48"]
        registered = "registration_no" in asked
        ppob.reverse(
            gate=gate,
            product=fields["2"][-3:],
            pln_ref=asked["pln_ref"] if registered else _postpaid_reference(asked),
            number=asked["registration_no"] if registered else asked["idpel"],
            original=said.original(fields["56"]),
            amount_idr=said.amount_idr(fields["4"]),
            now=now,
        )
        return {name: fields[name] for name in _PRIVATE if name in fields}


def _named(asked: Fields) -> Named:
    return Named(
        pln_ref=asked["pln_ref"],
        switcher_ref=asked["switcher_ref"],
        meter_no=asked["meter_no"],
        idpel=asked["idpel"],
    )


def _postpaid_reference(asked: Fields) -> str:
    if "switcher_ref" not in asked:
        raise bad("A postpaid payment repeats the reference of its inquiry.")
    return str(asked["switcher_ref"])


def phase_of(message: Message) -> str:
    """network, inquiry, purchase, advice or reversal; a payment of bills is a purchase, a repeat what it repeats."""
    phase = packaged("pln2003").mti[message.mti][0]
    return _PHASES.get(phase, phase)


def reference_of(message: Message) -> str:
    """The PLN reference that a message names, or ""."""
    private = message.fields.get("48")
    if not isinstance(private, dict):
        return ""
    return str(private.get("pln_ref") or (private.get("switcher_ref", "") if "bills" in private else ""))


def trace_of(message: Message) -> str:
    return str(message.fields.get("11", ""))


# -- the answer and its lines ------------------------------------------------------------------------------------------


def _answer(
    message: Message,
    text: str,
    session: Session,
    code: str,
    found: Fields,
    now: dt.datetime,
    *,
    signed_on: bool = False,
) -> Answer:
    mti = f"{message.mti[:2]}{int(message.mti[2]) + 1}{message.mti[3]}"
    fields = {n: message.fields[n] for n in _ECHOED if n in message.fields} | {"39": code}
    echoed = {n: message.fields[n] for n in _PRIVATE if n in message.fields and _RAW not in message.fields[n]}
    answer = _encoded(mti, fields | echoed | found) or _encoded(mti, fields)
    assert answer is not None  # what was read can be written
    made = {**echoed, **found}.get("48", {})
    pln_ref = str(made.get("pln_ref") or (made.get("switcher_ref", "") if "bills" in made else ""))
    kind = message.kind.removesuffix("_request")
    lines = (
        line_in(message, text, session, now),
        _line(session, now, False, f"{kind}_response", trace_of(message), pln_ref, code, masked(answer, made)),
    )
    return Answer(code, lines, answer, signed_on)


def line_in(message: Message, text: str, session: Session, now: dt.datetime) -> Line:
    """The journal's line of a message that was read."""
    private = message.fields.get("48", {})
    shown = f"{text[:_HEAD_CHARS]}... {len(text)} characters" if _RAW in private else masked(text, private)
    return _line(session, now, True, message.kind, trace_of(message), reference_of(message), "", shown)


def line_unread(text: str, session: Session, error: str, now: dt.datetime) -> Line:
    """The journal's line of something that is no message: its head and its length."""
    head = text[:_HEAD_CHARS].encode("unicode_escape").decode("ascii")
    return _line(session, now, True, error, "", "", "", f"{head}... {len(text)} characters")


def masked(text: str, private: Any) -> str:
    """A message without its token."""
    token = private.get("token", "") if isinstance(private, dict) else ""
    return text.replace(token, "*" * _TOKEN_CHARS) if token else text


def _line(
    session: Session, now: dt.datetime, incoming: bool, kind: str, trace: str, pln_ref: str, code: str, text: str
) -> Line:
    return Line(
        at=now,
        partner_id=session.partner_id,
        peer=session.peer,
        incoming=incoming,
        kind=kind,
        trace=trace,
        pln_ref=pln_ref,
        code=code,
        text=text.replace("\x00", "\\0"),
    )


def _encoded(mti: str, fields: Fields) -> str | None:
    try:
        return encode(mti, fields)
    except ISOError:
        LOG.exception("An answer cannot be written whole; its private fields are left out.")
        return None
