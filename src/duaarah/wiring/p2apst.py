# SPDX-License-Identifier: Apache-2.0
"""
vending's TokenSource over PLN's P2APST (ISO 8583): inquiry, purchase, and after that only advices.

A purchase (2200) leaves once a request, and only after the row that says so is committed. Whatever happens then (time-out,
broken line, death of the process), the next call asks by advice (2220), then by its repeat (2221): P2APST answers with the
same token, or that there was no purchase. Nothing here decides by itself that a purchase did not happen.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from duaarah.clock.queries import now
from duaarah.net.iso8583 import Line, LineDown
from duaarah.vending.operations.p2apst import P2APSTTasks
from duaarah.vending.p2apst_ports import PurchaseTask, PurchaseTasks, TaskMoved
from duaarah.vending.ports import Issued, Refused, TokenRequest, TokenSource, Unknown
from duaarah.wire.iso8583 import (
    FrameError,
    Framing,
    ISOError,
    Message,
    Phase,
    Verdict,
    decode,
    encode,
    meaning,
    shortcomings,
    verdict,
)

LOG = logging.getLogger(__name__)
SIGN_ON = "001"
METER_DIGITS = 11
TERMINAL_CHARS = 16
# Connect, sign on, inquiry, purchase or two advices: a claim outlives all of them.
WAITS_A_CALL = 5
CLAIM_MARGIN_S = 10
NO_ANSWER = "no_answer"
NOT_WHOLE = "not_whole"
_ADVISED = ("switcher_id", "meter_no", "idpel", "id_flag", "pln_ref", "switcher_ref")
_ASKED = (*_ADVISED, "name", "segment", "daya", "admin")
_WIB = dt.timezone(dt.timedelta(hours=7))


@dataclass(frozen=True, kw_only=True)
class P2APSTTerms:
    """Where P2APST is and who we are to it: `partner` and `bank` have 7 characters, `terminal` 16 at most."""

    host: str
    port: int
    partner: str
    bank: str
    terminal: str
    framing: Framing = Framing.LENGTH2
    category: str = "6021"
    network: str = "99"
    timeout_s: float = 15.0


class P2APSTMisconfigured(ValueError):
    """The settings name a P2APST that cannot be spoken to, in a sentence."""

    code = "p2apst_misconfigured"


def terms_of_settings() -> P2APSTTerms | None:
    """Where tokens are to be bought; None where we make them ourselves. Raises P2APSTMisconfigured."""
    address, partner, bank = settings.P2APST_ADDRESS, settings.P2APST_PARTNER, settings.P2APST_BANK
    if not address:
        return None
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise P2APSTMisconfigured("DUAARAH_P2APST is HOST:PORT.")
    for name, value, width in (("PARTNER", partner, 7), ("BANK", bank, 7)):
        if len(value) != width or not value.isascii():
            raise P2APSTMisconfigured(f"DUAARAH_P2APST_{name} has {width} characters.")
    if not settings.P2APST_TERMINAL.isascii() or len(settings.P2APST_TERMINAL) > TERMINAL_CHARS:
        raise P2APSTMisconfigured(f"DUAARAH_P2APST_TERMINAL has at most {TERMINAL_CHARS} characters.")
    if settings.P2APST_FRAMING not in list(Framing):
        raise P2APSTMisconfigured(f"DUAARAH_P2APST_FRAMING is {' or '.join(Framing)}.")
    return P2APSTTerms(
        host=host.strip("[]"),
        port=int(port),
        partner=partner,
        bank=bank,
        terminal=settings.P2APST_TERMINAL,
        framing=Framing(settings.P2APST_FRAMING),
    )


def token_source(own: TokenSource) -> TokenSource:
    """The source of all tokens sold here: P2APST where the settings name it, else our own keys."""
    terms = terms_of_settings()
    return own if terms is None else P2APSTSource(terms, P2APSTTasks(), now)


class P2APSTSource:
    """`obtain` is idempotent by request id. `clock` gives business time; it is asked once a message."""

    def __init__(
        self,
        terms: P2APSTTerms,
        tasks: PurchaseTasks,
        clock: Callable[[], dt.datetime],
        *,
        line: Callable[[P2APSTTerms], Line] | None = None,
    ) -> None:
        self._terms = terms
        self._tasks = tasks
        self._clock = clock
        self._line = line or _line
        self._busy_s = int(terms.timeout_s * WAITS_A_CALL) + CLAIM_MARGIN_S

    def obtain(self, request: TokenRequest) -> Issued | Refused | Unknown:
        """The token's digits and the kWh that P2APST names; Refused only on its definite word; else Unknown."""
        task = self._tasks.claim(request.request_id, busy_s=self._busy_s, now=self._clock())
        if task is None:
            return Unknown("P2APST is being asked about this request already.")
        if task.refused is not None:
            self._tasks.ended(task.number, refused=task.refused, now=self._clock())
            return _refused(task.refused)
        line = self._line(self._terms)
        asked = _Asked()
        try:
            line.open()
            if not self._signed_on(line, asked):
                return self._unknown(task, asked)
            return self._advise(line, task, asked) if task.purchase else self._purchase(line, task, asked)
        except (LineDown, TaskMoved, ISOError, FrameError) as error:
            LOG.warning("p2apst, trace %d: %s", task.number, error)
            asked.code = error.code
            return self._unknown(task, asked)
        finally:
            line.close()

    # -- the exchanges -------------------------------------------------------------------------------------------------

    def _signed_on(self, line: Line, asked: _Asked) -> bool:
        fields = {
            "12": self._local(),
            "33": self._terms.partner,
            "40": SIGN_ON,
            "41": self._terms.terminal.rjust(16, "0"),
            "48": {"switcher_id": self._terms.partner},
        }
        line.send("2800", fields)
        answer = line.receive(lambda message: message.mti == "2810" and message.fields.get("40") == SIGN_ON)
        return asked.take(Phase.NETWORK, answer) is Verdict.OK

    def _purchase(self, line: Line, task: PurchaseTask, asked: _Asked) -> Issued | Refused | Unknown:
        """Inquiry and purchase. Until the row says SENT nothing was bought, and every way out is free."""
        if len(task.drn) != METER_DIGITS:
            return self._end(task, "drn_length")
        common = self._common(task)
        inquiry = {
            "switcher_id": self._terms.partner,
            "meter_no": task.drn,
            "idpel": "0" * 12,
            "id_flag": "0",
        }
        line.send("2100", {**common, "48": inquiry})
        answer = line.receive(_answers("2110", common))
        if answer is None:
            return self._unknown(task, asked)
        if asked.take(Phase.INQUIRY, answer) is not Verdict.OK:
            return self._end(task, asked.code)
        if shortcomings(answer) or "62" not in answer.fields or answer.fields["48"]["meter_no"] != task.drn:
            asked.code = NOT_WHOLE
            return self._unknown(task, asked)
        private = {**{name: answer.fields["48"][name] for name in _ASKED}, "option": "0"}
        fields = {**common, "4": f"3600{task.nominal_idr:012d}", "48": private, "62": answer.fields["62"]}
        self._tasks.sending(task.number, purchase=encode("2200", fields), now=self._clock())
        line.send("2200", fields)
        return self._told(task, Phase.PURCHASE, line.receive(_answers("2210", fields)), asked) or self._unknown(
            task, asked
        )

    def _advise(self, line: Line, task: PurchaseTask, asked: _Asked) -> Issued | Refused | Unknown:
        """Ask what became of it; the first question of all is a 2220, each further one a 2221."""
        sent = decode(task.purchase).fields
        fields = {**sent, "48": {name: sent["48"][name] for name in _ADVISED}}
        first = "2220" if task.advices == 0 else "2221"
        for mti in dict.fromkeys((first, "2221")):
            line.send(mti, fields)
            # A late answer to the purchase itself says as much as one to the advice.
            answer = line.receive(_answers(("2210", "2230", "2231"), fields))
            asked.advices += 1
            phase = Phase.PURCHASE if answer is not None and answer.mti == "2210" else Phase.ADVICE
            told = self._told(task, phase, answer, asked)
            if told is not None:
                return told
        return self._unknown(task, asked)

    def _told(self, task: PurchaseTask, phase: Phase, answer: Message | None, asked: _Asked) -> Issued | Refused | None:
        """What an answer decides; None while nothing is decided."""
        found = asked.take(phase, answer)
        if found is Verdict.FAILED:
            return self._end(task, asked.code)
        if found is not Verdict.OK or answer is None:
            return None
        issued = _issued(answer, task)
        if issued is None:
            LOG.error("p2apst, trace %d: an answer 0000 without a readable token for this meter and sum", task.number)
            asked.code = NOT_WHOLE
            return None
        self._tasks.ended(task.number, refused=None, now=self._clock())
        return issued

    def _end(self, task: PurchaseTask, code: str) -> Refused:
        self._tasks.ended(task.number, refused=code, now=self._clock())
        return _refused(code)

    def _unknown(self, task: PurchaseTask, asked: _Asked) -> Unknown:
        self._tasks.unanswered(task.number, code=asked.code, advices=asked.advices)
        return Unknown(f"P2APST has not said what became of it ({asked.code}).")

    def _common(self, task: PurchaseTask) -> dict[str, Any]:
        return {
            "2": f"{self._terms.network}502",
            "11": f"{task.number:012d}",
            "12": task.local_time,
            "26": self._terms.category,
            "32": self._terms.bank,
            "33": self._terms.partner,
            "41": self._terms.terminal.rjust(16, "0"),
        }

    def _local(self) -> str:
        return self._clock().astimezone(_WIB).strftime("%Y%m%d%H%M%S")


@dataclass
class _Asked:
    """The last word in one call, and how many advices it cost."""

    code: str = NO_ANSWER
    advices: int = 0

    def take(self, phase: Phase, answer: Message | None) -> Verdict:
        self.code = NO_ANSWER if answer is None else str(answer.fields.get("39", NOT_WHOLE))
        return Verdict.PENDING if answer is None else verdict(phase, self.code)


def _line(terms: P2APSTTerms) -> Line:
    return Line(terms.host, terms.port, framing=terms.framing, timeout_s=terms.timeout_s)


def _answers(mtis: str | tuple[str, ...], sent: dict[str, Any]) -> Callable[[Message], bool]:
    """Whether a message answers this one: its MTI, trace number, time and partner."""

    def wanted(message: Message) -> bool:
        same = all(message.fields.get(number) == sent[number] for number in ("11", "12", "33"))
        return message.mti in (mtis if isinstance(mtis, tuple) else (mtis,)) and same

    return wanted


def _issued(answer: Message, task: PurchaseTask) -> Issued | None:
    """The token of a whole answer for this meter and nominal; kWh as the message names it, to the Wh."""
    private = answer.fields["48"]
    if shortcomings(answer) or answer.fields["4"] != f"3600{task.nominal_idr:012d}":
        return None
    digits, kwh = private["token"], private["kwh"]
    if private["meter_no"] != task.drn or not (digits.isascii() and digits.isdigit()):
        return None
    if not (kwh["value"].isascii() and kwh["value"].isdigit()):
        return None
    energy_wh, rest = divmod(int(kwh["value"]) * 1000, 10 ** int(kwh["minor"]))
    return Issued(digits=digits, encoded_wh=energy_wh) if energy_wh and not rest else None


def _refused(code: str) -> Refused:
    return Refused(f"p2apst_{code}", f"P2APST refuses: {meaning(code) or code}.")
