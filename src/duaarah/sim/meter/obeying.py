# SPDX-License-Identifier: Apache-2.0
"""What a simulated meter does when it is told: settings, orders, new keys; by SMS or in a session, the same."""

from __future__ import annotations

from datetime import datetime

from duaarah.core.intent import DailySummary
from duaarah.core.smsplan import PlanError, ReportingPlan
from duaarah.sim.meter import orders
from duaarah.sim.meter.config import MeterConfig
from duaarah.sim.meter.key_transfer import SECURITY, SECURITY_CLASS, TRANSFER, transferred
from duaarah.sim.meter.link import MeterLink
from duaarah.sim.meter.models import MeterModel
from duaarah.sim.meter.reporting import Reporting, plan_written
from duaarah.sim.meter.view import MeterView
from duaarah.wire.dlms import apdu, blocks
from duaarah.wire.dlms.axdr import Data
from duaarah.wire.dlms.ciphering import Keys

THRESHOLD_MAX_WH = 1_000_000


class Obeying(MeterView):
    """Orders and settings, done where the standard or the maker puts them."""

    config: MeterConfig
    model: MeterModel
    _link: MeterLink
    _push_asked: bool
    _day_asked: DailySummary | None
    _new_keys: Keys | None

    def write(self, request: apdu.SetRequest, now: datetime) -> int:
        """A SET over an associated session: its Data-Access-Result."""
        return self._set(request, now).result

    def perform(self, request: apdu.ActionRequest | apdu.SetRequest, now: datetime) -> int | None:
        """An order over an associated session: its result; None when its address is no order's."""
        result = self._ordered(request, now)
        return None if result == apdu.OBJECT_UNDEFINED else result

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
        if also.startswith("push_day:"):
            told = self._reporting.told_again(int(also[9:]), self.credit_wh) if self._reporting else None
            if told is None:
                return apdu.OTHER_REASON
            self._day_asked = told
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

    def _set_list(self, request: blocks.SetWithList, now: datetime) -> blocks.SetListResponse:
        """Each by itself: one that is refused stops no other."""
        invoke = request.invoke_octet
        results = []
        for item, value in zip(request.items, request.values, strict=True):
            single = apdu.SetRequest(
                invoke, item.class_id, item.obis, item.number, value, item.selector, item.selection
            )
            results.append(self._set(single, now).result)
        return blocks.SetListResponse(invoke, tuple(results))

    def _set_plan(self, value: Data) -> int:
        try:
            self.set_plan(plan_written(value, as_octets=self.model.plan_as_octets))
        except TypeError:
            return apdu.TYPE_UNMATCHED
        except PlanError:
            return apdu.OTHER_REASON
        return apdu.SUCCESS

    def set_plan(self, plan: ReportingPlan) -> None:
        """What was sent and kept this month stays counted; the new plan judges it."""
        if self._reporting is None:
            self._reporting = Reporting(plan)
        self._reporting.plan = plan
