# SPDX-License-Identifier: Apache-2.0
"""What meters make of many tokens (IEC 62055-41, 7.1): `core.sts.decode` by columns, without a TID store."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from duaarah.core.sts.bulk.amounts import decode_currency_rows, decode_steps
from duaarah.core.sts.bulk.digits import check_sums, extract_class, read
from duaarah.core.sts.bulk.issue import AMOUNTS, CURRENCY, KINDS, TIMED, Column
from duaarah.core.sts.bulk.keys import DecoderKeys
from duaarah.core.sts.bulk.rows import CHUNK_ROWS, Faults, Integers, Texts, chunks, integers, mark, raise_first
from duaarah.core.sts.decode import KT_DDTK, Result
from duaarah.core.sts.errors import BadRequest, TokenLength, TokenRange
from duaarah.core.sts.fields import CLEAR_CREDIT, LAYOUTS

RESULTS = tuple(Result)
NO_RESULT = 255
NONE = -1
_SUPPORTED = np.array([(kind >> 4, kind & 15) in LAYOUTS for kind in range(KINDS)])
_CLEAR_CREDIT = CLEAR_CREDIT[0] << 4 | CLEAR_CREDIT[1]


def _result(result: Result) -> int:
    return RESULTS.index(result)


@dataclass(frozen=True, slots=True, repr=False)
class DecodedRows:
    """
    Columns of one batch. `result` is a place in `RESULTS`, `NO_RESULT` where the row has a fault. -1 (`NONE`) stands in
    every other column for what a row does not say; after a check sum that does not fit it says nothing.

    `rnd` is S&E in currency credits; `payload48` holds what key changes and class 1 say. `steps` counts where `has_steps`:
    there is an amount and 64 bits hold it (for greater ones ask `core.sts.amounts.decode_currency`).
    """

    result: NDArray[np.uint8]
    faults: Faults
    token_class: NDArray[np.int8]
    subclass: NDArray[np.int8]
    rnd: NDArray[np.int8]
    tid: NDArray[np.int32]
    field: NDArray[np.int32]
    steps: NDArray[np.int64]
    has_steps: NDArray[np.bool_]
    payload48: NDArray[np.int64]

    @classmethod
    def of_size(cls, count: int) -> DecodedRows:
        return cls(
            result=np.full(count, NO_RESULT, dtype=np.uint8),
            faults=np.zeros(count, dtype=np.uint8),
            token_class=np.full(count, NONE, dtype=np.int8),
            subclass=np.full(count, NONE, dtype=np.int8),
            rnd=np.full(count, NONE, dtype=np.int8),
            tid=np.full(count, NONE, dtype=np.int32),
            field=np.full(count, NONE, dtype=np.int32),
            steps=np.zeros(count, dtype=np.int64),
            has_steps=np.zeros(count, dtype=np.bool_),
            payload48=np.full(count, NONE, dtype=np.int64),
        )


def decode_rows(
    keys: DecoderKeys | None, tokens: Texts, *, kt: Integers = 2, ken: Integers = 255, mask: bool = False
) -> DecodedRows:
    """
    Judge one token a row, in the order in which a meter judges; whether a TID was used before is the meter's own affair.

    `keys` may be None where all tokens are clear (class 1 or 3).

    Raises:
        BadRow: TokenLength or TokenRange for the first row that is no token at all, unless `mask`.
        BadRequest: not as many keys (or one) as tokens, or columns of the wrong kind.
    """
    count = len(tokens)
    spread = None if keys is None else keys.spread(count)
    kts, kens = integers(kt, "kt", count), integers(ken, "ken", count)
    made = DecodedRows.of_size(count)
    if spread is not None and spread.faults is not None:
        made.faults[:] = spread.faults
    for rows in chunks(count):
        _decode(None if spread is None else spread[rows], tokens[rows], kts[rows], kens[rows], made, rows, mask)
    return made


def _decode(
    keys: DecoderKeys | None, tokens: Texts, kt: Column, ken: Column, made: DecodedRows, rows: slice, mask: bool
) -> None:
    """One chunk, into its rows of `made`."""
    faults = made.faults[rows]
    assert faults.size <= CHUNK_ROWS
    upper, lower, malformed, large = read(tokens)
    mark(faults, malformed, TokenLength)
    mark(faults, large, TokenRange)
    if not mask:
        raise_first(faults, rows.start)
    token_class, blocks = extract_class(upper, lower)
    hidden = token_class & 1 == 0
    if keys is not None:
        opened = keys.decrypt(blocks)
        blocks = opened if hidden.all() else np.where(hidden, opened, blocks)
    elif (hidden & (faults == 0)).any():
        raise BadRequest("A token of class 0 or 2 needs a decoder key.")
    payload = (blocks >> np.uint64(16)).view(np.int64)
    kind = token_class << 4 | payload >> 44
    sums = check_sums(token_class, payload.view(np.uint64), CURRENCY[kind])
    fits = (blocks & np.uint64(0xFFFF) == sums) & (faults == 0)
    made.result[rows] = np.where(faults == 0, _judged(kind, payload, kt, ken, fits), NO_RESULT)
    _describe(made, rows, kind, payload, fits)


def _judged(kind: Column, payload: Column, kt: Column, ken: Column, fits: NDArray[np.bool_]) -> Column:
    """The results, the last word first: what is judged earlier overwrites it."""
    tid, field = payload >> 16 & 0xFFFFFF, payload & 0xFFFF
    timed = TIMED[kind]
    result = np.full(kind.size, _result(Result.ACCEPT), dtype=np.int64)
    register = (kind == _CLEAR_CREDIT) & (field > 7) & (field != 0xFFFF)
    result[register] = _result(Result.RANGE)
    result[timed & (tid >> 16 > ken)] = _result(Result.KEY_EXPIRED)
    result[timed & (kt == KT_DDTK) & (kind >> 4 == 0)] = _result(Result.DDTK)
    result[~_SUPPORTED[kind]] = _result(Result.UNSUPPORTED)
    result[~fits] = _result(Result.CRC)
    return result


def _describe(made: DecodedRows, rows: slice, kind: Column, payload: Column, fits: NDArray[np.bool_]) -> None:
    timed = TIMED[kind] & fits
    lead, field = payload >> 40 & 15, payload & 0xFFFF
    made.token_class[rows] = np.where(fits, kind >> 4, NONE)
    made.subclass[rows] = np.where(fits, kind & 15, NONE)
    made.payload48[rows] = np.where(fits, payload, NONE)
    made.rnd[rows] = np.where(timed, lead, NONE)
    made.tid[rows] = np.where(timed, payload >> 16 & 0xFFFFFF, NONE)
    made.field[rows] = np.where(timed, field, NONE)
    amounts = AMOUNTS[kind] & fits
    steps, known = decode_steps(field), amounts
    currency = CURRENCY[kind] & fits
    if currency.any():
        signed, within = decode_currency_rows(lead, field)
        steps, known = np.where(currency, signed, steps), amounts & (within | ~currency)
    made.has_steps[rows] = known
    made.steps[rows] = np.where(known, steps, 0)
