# SPDX-License-Identifier: Apache-2.0
"""The verbs that read or set, each one domain call and one answer. Buying stands in `conversation`."""

from __future__ import annotations

import datetime as dt

from duaarah.messaging.addressing import meter_name
from duaarah.messaging.texts import kwh, local_day, rupiah
from duaarah.notices.preferences import start_warnings, stop_warnings, wants_no_warning
from duaarah.notices.settings import Asker, MeterDoesNotTalk, ThresholdRange, order_threshold
from duaarah.registry.models import Pairing
from duaarah.sms.models import InboundSms
from duaarah.texting.grammar import Asked, Verb
from duaarah.texting.reply import Reply
from duaarah.vending.queries import amount_idr, latest_loads

LOADS_MAX = 4
# Verbs whose domain is not built: the honest sentence each of them gets. A test lists them.
NOT_YET = {
    Verb.LOAD: "not_yet_load",
    Verb.REPORT: "not_yet_report",
    Verb.STATUS: "not_yet_status",
    Verb.SHOP: "not_yet_shop",
}


def history(asked: Asked, pairing: Pairing, language: str) -> Reply:
    """RIWAYAT [n]: the latest loads (four at most fit one SMS): day, rupiah, kWh."""
    limit = min(max(asked.count or LOADS_MAX, 1), LOADS_MAX)
    vends = latest_loads(meter_id=pairing.meter_id, limit=limit)
    if not vends:
        return Reply("history_empty", {"meter": meter_name(pairing)}, "history_empty")
    loads = "; ".join(
        f"{local_day(vend.closed_at or vend.paid_at, pairing.meter.zone)} {rupiah(amount_idr(vend), language)}"
        f" {kwh(vend.encoded_wh or 0, language)} kWh"
        for vend in vends
    )
    return Reply("history", {"meter": meter_name(pairing), "loads": loads}, "history")


def threshold(
    inbound: InboundSms, asked: Asked, pairing: Pairing, phone: str, language: str, now: dt.datetime
) -> Reply:
    """
    BATAS <kWh>: order the threshold; the meter's answer is the answer.

    The paired number's authority suffices, without PIN: nothing is spent and the supply is not switched.
    """
    if asked.energy_text is None:
        values = {"meter": meter_name(pairing), "kwh": kwh(pairing.meter.low_credit_threshold_wh, language)}
        silent = wants_no_warning(phone=phone, meter_id=pairing.meter_id)
        return Reply("threshold_now_silent" if silent else "threshold_now", values, "threshold_now")
    asker = Asker(
        reference=f"sms:{inbound.pk}",
        phone=phone,
        language=language,
        source=inbound.destination,
        bind_name=inbound.bind.name,
    )
    try:
        order_threshold(
            meter=pairing.meter,
            threshold_wh=asked.energy_wh or 0,
            actor=f"phone:...{phone[-3:]}",
            now=now,
            asker=asker,
        )
    except ThresholdRange as error:
        return Reply("threshold_range", {"given": asked.energy_text}, error.code)
    except MeterDoesNotTalk as error:
        return Reply("unknown_sender", {}, error.code)
    return Reply(None, {}, "threshold_ordered")


def warnings(asked: Asked, pairings: list[Pairing], phone: str, now: dt.datetime) -> Reply:
    """STOP and MULAI: the low-credit warnings of one site, or of all meters of this phone."""
    meter_ids = [pairing.meter_id for pairing in pairings]
    named = ", ".join(meter_name(pairing) for pairing in pairings[:2])
    named += f" (+{len(pairings) - 2})" if len(pairings) > 2 else ""
    if asked.verb is Verb.STOP:
        stop_warnings(phone=phone, meter_ids=meter_ids, now=now)
        return Reply("warnings_off", {"meter": named}, "warnings_off")
    start_warnings(phone=phone, meter_ids=meter_ids, now=now)
    return Reply("warnings_on", {"meter": named}, "warnings_on")
