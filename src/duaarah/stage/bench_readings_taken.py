# SPDX-License-Identifier: Apache-2.0
"""
`bench readings`, figure `taken_by_the_head_end_per_s`: the head end's whole transaction over stored pushes of a day each.

Beside the interval store it keeps each value in PostgreSQL, judges counters, writes an event a push and a word an interval
for outages: what `landed_from_pushes_per_s` leaves out.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Iterator
from typing import Any

from django.db import connection

from duaarah.headend.models import InboundFrame, InvocationCounter, MeterEvent
from duaarah.headend.ports import MeterKeys
from duaarah.notices.pushes import take_pushes
from duaarah.registry.models import Meter
from duaarah.stage.bench_readings_pushes import BEGIN_AT, PROFILE, PUSH_BATCH, keys_of, sealed
from duaarah.wiring.pushes import PushFrames

ROWS, PUSHES, LEASE_S = 96, 4_000, 300
Record = dict[str, Any]


class Keys:
    """Opened keys, as a keyring keeps them."""

    def meter_keys(self, *, drn: str, wrapped: bytes) -> MeterKeys:
        """See headend.ports.KeyUnwrapper."""
        return keys_of(int(drn))


def run(common: Record, share: float = 1.0) -> Iterator[Record]:
    """Yields one record; the database of the settings gets meters and frames."""
    meters = range(1, 1 + max(PUSH_BATCH, int(PUSHES * share)))
    _register(meters)
    frames, _ = sealed(meters, {meter: keys_of(meter) for meter in meters}, ROWS)
    arrived_at = BEGIN_AT + dt.timedelta(days=1, hours=1)
    ids = dict(Meter.objects.filter(sts_register="bench-readings").values_list("drn", "pk"))
    InboundFrame.objects.bulk_create(
        [
            InboundFrame(
                **{"meter_id": ids[_drn(meter)], "bearer": "TCP", "framing": "wrapper", "peer": "", "raw": b""},
                **{"apdu": frame, "digest": meter.to_bytes(16, "big"), "received_at": arrived_at},
                **{"arrived_at": arrived_at, "state": "RECEIVED"},
            )
            for meter, frame in frames
        ]
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE headend_inboundframe, registry_meter, headend_invocationcounter")
    began_s = time.perf_counter()
    while take_pushes(frames=PushFrames(), keys=Keys(), now=arrived_at, limit=PUSH_BATCH, lease_s=LEASE_S):
        pass
    taken_s = time.perf_counter() - began_s
    if MeterEvent.objects.filter(kind="LOAD_PROFILE", meter_id__in=ids.values()).count() != len(meters):
        raise AssertionError("Not every push became one event.")
    yield {
        **common,
        **{"figure": "taken_by_the_head_end_per_s", "value": round(len(meters) * ROWS / taken_s), "unit": "1/s"},
        **{"rows": ROWS, "pushes": len(meters), "processes": 1, "load": round(os.getloadavg()[0], 1)},
    }


def _drn(meter: int) -> str:
    return f"{meter:011d}"


def _register(meters: range) -> None:
    Meter.objects.bulk_create(
        Meter(
            **{"drn": _drn(meter), "pan": f"600727{_drn(meter)}0", "profile": PROFILE, "tariff_group": "R-1"},
            **{"region": "Depok", "contracted_va": 1300, "low_credit_threshold_wh": 5_000},
            **{"sts_register": "bench-readings", "sgc": "999901", "ti": "01", "krn": 1, "kt": 2, "ken": 255},
            **{"base_date": 2014, "dkga": "04", "ea": "07"},
            system_title=b"DUA" + meter.to_bytes(5, "big"),
            dlms_keys_wrapped=b"",
        )
        for meter in meters
    )
    rows = Meter.objects.filter(sts_register="bench-readings")
    InvocationCounter.objects.bulk_create(InvocationCounter(meter=meter) for meter in rows)
