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
from duaarah.core.smsplan import PlanError, ReportingPlan
from duaarah.core.sts import DecoderKey, Entry, MeterDecoder
from duaarah.sim.meter import registers
from duaarah.sim.meter.bodies import Push, notification
from duaarah.sim.meter.link import Dropped, MeterLink
from duaarah.sim.meter.models import TOKEN_GATEWAY_CLASS, MeterModel, model
from duaarah.sim.meter.parts import Faults, MeterConfig, Register
from duaarah.sim.meter.past import MeterPast
from duaarah.sim.meter.reporting import Reporting, plan_written
from duaarah.wire.dlms import apdu
from duaarah.wire.dlms.axdr import Data, Tag
from duaarah.wire.dlms.errors import DlmsError

MWH_PER_WH = 1000
THRESHOLD_MAX_WH = 1_000_000
_LONG_INVOKE_MASK = 0xFFFFFF
_ENTER_TOKEN = 1
_SERVICE_NOT_ALLOWED, _SERVICE_NOT_SUPPORTED = 1, 2  # state error, service error


class SimMeter:
    """One simulated meter. `dropped` counts refused frames by reason; `faults` are its switches."""

    def __init__(self, config: MeterConfig, past: MeterPast | None = None) -> None:
        if config.credit_wh < 0 or config.low_credit_threshold_wh < 0:
            raise ValueError("Credit and threshold are not negative.")
        self.config = config
        self.model: MeterModel = model(config.kind)
        self.faults = Faults()
        self.dropped: Counter[str] = Counter()
        self._link = MeterLink(self.model, config.keys, config.system_title, config.client_titles)
        self._decoder = config.decoder
        self._reporting = Reporting(config.reporting) if config.reporting else None
        above = config.credit_wh >= config.low_credit_threshold_wh
        self._register = Register(
            config.credit_wh * MWH_PER_WH,
            armed=above,
            relay_closed=config.credit_wh > 0,
            threshold_wh=config.low_credit_threshold_wh,
        )
        if past is not None:
            self.restore(past.over(self.state(), head_end=config.client_titles[0]))

    @property
    def credit_mwh(self) -> int:
        """Credit left, exactly."""
        return self._register.credit_mwh

    @property
    def armed(self) -> bool:
        """Whether the meter will warn when its credit goes under the threshold."""
        return self._register.armed

    @property
    def threshold_wh(self) -> int:
        """Below which credit the meter warns."""
        return self._register.threshold_wh

    @property
    def credit_wh(self) -> int:
        """Credit left, a fraction of a Wh cut."""
        return self._register.credit_mwh // MWH_PER_WH

    @property
    def relay_closed(self) -> bool:
        """Whether the customer has supply, as far as the meter decides it."""
        return self._register.relay_closed

    @property
    def powered(self) -> bool:
        """Whether the network feeds the meter."""
        return self._register.powered

    @property
    def token_energy_wh(self) -> int:
        """All energy ever accepted from tokens."""
        return self._register.token_energy_wh

    @property
    def tokens_accepted(self) -> int:
        """How many tokens were accepted, a double acceptance counted twice."""
        return self._register.tokens_accepted

    @property
    def tokens_distinct(self) -> int:
        """How many different TIDs were accepted."""
        return len(self._register.distinct)

    @property
    def plan(self) -> ReportingPlan | None:
        """What the meter sends on its own; None: no plan, it tells of every outage and sends no data."""
        return self._reporting.plan if self._reporting else None

    @property
    def keeps_days(self) -> bool:
        """Whether it gathers a day's figures and wants samples."""
        return self._reporting is not None and self._reporting.day is not None

    def has_data(self, now: datetime) -> bool:
        """Whether a block or summaries will be due then."""
        reporting = self._reporting
        return reporting is not None and bool(reporting.over or reporting.block_day(now))

    @property
    def decoder_key(self) -> DecoderKey:
        """The key that the meter has now."""
        return self._decoder.key

    @property
    def ken(self) -> int:
        """The expiry number of that key."""
        return self._decoder.ken

    # -- the supply ------------------------------------------------------------------------------------------------

    def consume(self, energy_mwh: int, now: datetime) -> list[bytes]:
        """The load takes energy; without supply it takes none, and past zero the relay has already opened."""
        if energy_mwh < 0:
            raise ValueError("A load takes energy, it gives none back here.")
        register = self._register
        if not register.relay_closed or not register.powered:
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
            kept = (reporting.events_kept, reporting.outages_kept, reporting.out_kept_s)
            block = DataBlock(register.used_mwh // MWH_PER_WH, self.credit_wh, *kept)
            reporting.block_gone(day, now)
            pushes += self._push(block, now)
        return pushes

    def close_day(self, now: datetime) -> None:
        """Midnight on the meter's clock, which runs without supply too: with a daily plan another day begins."""
        if self._reporting is not None:
            self._reporting.close_day(now, self._register.used_mwh)

    def sample(self, demand_w: int, voltage_mv: int) -> None:
        """One measurement for the day's summary: the mean load of an hour, and the voltage."""
        if self._reporting is not None and self._reporting.day is not None and self._register.powered:
            self._reporting.day.sample(demand_w if self._register.relay_closed else 0, voltage_mv)

    # -- tokens ----------------------------------------------------------------------------------------------------

    def keypad(self, token: str, now: datetime) -> tuple[str, list[bytes]]:
        """A person types a token: the result on the display, and the push with command counter 0."""
        if not self._register.powered:
            return "unsupported", []
        entry = self._enter(token, now, by_keypad=True)
        return entry.result.value, self._push(self._answer(0, entry), now)

    def receive_sms(self, payload: bytes, now: datetime) -> list[bytes]:
        """A frame from the head end. Whatever is not authentic, fresh and understood is counted and not answered."""
        try:
            if self.faults.modem_dead or not self._register.powered:
                raise Dropped("unreachable")
            plain, counter = self._link.open_sms(payload)
            request = self._request_of(plain)
            if isinstance(request, apdu.SetRequest):
                answer = [self._link.seal_sms(apdu.encode(self._set(request)))]
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

    def _set(self, request: apdu.SetRequest) -> apdu.SetResponse:
        """Write an attribute: the low-credit threshold and the reporting plan are those that may be written here."""
        register = self._register
        result = apdu.SUCCESS
        address = (request.class_id, request.obis, request.attribute)
        if address == self.model.plan and request.selector is None:
            result = self._set_plan(request.value)
        elif address != self.model.threshold or request.selector is not None:
            result = apdu.OBJECT_UNDEFINED
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
        self._link.restore(state["link"])
        register_max_wh = self._decoder.register_max_wh
        self._decoder = MeterDecoder.restore(state["decoder"])
        self._decoder.register_max_wh = register_max_wh
