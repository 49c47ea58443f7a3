# SPDX-License-Identifier: Apache-2.0
"""A prepaid meter as an object: credit, relay, STS decoder and a protected link, but no clock and no socket.

Every instant is a parameter; every method that may speak gives back the SMS payloads to send, in order. Faults are
switches that a test turns.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Any

from duaarah.core.intent import (
    CreditExhausted,
    DailySummary,
    DataBlock,
    LastGasp,
    LowCredit,
    PowerRestored,
    TokenResult,
)
from duaarah.core.obis import TOKEN_GATEWAY, Obis
from duaarah.core.sts import Entry, MeterDecoder
from duaarah.sim.meter import orders, registers
from duaarah.sim.meter.bodies import Push, notification
from duaarah.sim.meter.config import Faults, MeterConfig
from duaarah.sim.meter.link import Dropped, MeterLink
from duaarah.sim.meter.models import TOKEN_GATEWAY_CLASS, MeterModel, model
from duaarah.sim.meter.obeying import Obeying
from duaarah.sim.meter.past import MeterPast
from duaarah.sim.meter.reporting import Reporting
from duaarah.sim.meter.telling import Log, Teller
from duaarah.sim.meter.view import MWH_PER_WH, Register
from duaarah.wire.dlms import apdu, blocks
from duaarah.wire.dlms.axdr import Data, Tag
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.errors import DlmsError

WIB = timezone(timedelta(hours=7))
_LONG_INVOKE_MASK = 0xFFFFFF
_ENTER_TOKEN = 1
# Auto connect, connect (IEC 62056-6-2, class 29): no answer but the open port.
WAKE_UP = (29, Obis(0, 0, 2, 1, 0), 1)
_SERVICE_NOT_ALLOWED, _SERVICE_NOT_SUPPORTED = 1, 2  # state error, service error


class SimMeter(Obeying, Teller):
    """
    One simulated meter. `dropped` counts refused frames by reason; `faults` are its switches.

    `asleep`: its modem listens on no port until it is woken by SMS.
    """

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
        self.log, self.modem = Log(), config.modem
        self.asleep = False
        self._push_asked = False
        self._day_asked: DailySummary | None = None
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
        was_closed = self.relay_closed
        self.ordered.tick(now)
        pushes: list[bytes] = []
        if self.relay_closed and not was_closed and register.powered:
            pushes += self.relay_moved(True, "temporary_end", now)
        supplied = self.relay_closed and register.powered
        taken_mwh = min(energy_mwh, register.credit_mwh) if supplied else 0
        if self.config.load_period_s is not None:
            self.log.draw(taken_mwh, now, self.config.load_period_s)
        if not supplied:
            return pushes
        register.credit_mwh -= taken_mwh
        register.used_mwh += taken_mwh
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
        self.log.cut(now)
        tells = self._reporting is None or self._reporting.cut(now)
        pushes = self._push(LastGasp(), now) if tells else []
        self._register.powered = False
        return pushes

    def power_restored(self, now: datetime) -> list[bytes]:
        """The network is back."""
        if self._register.powered:
            return []
        self._register.powered = True
        self.log.restored(now)
        tells = self._reporting is None or self._reporting.restored(now)
        return self._push(PowerRestored(), now) if tells else []

    def report(self, now: datetime) -> list[bytes]:
        """
        What its plan has due: summaries of the days that are over, the register block when its day has come. A meter
        without supply sends them when the supply is back.
        """
        reporting, register = self._reporting, self._register
        if not register.powered or self.faults.modem_dead:
            return []
        pushes = self._load_over(now)
        if reporting is None:
            return pushes
        while (summary := reporting.next_summary(now, self.credit_wh)) is not None:
            pushes += self._push(summary, now)
        if (day := reporting.block_day(now)) is not None:
            block = self._block()
            reporting.block_gone(day, now)
            pushes += self._push(block, now)
        return pushes

    def _load_over(self, now: datetime) -> list[bytes]:
        """The load profiles of the days that are over, and how the modem is."""
        if self.config.load_period_s is None:
            return []
        midnight = now.astimezone(WIB).replace(hour=0, minute=0, second=0, microsecond=0)
        pushes = self.tell_load(midnight, now, self.config.load_period_s)
        return pushes + self.tell_modem(now) if pushes else []

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
        """One measurement for the day's summary and the load profile: the mean load of an hour, and the voltage."""
        if self._register.powered:
            self.log.see(voltage_mv)
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

    def receive_sms(self, payload: bytes, now: datetime) -> list[bytes]:
        """A frame from the head end. Whatever is not authentic, fresh and understood is counted and not answered."""
        try:
            if self.faults.modem_dead or not self._register.powered:
                raise Dropped("unreachable")
            plain, counter = self._link.open_sms(payload)
            request = self._request_of(plain)
            if isinstance(request, blocks.SetWithList):
                answer = self._reply(self._set_list(request, now), now)
            elif isinstance(request, apdu.SetRequest):
                answer = self._reply(self._set(request, now), now)
            elif request.invoke_octet & apdu.SERVICE_CONFIRMED:
                answer = self._reply(apdu.ActionResponse(request.invoke_octet, self._act(request, now)), now)
            elif (request.class_id, request.obis, request.method) == WAKE_UP:
                self.asleep, answer = False, []
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

    def _request_of(self, plain: bytes) -> apdu.ActionRequest | apdu.SetRequest | blocks.SetWithList:
        """What an SMS may ask: a method, or a SET (of some kinds with list) that wants its answer."""
        try:
            request = blocks.decode(plain)
        except DlmsError as error:
            raise Dropped(error.code) from None
        sets = (apdu.SetRequest, blocks.SetWithList) if self.model.takes_lists else (apdu.SetRequest,)
        if isinstance(request, sets) and request.invoke_octet & apdu.SERVICE_CONFIRMED:
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

    def _reply(
        self, response: apdu.SetResponse | apdu.ActionResponse | blocks.SetListResponse, now: datetime
    ) -> list[bytes]:
        """The answer to a confirmed request, and what the request made the meter say besides."""
        said = [self._link.seal_sms(blocks.encode_any(response))]
        if self._new_keys is not None:
            # Their answer goes under the old ones, all that follows under the new.
            self._link.change_keys(self._new_keys)
            self._new_keys = None
        if self._push_asked:
            self._push_asked = False
            said += self._push(self._block(), now)
        if self._day_asked is not None:
            said += self._push(self._day_asked, now)
            self._day_asked = None
        return said

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
            "log": self.log.state(),
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
        self.log = Log.restored_from(state.get("log", {}))
        self._link.restore(state["link"])
        register_max_wh = self._decoder.register_max_wh
        self._decoder = MeterDecoder.restore(state["decoder"])
        self._decoder.register_max_wh = register_max_wh
