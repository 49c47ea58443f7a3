# SPDX-License-Identifier: Apache-2.0
"""
`bench sts`: tokens a second on one core, one by one and in bulk, and the memory of a million. Needs no database.

Every figure is the best of several repetitions: another load on the machine makes a run slower, nothing makes it faster.
Keys, TIDs and random numbers are drawn before the clock starts, from a printed seed; every key is another one in bulk.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from duaarah.core.sts import DecoderKey, KeyConfiguration
from duaarah.core.sts.bulk import RESULTS, DecoderKeys, decode_rows, derive_rows, issue_rows
from duaarah.core.sts.identifiers import luhn_digit, pan_of
from duaarah.core.sts.token import seal
from duaarah.stage import bench_softhsm

SEED = 7
SINGLES = 20_000
SINGLE_KEYS = 500
ROWS = 262_144
DERIVED_ROWS = 100_000
MEMORY_ROWS = 1_000_000
REPETITIONS = 5
SECURITY_MODULE_S = 5
KEY_OCTETS = {"07": 8, "11": 16}
# What the child process does; it imports this module, so that the baseline holds the same code.
_CHILD = "from duaarah.stage.bench_sts import memory_child; memory_child({ea!r}, {rows})"
Record = dict[str, Any]


def run() -> Iterator[Record]:
    """Yields the bench's JSON records."""
    for ea in ("07", "11"):
        yield _singles(ea)
    for ea in ("07", "11"):
        yield from _known_keys(ea)
    for dkga, ea in (("02", "07"), ("04", "07"), ("04", "11")):
        yield _deriving(dkga, ea)
    for ea in ("07", "11"):
        yield from _memory(ea)
    yield from _security_module()


def _record(figure: str, value: float, unit: str, **method: Any) -> Record:
    # One core does the work of every figure; the machine may have more.
    return {"bench": "sts", "figure": figure, "value": value, "unit": unit, "cores": 1, **method}


def _rate(rows: int, act: Callable[[], object]) -> int:
    """Rows a second, the best of `REPETITIONS`."""
    taken_s = []
    for _ in range(REPETITIONS):
        started_s = time.perf_counter()
        act()
        taken_s.append(time.perf_counter() - started_s)
    return round(rows / min(taken_s))


def _method(rows: int, ea: str, **more: Any) -> Record:
    return {"rows": rows, "repetitions": REPETITIONS, "best_of": REPETITIONS, "ea": ea, "seed": SEED, **more}


def _singles(ea: str) -> Record:
    """The scalar path with decoder keys and schedules in the cache: payload to 20 digits."""
    draw = random.Random(SEED)
    keys = [DecoderKey(ea, draw.randbytes(KEY_OCTETS[ea])) for _ in range(SINGLE_KEYS)]
    for key in keys:
        key.encrypt(0)
    work = [(draw.getrandbits(44), keys[number % SINGLE_KEYS]) for number in range(SINGLES)]

    def act() -> None:
        for payload, key in work:
            seal(0, payload, key)

    return _record("single_tokens_per_s", _rate(SINGLES, act), "1/s", **_method(SINGLES, ea, keys=SINGLE_KEYS))


def _columns(rows: int) -> dict[str, Any]:
    draw = np.random.default_rng(SEED)
    return {
        "token_class": 0,
        "subclass": 0,
        "ken": 255,
        "tid": draw.integers(0, 1 << 24, rows),
        "rnd": draw.integers(0, 16, rows),
        "steps": draw.integers(0, 18_201_625, rows),
    }


def _keys(ea: str, rows: int) -> DecoderKeys:
    return DecoderKeys(ea, np.random.default_rng(SEED).integers(0, 256, (rows, KEY_OCTETS[ea]), dtype=np.uint8))


def _known_keys(ea: str) -> Iterator[Record]:
    """Amounts to digits and back, another key in each row. What is read must be what was written."""
    columns, keys = _columns(ROWS), _keys(ea, ROWS)
    rate = _rate(ROWS, lambda: issue_rows(keys, **columns))
    yield _record("bulk_issue_per_s", rate, "1/s", **_method(ROWS, ea))
    tokens = issue_rows(keys, **columns).tokens
    rate = _rate(ROWS, lambda: decode_rows(keys, tokens))
    read = decode_rows(keys, tokens)
    assert {RESULTS[result] for result in np.unique(read.result)} == {"accept"}
    assert (read.tid == columns["tid"]).all() and (read.rnd == columns["rnd"]).all()
    yield _record("bulk_decode_per_s", rate, "1/s", **_method(ROWS, ea))


def _pans(count: int) -> list[str]:
    drns = (f"{number:010d}" for number in range(count))
    return [pan_of(drn + luhn_digit(drn)) for drn in drns]


def _deriving(dkga: str, ea: str) -> Record:
    """From PANs as text: check digits, key generation, amounts, encryption, digits; nothing is known before."""
    configuration = KeyConfiguration(dkga=dkga, ea=ea, sgc="201457", ti="01", krn=1, kt=2, ken=255, base_date=2014)
    vending_key = random.Random(SEED).randbytes(8 if dkga == "02" else 20)
    pans, columns = _pans(DERIVED_ROWS), _columns(DERIVED_ROWS)
    rate = _rate(DERIVED_ROWS, lambda: issue_rows(derive_rows(vending_key, configuration, pans), **columns))
    return _record("bulk_derive_and_issue_per_s", rate, "1/s", **_method(DERIVED_ROWS, ea, dkga=dkga))


def memory_child(ea: str, rows: int) -> None:
    """Makes one batch (none for no rows) and prints the greatest resident size of this process, in bytes."""
    if rows:
        keys, columns = _keys(ea, rows), _columns(rows)
        read = decode_rows(keys, issue_rows(keys, **columns).tokens)
        assert (read.tid == columns["tid"]).all()
    unit = 1 if sys.platform == "darwin" else 1024
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def _memory(ea: str) -> Iterator[Record]:
    """A million rows issued and decoded in a fresh process; beside it stands the same process without a batch."""
    peak_bytes, baseline_bytes = (_child_bytes(ea, rows) for rows in (MEMORY_ROWS, 0))
    yield _record(
        "million_rows_peak_memory", peak_bytes, "B", rows=MEMORY_ROWS, ea=ea, baseline=baseline_bytes, repetitions=1
    )


def _child_bytes(ea: str, rows: int) -> int:
    # On Linux a process inherits the greatest size of the one that executed it, so that this bench's own would be reported.
    # A shell in between, which forks and does not execute in its own place, starts from nothing.
    script = '"$0" -c "$1"; exit $?'
    command = ["/bin/sh", "-c", script, sys.executable, _CHILD.format(ea=ea, rows=rows)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    made = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return int(made.stdout)


def _security_module() -> Iterator[Record]:
    """Tokens through SoftHSM2, each for another meter; no record where it is not installed, and a line that says so."""
    try:
        tokens, taken_s = bench_softhsm.measured(SECURITY_MODULE_S)
    except bench_softhsm.NoModule as missing:
        print(f"bench: no figure for SoftHSM2: {missing}", file=sys.stderr, flush=True)
        return
    yield _record("softhsm2_tokens_per_s", round(tokens / taken_s), "1/s", rows=tokens, repetitions=1)
