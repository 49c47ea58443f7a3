# SPDX-License-Identifier: Apache-2.0
"""
`bench dlms`: encrypted pushes read a second on one core. Needs no database.

A push = 96 rows of {clock, status, register}, authenticated and encrypted, in the 8-octet wrapper: 2,266 octets.
Every push is another one, under another counter; each is read from its octets to typed values, and what is read must
be what was written. Each figure is the best of many short repetitions: another load on the
machine makes one slower, nothing makes it faster.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from duaarah.drivers.decode import answer
from duaarah.wire.dlms import apdu, axdr, ciphering
from duaarah.wire.dlms.apdu import DataNotification
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.datetime import DateTime
from duaarah.wire.dlms.profile_buffer import compress, expand
from duaarah.wire.dlms.protection import ReadKeys
from duaarah.wire.dlms.receive import receive

SEED = 7
PUSHES = 20
ROWS = 96
PERIOD_S = 900
REPETITIONS = 100
TITLE = b"DUA\x00\x00\x00\x00\x07"
_STARTED = datetime(2026, 7, 11, tzinfo=UTC)
Record = dict[str, Any]


def run() -> Iterator[Record]:
    """Yields the bench's JSON records."""
    draw = random.Random(SEED)
    keys = Keys(draw.randbytes(16), draw.randbytes(16))
    tables = [_rows(draw) for _ in range(PUSHES)]
    arrays = [Data(Tag.ARRAY, tuple(structure(*row) for row in table)) for table in tables]
    compact = [Data(Tag.COMPACT_ARRAY, tuple(row[2] for row in table)) for table in tables]
    sparse = [compress(table, period_s=PERIOD_S, delta=True) for table in tables]
    yield _decoding("decode_per_s", arrays, arrays, keys)
    yield _decoding("decode_compact_array_per_s", compact, [Data(Tag.ARRAY, one.value) for one in compact], keys)
    yield _decoding("decode_null_and_delta_per_s", sparse, sparse, keys)
    assert [expand(one, period_s=PERIOD_S) for one in sparse] == tables
    yield _answering(arrays, keys)
    plain = [axdr.encode(one) for one in arrays]
    yield _record("values_alone_per_s", _rate(lambda: [axdr.decode(one) for one in plain]))


def _rows(draw: random.Random) -> list[tuple[Data, ...]]:
    """Consumption as a household has it: the register grows by 0 to 700 Wh each quarter of an hour."""
    rows = list[tuple[Data, ...]]()
    register_wh = draw.randrange(1 << 30)
    for number in range(ROWS):
        clock = DateTime.from_instant(_STARTED + timedelta(seconds=PERIOD_S * number)).to_octets()
        register_wh += draw.randrange(700)
        rows.append((octets(clock), Data(Tag.UNSIGNED, 0), Data(Tag.DOUBLE_LONG_UNSIGNED, register_wh)))
    return rows


def _frames(bodies: list[Data], keys: Keys) -> list[bytes]:
    frames = []
    for counter, body in enumerate(bodies, 1):
        push = apdu.encode(DataNotification(counter, DateTime.from_instant(_STARTED), body))
        inner = ciphering.protect(push, keys=keys, system_title=TITLE, counter=counter)
        frames.append(bytes.fromhex("000100010010") + len(inner).to_bytes(2, "big") + inner)
    return frames


def _record(figure: str, value: int, **method: Any) -> Record:
    method = {"rows": PUSHES, "repetitions": REPETITIONS, "best_of": REPETITIONS, "seed": SEED, **method}
    return {"bench": "dlms", "figure": figure, "value": value, "unit": "1/s", "cores": 1, **method}


def _rate(act: Callable[[], object]) -> int:
    """Pushes a second, the best of `REPETITIONS`."""
    taken_s = []
    for _ in range(REPETITIONS):
        started_s = time.perf_counter()
        act()
        taken_s.append(time.perf_counter() - started_s)
    return round(PUSHES / min(taken_s))


def _decoding(figure: str, bodies: list[Data], expected: list[Data], keys: Keys) -> Record:
    """Octets of the datagram to typed values: framing found, wrapper, GCM, APDU, A-XDR."""
    frames = _frames(bodies, keys)
    read_keys = ReadKeys(keys.encryption_key, keys.authentication_key)
    for frame, body in zip(frames, expected, strict=True):
        push = receive(frame, None, read_keys).opened[0].apdu
        assert isinstance(push, DataNotification) and push.body == body
    rate = _rate(lambda: [receive(frame, None, read_keys) for frame in frames])
    return _record(figure, rate, octets=len(frames[0]))


def _answering(bodies: list[Data], keys: Keys) -> Record:
    """The record of `dlms decode`, from hex to lists ready for JSON."""
    key_texts = {"ek": keys.encryption_key.hex(), "ak": keys.authentication_key.hex()}
    requests = [{"hex": frame.hex(), **key_texts} for frame in _frames(bodies, keys)]
    assert all("error" not in answer(request) for request in requests)
    return _record("records_per_s", _rate(lambda: [answer(request) for request in requests]))
