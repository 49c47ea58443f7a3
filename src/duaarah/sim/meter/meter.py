# SPDX-License-Identifier: Apache-2.0
"""A prepaid meter as an object: credit, relay, STS decoder and a protected link, but no clock and no socket.

Every instant is a parameter; every method that may speak gives back the SMS payloads to send, in order. Faults are
switches that a test turns.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from duaarah.core.intent import CreditExhausted, DataBlock, LastGasp, LowCredit, PowerRestored, TokenResult
from duaarah.core.obis import TOKEN_GATEWAY
from duaarah.core.smsplan import PlanError
from duaarah.core.sts import Entry, MeterDecoder
from duaarah.sim.meter import orders, registers
from duaarah.sim.meter.bodies import Push, notification
from duaarah.sim.meter.config import Faults, MeterConfig
from duaarah.sim.meter.key_transfer import SECURITY, SECURITY_CLASS, TRANSFER, transferred
from duaarah.sim.meter.link import Dropped, MeterLink
from duaarah.sim.meter.models import TOKEN_GATEWAY_CLASS, MeterModel, model
from duaarah.sim.meter.past import MeterPast
from duaarah.sim.meter.reporting import Reporting, plan_written
from duaarah.sim.meter.view import MWH_PER_WH, MeterView, Register
from duaarah.wire.dlms import apdu
from duaarah.wire.dlms.axdr import Data, Tag
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.errors import DlmsError

THRESHOLD_MAX_WH = 1_000_000
_LONG_INVOKE_MASK = 0xFFFFFF
_ENTER_TOKEN = 1
_SERVICE_NOT_ALLOWED, _SERVICE_NOT_SUPPORTED = 1, 2  # state error, service error


class SimMeter(MeterView):
    """One simulated meter. `dropped` counts refused frames by reason; `faults` are its switches."""

    def __init__(self, config: MeterConfig, past: MeterPast | None = None) -> None:
        if config.credit_wh < 0 or config.low_credit_threshold_wh < 0:
            raise ValueError("Credit and threshold are not negative.")
        self.config = config
        self.model: MeterModel = model(config.kind)
        self.faults = Faults()
        self.dropped: Counter[str] = Counter()
        self.link = self._link = MeterLink(self.model, config.keys, config.system_title, config.client_titles)
        self._decoder = config.decoder
        self._reporting = Reporting(config.reporting) if config.reporting else None
        self.ordered = orders.Ordered()
        self._push_asked = False
        self._new_keys: Keys | None = None
        above = config.credit_wh >= config.low_credit_threshold_wh
        self._register = Register(
            config.credit_wh * MWH_PER_WH,
            armed=above,
            relay_closed=config.credit_wh > 0,
            threshold_wh=config.low_credit_threshold_wh,
        )
        if past is not None:
            self.restore(past.over(self.state(), head_end=config.client_titles[0]))

    # -- the supply ------------------------------------------------------------------------------------------------

    def consume(self, energy_mwh: int, now: datetime) -> list[bytes]:
        """The load takes energy; without supply it takes none, and past zero the relay has already opened."""
        if energy_mwh < 0:
            raise ValueError("A load takes energy, it gives none back here.")
        register = self._register
        self.ordered.tick(now)
        if not self.relay_closed or not register.powered:
            return []
        taken_mwh = min(energy_mwh, register.credit_mwh)
        register.credit_mwh -= taken_mwh
        register.used_mwh += taken_mwh
        pushes: list[bytes] = []
        if register.armed and register.credit_mwh < register.threshold_wh * MWH_PER_WH:
            register.armed = False
            relay_stays = register.credit_mwh > 0
            pushes += self._push(LowCredit(self.credit_wh, relay_stays), now)
        if register.credit_mwh == 0:
            register.relay_closed = False
            pushes += self._push(CreditExhausted(relay_closed=False), now)
        return pushes

    def power_cut(self, now: datetime) -> list[bytes]:
        """The network fails: the reserve is enough for one last gasp."""
        if not self._register.powered:
            return []
        tells = self._reporting is None or self._reporting.cut(now)
        pushes = self._push(LastGasp(), now) if tells else []
        self._register.powered = False
        return pushes

    def power_restored(self, now: datetime) -> list[bytes]:
        """The network is back."""
        if self._register.powered:
            return []
        self._register.powered = True
        tells = self._reporting is None or self._reporting.restored(now)
        return self._push(PowerRestored(), now) if tells else []

    def report(self, now: datetime) -> list[bytes]:
        """
        What its plan has due: summaries of the days that are over, the register block when its day has come. A meter
        without supply sends them when the supply is back.
        """
        reporting, register = self._reporting, self._register
        if reporting is None or not register.powered or self.faults.modem_dead:
            return []
        pushes: list[bytes] = []
        while (summary := reporting.next_summary(now, self.credit_wh)) is not None:
            pushes += self._push(summary, now)
        if (day := reporting.block_day(now)) is not None:
            block = self._block()
            reporting.block_gone(day, now)
            pushes += self._push(block, now)
        return pushes

    def _block(self) -> DataBlock:
        kept = (0, 0, 0)
        if (reporting := self._reporting) is not None:
            kept = (reporting.events_kept, reporting.outages_kept, reporting.out_kept_s)
        return DataBlock(self._register.used_mwh // MWH_PER_WH, self.credit_wh, *kept)

    def close_day(self, now: datetime) -> None:
        """Midnight on the meter's clock, which runs without supply too: with a daily plan another day begins."""
        if self._reporting is not None:
            self._reporting.close_day(now, self._register.used_mwh)

    def sample(self, demand_w: int, voltage_mv: int) -> None:
        """One measurement for the day's summary: the mean load of an hour, and the voltage."""
        if self._reporting is not None and self._reporting.day is not None and self._register.powered:
            self._reporting.day.sample(demand_w if self.relay_closed else 0, voltage_mv)

    def switch_relay(self, *, closed: bool) -> None:
        """The utility disconnects or reconnects; without credit the relay stays open."""
        self.ordered.held_open, self.ordered.held_open_until_s = not closed, None

    def push_now(self, now: datetime) -> list[bytes]:
        """The register block because somebody asked: the reporting plan does not count it."""
        return self._push(self._block(), now)

    # -- tokens ----------------------------------------------------------------------------------------------------

    def keypad(self, token: str, now: datetime) -> tuple[str, list[bytes]]:
        """A person types a token: the result on the display, and the push with command counter 0."""
        if not self._register.powered:
            return "unsupported", []
        entry = self._enter(token, now, by_keypad=True)
        return entry.result.value, self._push(self._answer(0, entry), now)

    def enter_token(self, token: str, now: datetime) -> Entry:
        """A token over an associated session: judged as any other, answered there, so no push."""
        return self._enter(token, now, by_keypad=False)

    def write(self, request: apdu.SetRequest, now: datetime) -> int:
        """A SET over an associated session: its Data-Access-Result."""
        return self._set(request, now).result

    def receive_sms(self, payload: bytes, now: datetime) -> list[bytes]:
        """A frame from the head end. Whatever is not authentic, fresh and understood is counted and not answered."""
        try:
            if self.faults.modem_dead or not self._register.powered:
                raise Dropped("unreachable")
            plain, counter = self._link.open_sms(payload)
            request = self._request_of(plain)
            if isinstance(request, apdu.SetRequest):
                answer = self._reply(self._set(request, now), now)
            elif request.invoke_octet & apdu.SERVICE_CONFIRMED:
                answer = self._reply(apdu.ActionResponse(request.invoke_octet, self._act(request, now)), now)
            else:
                token = self._token_of(request)
                answer = self._push(self._answer(counter, self._enter(token, now, by_keypad=False)), now)
        except Dropped as dropped:
            self.dropped[dropped.code] += 1
            return []
        if self.faults.lose_next_answer > 0:
            self.faults.lose_next_answer -= 1
            return []
        return answer

    def _request_of(self, plain: bytes) -> apdu.ActionRequest | apdu.SetRequest:
        """What an SMS may ask: a method, or a SET that wants its answer."""
        try:
            request = apdu.decode(plain)
        except DlmsError as error:
            raise Dropped(error.code) from None
        if isinstance(request, apdu.SetRequest) and request.invoke_octet & apdu.SERVICE_CONFIRMED:
            return request
        if not isinstance(request, apdu.ActionRequest):
            raise Dropped("not_over_sms")
        return request

    def _token_of(self, request: apdu.ActionRequest) -> str:
        if (request.class_id, request.obis, request.method) != (TOKEN_GATEWAY_CLASS, TOKEN_GATEWAY, _ENTER_TOKEN):
            raise Dropped("unknown_object")
        if request.parameter is None or request.parameter.tag is not Tag.OCTET_STRING:
            raise Dropped("bad_token")
        octets: bytes = request.parameter.value
        token = octets.hex() if self.model.bcd_tokens else octets.decode("latin-1")
        if len(token) != 20 or not (token.isascii() and token.isdigit()):
            raise Dropped("bad_token")
        return token

    def _enter(self, token: str, now: datetime, *, by_keypad: bool) -> Entry:
        self._decoder.tid_store_on = not self.faults.tid_store_off
        now_s = int(now.timestamp())
        entry = self._decoder.enter(token, now_s=now_s, credit_wh=self.credit_wh, by_keypad=by_keypad)
        if entry.energy_wh and entry.fields is not None and entry.fields.tid is not None:
            self._credit(entry.fields.tid, entry.energy_wh)
        return entry

    def _credit(self, tid: int, energy_wh: int) -> None:
        register = self._register
        register.credit_mwh += energy_wh * MWH_PER_WH
        register.token_energy_wh += energy_wh
        register.tokens_accepted += 1
        register.distinct.add(tid)
        register.relay_closed = True
        register.armed = register.credit_mwh >= register.threshold_wh * MWH_PER_WH

    def _reply(self, response: apdu.SetResponse | apdu.ActionResponse, now: datetime) -> list[bytes]:
        """The answer to a confirmed request, and what the request made the meter say besides."""
        said = [self._link.seal_sms(apdu.encode(response))]
        if self._new_keys is not None:
            # Their answer goes under the old ones, all that follows under the new.
            self._link.change_keys(self._new_keys)
            self._new_keys = None
        if self._push_asked:
            self._push_asked = False
            said += self._push(self._block(), now)
        return said

    def _act(self, request: apdu.ActionRequest, now: datetime) -> int:
        """A method by SMS. New keys wait until their answer is sealed; over a connection class 64 itself takes them."""
        if (request.class_id, request.obis, request.method) != (SECURITY_CLASS, SECURITY, TRANSFER):
            return self._ordered(request, now)
        try:
            master, present = self.config.master_key, self._link.keys
            self._new_keys = transferred(request.parameter, master=master, present=present)
        except orders.Refusal as refusal:
            return refusal.result
        return apdu.SUCCESS

    def _ordered(self, request: apdu.ActionRequest | apdu.SetRequest, now: datetime) -> int:
        """Do what is ordered; the result as the standard numbers it."""
        try:
            also = orders.perform(self.ordered, request, now, self.model.power_step_w)
        except orders.Refusal as refusal:
            return refusal.result
        if also == "clear_credit":
            self._register.credit_mwh, self._register.relay_closed = 0, False
        self._push_asked = also == "push_data"
        return apdu.SUCCESS

    def _set(self, request: apdu.SetRequest, now: datetime) -> apdu.SetResponse:
        """Write an attribute: the low-credit threshold, the reporting plan, or what `orders` knows."""
        register = self._register
        result = apdu.SUCCESS
        address = (request.class_id, request.obis, request.attribute)
        if address == self.model.plan and request.selector is None:
            result = self._set_plan(request.value)
        elif address != self.model.threshold or request.selector is not None:
            result = self._ordered(request, now)
        elif request.value.tag is not self.model.threshold_tag:
            result = apdu.TYPE_UNMATCHED
        elif not 0 < request.value.value * self.model.energy_step_wh <= THRESHOLD_MAX_WH:
            result = apdu.OTHER_REASON
        else:
            register.threshold_wh = request.value.value * self.model.energy_step_wh
            # One that lies above the credit warns at once; one below it warns when the credit gets there.
            register.armed = True
        return apdu.SetResponse(request.invoke_octet, result)

    def _set_plan(self, value: Data) -> int:
        """What was sent and kept this month stays counted; the new plan judges it."""
        try:
            plan = plan_written(value, as_octets=self.model.plan_as_octets)
        except TypeError:
            return apdu.TYPE_UNMATCHED
        except PlanError:
            return apdu.OTHER_REASON
        if self._reporting is None:
            self._reporting = Reporting(plan)
        self._reporting.plan = plan
        return apdu.SUCCESS

    def _answer(self, command_counter: int, entry: Entry) -> TokenResult:
        tid = None if entry.fields is None else entry.fields.tid
        return TokenResult(command_counter, entry.result.value, tid, entry.energy_wh, self.credit_wh)

    # -- the link --------------------------------------------------------------------------------------------------

    def _push(self, push: Push, now: datetime) -> list[bytes]:
        if self.faults.modem_dead:
            return []
        notice = notification(
            self.model,
            push,
            logical_name=f"DUA{self.config.drn:0>13}".encode("ascii"),
            long_invoke=(self._link.sent_counter + 1) & _LONG_INVOKE_MASK,
            now=now,
        )
        return [self._link.seal_sms(apdu.encode(notice))]

    def answer_request(self, payload: bytes) -> bytes | None:
        """One wrapped, ciphered request over a connection: the answer, or None when the frame is dropped.

        A GET is answered on the pre-established association; any other service gets an ExceptionResponse.
        """
        try:
            if self.faults.modem_dead or not self._register.powered:
                raise Dropped("unreachable")
            plain, _ = self._link.open_tcp(payload)
        except Dropped as dropped:
            self.dropped[dropped.code] += 1
            return None
        return self._link.seal_tcp(apdu.encode(self._respond(plain)))

    def _respond(self, plain: bytes) -> apdu.GetResponse | apdu.ExceptionResponse:
        try:
            request = apdu.decode(plain)
        except DlmsError:
            return apdu.ExceptionResponse(_SERVICE_NOT_ALLOWED, _SERVICE_NOT_SUPPORTED)
        if not isinstance(request, apdu.GetRequest):
            return apdu.ExceptionResponse(_SERVICE_NOT_ALLOWED, _SERVICE_NOT_SUPPORTED)
        value: Data | None = registers.read(
            self.model,
            request,
            credit_wh=self.credit_wh,
            token_energy_wh=self.token_energy_wh,
            accepted=self.tokens_accepted,
            distinct=self.tokens_distinct,
        )
        if value is None:
            return apdu.GetResponse(request.invoke_octet, access_result=apdu.OBJECT_UNDEFINED)
        return apdu.GetResponse(request.invoke_octet, value=value)

    # -- what survives ---------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything a real meter keeps in non-volatile memory, as JSON values."""
        register = self._register
        return {
            "credit_mwh": register.credit_mwh,
            "armed": register.armed,
            "relay_closed": register.relay_closed,
            "powered": register.powered,
            "threshold_wh": register.threshold_wh,
            "token_energy_wh": register.token_energy_wh,
            "tokens_accepted": register.tokens_accepted,
            "distinct": sorted(register.distinct),
            "used_mwh": register.used_mwh,
            "reporting": self._reporting.state() if self._reporting else None,
            "ordered": self.ordered.state(),
            "link": self._link.state(),
            "decoder": self._decoder.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a former `state()`; counters never go back."""
        self._register = Register(
            state["credit_mwh"],
            state["armed"],
            state["relay_closed"],
            state["threshold_wh"],
            state["powered"],
            state["token_energy_wh"],
            state["tokens_accepted"],
            set(state["distinct"]),
            state.get("used_mwh", 0),
        )
        # A state of before plans came over the air names none: the configured one begins anew.
        if "plan" in (state.get("reporting") or {}):
            self._reporting = Reporting.restored_from(state["reporting"])
        self.ordered = orders.Ordered(**state.get("ordered", {}))
        self._link.restore(state["link"])
        register_max_wh = self._decoder.register_max_wh
        self._decoder = MeterDecoder.restore(state["decoder"])
        self._decoder.register_max_wh = register_max_wh
