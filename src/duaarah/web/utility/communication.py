# SPDX-License-Identifier: Apache-2.0
"""How a meter is heard: contact, signal, counters and what is missing, and its raw frames with their decoding."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from duaarah.clock.queries import now
from duaarah.headend.communication import Frame, frames_from, frames_to, open_gaps, success_of
from duaarah.headend.models import MeterEvent
from duaarah.headend.ports import MeterKeys
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter, Pairing
from duaarah.web.shared.access import for_operator
from duaarah.wiring.drivers import DriverDirectory
from duaarah.wiring.keystores import MeterKeyring, key_store

PAGE = 25
GAPS_SHOWN = 20
TO_METER = "ke"
SIM_SOON = dt.timedelta(days=60)
_DRIVER = DriverDirectory()


@for_operator
def communication(request: HttpRequest, drn: str) -> HttpResponse:
    """One meter's communication. `arah=ke` shows what went to it, `jenis` one kind of event, `sebelum` the next page."""
    meter = Meter.objects.select_related("customer__holder", "site").filter(drn=drn).first()
    if meter is None:
        raise Http404
    at = now()
    pairing = pairing_of_meter(meter_id=meter.pk, at=at)
    kind, outbound = request.GET.get("jenis", ""), request.GET.get("arah", "") == TO_METER
    if kind not in ("", "REFUSED", *MeterEvent.Kind.values):
        raise Http404
    words = request.GET.get("sebelum", "")
    before = int(words) if words.isdecimal() and len(words) < 19 else None
    context = {
        "meter": meter,
        "pairing": pairing,
        "counters": getattr(meter, "invocation_counter", None),
        "status": getattr(meter, "modem_status", None),
        "success": success_of(meter_id=meter.pk, now=at),
        "gaps": open_gaps(meter_id=meter.pk, limit=GAPS_SHOWN),
        "ends_soon": _ends_soon(pairing, at.astimezone(ZoneInfo(meter.zone)).date()),
        "kinds": MeterEvent.Kind.choices,
        "kind": kind,
        "outbound": outbound,
        "now": at,
        **(_to(meter, before) if outbound else _from(meter, pairing, kind, before)),
    }
    return render(request, "utility/communication.html", context)


def _ends_soon(pairing: Pairing | None, today: dt.date) -> bool:
    """Whether the SIM works for less than two months more."""
    ends = None if pairing is None else pairing.sim.expires_date
    return ends is not None and ends - today < SIM_SOON


def _to(meter: Meter, before: int | None) -> dict[str, Any]:
    """What went to the meter: the octets as they went, never opened, for a token is in many of them."""
    found = frames_to(meter_id=meter.pk, before=before, limit=PAGE)
    # A session over IP has no SMS.
    rows = [{"attempt": one, "hex": bytes(one.segment.payload).hex(" ") if one.segment else ""} for one in found]
    return {"rows": rows, "before": found[-1].pk if len(found) == PAGE else None}


def _from(meter: Meter, pairing: Pairing | None, kind: str, before: int | None) -> dict[str, Any]:
    if pairing is None:
        return {"rows": [], "before": None}
    found = frames_from(pairing=pairing, kind=kind, before=before, limit=PAGE)
    keyring = MeterKeyring(key_store())
    keys = keyring.meter_keys(drn=meter.drn, wrapped=bytes(meter.dlms_keys_wrapped)) if found else None
    rows = [_row(meter, frame, keys) for frame in found]
    return {"rows": rows, "before": found[-1].sms.pk if len(found) == PAGE else None}


def _row(meter: Meter, frame: Frame, keys: MeterKeys | None) -> dict[str, Any]:
    payload = bytes(frame.sms.payload)
    read = _DRIVER.explain(profile=meter.profile, payload=payload, keys=keys)
    late = frame.event is not None and frame.event.meter_at is not None
    return {
        "sms": frame.sms,
        "event": frame.event,
        "hex": payload.hex(" "),
        "octets": len(payload),
        "read": read,
        "outline": "\n".join(read.outline),
        "behind_s": int((frame.event.arrived_at - frame.event.meter_at).total_seconds())
        if late and frame.event is not None and frame.event.meter_at is not None
        else None,
    }
