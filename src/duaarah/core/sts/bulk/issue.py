# SPDX-License-Identifier: Apache-2.0
"""Tokens of classes 0 and 2 for many meters at once, and any payload sealed: digit for digit what the scalar path makes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from duaarah.core.sts.bulk.amounts import encode_currency_rows, encode_steps
from duaarah.core.sts.bulk.digits import DIGITS, check_sums, insert_class, write
from duaarah.core.sts.bulk.keys import DecoderKeys
from duaarah.core.sts.bulk.rows import (
    CHUNK_ROWS,
    Faults,
    Integers,
    chunks,
    integers,
    mark,
    raise_first,
    row_count,
    wide_rows,
)
from duaarah.core.sts.errors import BadRequest, FieldRange, KENExpired
from duaarah.core.sts.fields import KEY_CHANGE, LAYOUTS, POWER, TRANSFER_CREDIT
from duaarah.core.sts.token import is_currency

Column = NDArray[np.int64]
KINDS = 64
CURRENCY = np.array([is_currency(kind >> 4, kind & 15) for kind in range(KINDS)])
AMOUNTS = np.array([(kind >> 4, kind & 15) in TRANSFER_CREDIT | POWER for kind in range(KINDS)])
# Those of the layout random number (or S&E), TID, field.
TIMED = np.array(
    [(k >> 4, k & 15) in LAYOUTS and k >> 4 != 1 and (k >> 4, k & 15) not in KEY_CHANGE for k in range(KINDS)]
)


@dataclass(frozen=True, slots=True, repr=False)
class Issued:
    """Tokens (dtype S20) and the fault of each row; a row with a fault has an empty token."""

    tokens: NDArray[np.bytes_]
    faults: Faults


def kinds_of(token_class: Column, subclass: Column) -> tuple[Column, NDArray[np.bool_]]:
    """Class and subclass as one number below `KINDS`, and which rows have one at all."""
    there = (token_class >= 0) & (token_class < 4) & (subclass >= 0) & (subclass < 16)
    return np.where(there, token_class << 4 | subclass, 0), there


def issue_rows(
    keys: DecoderKeys,
    *,
    token_class: Integers,
    subclass: Integers,
    tid: Integers,
    rnd: Integers,
    ken: Integers,
    field: Integers | None = None,
    steps: Integers | None = None,
    mask: bool = False,
) -> Issued:
    """
    One token a row, of the layout RND, TID, field: class 0, and class 2 but for key changes.

    A single integer stands for every row. `field` is raw 16 bits; `steps` an amount (0.1, 0.00001 or 1 W), rounded up to
    the next representable one. Where a raw currency field is given, `rnd` carries its S&E; where its steps are, `rnd` is
    not read. A row is judged in the order of `duaarah sts batch`: class and subclass, amount, TID, random number, KEN.

    Raises:
        BadRow: the first row that the scalar path would refuse, unless `mask`.
        BadRequest: not just one of field and steps, columns that are no integers or differ in length.
    """
    given = field if field is not None else steps
    if given is None or (field is not None and steps is not None):
        raise BadRequest("Give field or steps, one of them.")
    count = row_count(range(len(keys)), token_class, subclass, tid, rnd, ken, given)
    names = {"class": token_class, "subclass": subclass, "tid": tid, "rnd": rnd, "ken": ken, "amount": given}
    columns = [integers(column, name, count) for name, column in names.items()]
    wide = {} if steps is None else wide_rows(steps, count)
    batch = _Batch(keys.spread(count), count, mask)
    for rows in chunks(count):
        here = {row - rows.start: value for row, value in wide.items() if rows.start <= row < rows.stop}
        faults = batch.faults[rows]
        payload = _payloads([column[rows] for column in columns], here if steps is not None else None, faults)
        batch.seal(rows, columns[0][rows], payload)
    return batch.issued()


def seal_rows(keys: DecoderKeys | None, *, token_class: Integers, payload48: Integers, mask: bool = False) -> Issued:
    """
    Whole 48-bit payloads sealed as they are: key changes, class 1 (clear; `keys` may be None if all rows are).

    Raises:
        BadRow: FieldRange for the first payload beyond 48 bits or class beyond 0 to 3, unless `mask`.
        BadRequest: columns that are no integers or differ in length.
    """
    count = row_count(token_class, payload48, *([] if keys is None else [range(len(keys))]))
    classes, payloads = integers(token_class, "class", count), integers(payload48, "payload48", count)
    if keys is None and (classes != 1).any():
        raise BadRequest("Only tokens of class 1 need no decoder key.")
    batch = _Batch(None if keys is None else keys.spread(count), count, mask)
    for rows in chunks(count):
        there = (payloads[rows] >> 48 == 0) & (classes[rows] >> 2 == 0)
        mark(batch.faults[rows], ~there, FieldRange)
        batch.seal(rows, np.where(there, classes[rows], 0), np.where(there, payloads[rows], 0))
    return batch.issued()


class _Batch:
    """The tokens of a batch as they come, chunk by chunk."""

    def __init__(self, keys: DecoderKeys | None, count: int, mask: bool) -> None:
        self._keys = keys
        self._mask = mask
        self._tokens = np.empty(count, dtype=f"S{DIGITS}")
        self.faults = np.zeros(count, dtype=np.uint8)
        if keys is not None and keys.faults is not None:
            self.faults[:] = keys.faults

    def seal(self, rows: slice, token_class: Column, payload: Column) -> None:
        """At most `CHUNK_ROWS` rows; those with a fault get no token. Raises BadRow unless the batch is masked."""
        assert payload.size <= CHUNK_ROWS
        faults = self.faults[rows]
        if not self._mask:
            raise_first(faults, rows.start)
        token_class = np.where(faults == 0, token_class, 0) if faults.any() else token_class
        words = payload.view(np.uint64)
        sums = check_sums(token_class, words, CURRENCY[token_class << 4 | payload >> 44])
        blocks = words << np.uint64(16) | sums
        if self._keys is not None:
            encrypted = self._keys[rows].encrypt(blocks)
            clear = token_class == 1
            blocks = np.where(clear, blocks, encrypted) if clear.any() else encrypted
        write(*insert_class(token_class, blocks), self._tokens[rows])
        if faults.any():
            self._tokens[rows][faults != 0] = b""

    def issued(self) -> Issued:
        return Issued(self._tokens, self.faults)


def _payloads(columns: list[Column], wide: dict[int, int] | None, faults: Faults) -> Column:
    """48-bit payloads; `wide` is None where `amount` is raw fields. Rows with a fault say nothing."""
    token_class, subclass, tid, rnd, ken, amount = columns
    kind, there = kinds_of(token_class, subclass)
    mark(faults, ~(there & TIMED[kind]), BadRequest)
    lead, field = rnd, amount
    if wide is not None:
        mark(faults, ~AMOUNTS[kind], BadRequest)
        lead, field = _encoded(CURRENCY[kind], rnd, amount, wide, faults)
    mark(faults, (field < 0) | (field > 0xFFFF), FieldRange)
    mark(faults, (tid < 0) | (tid >= 1 << 24) | (lead < 0) | (lead > 15), FieldRange)
    mark(faults, tid >> 16 > ken, KENExpired)
    payload = subclass << 44 | lead << 40 | tid << 16 | field
    return np.where(faults == 0, payload, 0) if faults.any() else payload


def _encoded(
    currency: NDArray[np.bool_], rnd: Column, steps: Column, wide: dict[int, int], faults: Faults
) -> tuple[Column, Column]:
    """RND or S&E, and field, of amounts; each unit's rule is asked only about its own rows."""
    if not currency.any():
        return rnd, encode_steps(steps, faults)
    others = np.zeros_like(faults)
    credit = encode_steps(np.where(currency, 0, steps), others)
    sign_exponent, field = encode_currency_rows(np.where(currency, steps, 0), _only(wide, currency), others)
    np.copyto(faults, others, where=(faults == 0) & (others != 0))
    return np.where(currency, sign_exponent, rnd), np.where(currency, field, credit)


def _only(wide: dict[int, int], currency: NDArray[np.bool_]) -> dict[int, int]:
    return {row: value for row, value in wide.items() if currency[row]}
