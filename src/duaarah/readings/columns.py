# SPDX-License-Identifier: Apache-2.0
"""
What a reading is in the interval store and to every analysis: one row a meter and interval.

Instants are UTC. `ts` is the end of the interval, as meters write it. An absent value is null, never 0.
"""

from __future__ import annotations

import pyarrow as pa

RAW, VALIDATED, ESTIMATED, EDITED = "raw", "validated", "estimated", "edited"
QUALITIES = (RAW, VALIDATED, ESTIMATED, EDITED)

READINGS = pa.schema(
    [
        pa.field("meter_id", pa.int64(), nullable=False),
        pa.field("ts", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("period_s", pa.int32(), nullable=False),
        pa.field("energy_wh", pa.float64()),  # drawn in the interval
        pa.field("register_wh", pa.float64()),  # the cumulative import register at `ts`
        pa.field("voltage_v", pa.float64()),  # mean of the interval, phase to neutral
        pa.field("current_a", pa.float64()),  # mean of the interval
        pa.field("flags", pa.int32(), nullable=False),  # the meter's own status bits, 0 = good
        pa.field("quality", pa.string(), nullable=False),  # one of QUALITIES
        pa.field("reason", pa.string(), nullable=False),  # why it is not as the meter told it; empty: it is
        pa.field("version", pa.int32(), nullable=False),  # 1 as it came, more after each correction
    ]
)
