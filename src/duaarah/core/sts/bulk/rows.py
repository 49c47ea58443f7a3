# SPDX-License-Identifier: Apache-2.0
"""
What every step over a batch shares: columns of integers and texts, and faults of rows.

A fault is a number per row, 0 where nothing is wrong, else the place of the error's class in `FAULTS`. NumPy's own
exceptions never reach a caller: what cannot be a column at all is BadRequest, what a row cannot say is that row's fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duaarah.core.sts.errors import (
    AmountNegative,
    AmountRange,
    BadRequest,
    DRNLuhn,
    FieldRange,
    KENExpired,
    PANLength,
    PANLuhn,
    STSError,
    TokenLength,
    TokenRange,
)

# Rows worked on at once: the working set of either cipher stays in the second-level cache.
CHUNK_ROWS = 8192
_INT64 = np.iinfo(np.int64)
# Beyond this an amount is encoded one by one: offsets are added to it, and 64 bits must hold the sum.
WIDE = 1 << 62

FAULTS: tuple[type[STSError] | None, ...] = (
    None,
    BadRequest,
    PANLength,
    PANLuhn,
    DRNLuhn,
    AmountRange,
    AmountNegative,
    FieldRange,
    KENExpired,
    TokenLength,
    TokenRange,
)
_SENTENCES = {
    BadRequest: "this class and subclass cannot be made from these columns.",
    PANLength: "a MeterPAN is 18 digits.",
    PANLuhn: "the last digit of this MeterPAN is wrong.",
    DRNLuhn: "the check digit of the meter number in this MeterPAN is wrong.",
    AmountRange: "the amount is larger than a token can carry.",
    AmountNegative: "this amount may not be negative.",
    FieldRange: "a value does not fit the bits of its field.",
    KENExpired: "the key expired before this TID.",
    TokenLength: "a token is 20 digits.",
    TokenRange: "no token is that large; please check the digits.",
}
Faults = NDArray[np.uint8]
Integers = Sequence[int] | NDArray[Any] | int
Texts = Sequence[str] | NDArray[Any]


class BadRow(STSError):
    """The first row of a batch that was refused: `row` counts from 0, `code` and `error` are the engine's own."""

    def __init__(self, row: int, error: type[STSError]) -> None:
        super().__init__(f"Row {row}: {_SENTENCES[error]}")
        self.row = row
        self.error = error
        self.code = error.code


def fault_of(error: type[STSError]) -> int:
    """The number that stands for an error in a column of faults."""
    return FAULTS.index(error)


def fault_code(fault: int) -> str | None:
    """The stable code of a fault, None where nothing is wrong."""
    error = FAULTS[fault]
    return None if error is None else error.code


def mark(faults: Faults, wrong: NDArray[np.bool_], error: type[STSError]) -> None:
    """Note an error in rows that have none yet: what is judged first is what a row is told."""
    if wrong.any():
        faults[wrong & (faults == 0)] = fault_of(error)


def raise_first(faults: Faults, first_row: int = 0) -> None:
    """Raises BadRow for the first faulty row, if there is one."""
    if faults.any():
        row = int(np.flatnonzero(faults)[0])
        error = FAULTS[faults[row]]
        assert error is not None
        raise BadRow(first_row + row, error)


def chunks(count: int) -> Iterator[slice]:
    for start in range(0, count, CHUNK_ROWS):
        yield slice(start, min(start + CHUNK_ROWS, count))


def row_count(*columns: Sequence[Any] | NDArray[Any] | int) -> int:
    """The rows of a batch: what its columns have, those aside that have one value for all."""
    sizes = {_length(column) for column in columns}
    return max(sizes - {1}, default=1)


def _length(column: Sequence[Any] | NDArray[Any] | int) -> int:
    if isinstance(column, np.ndarray):
        return column.size
    return len(column) if isinstance(column, Sequence) else 1


def integers(values: Integers, name: str, count: int) -> NDArray[np.int64]:
    """
    A column of `count` 64-bit integers; one value stands for every row, a larger integer for the largest there is.

    Raises:
        BadRequest: no integers, or another number of rows.
    """
    column = _narrow(_array(values, name))
    if column.shape not in ((), (1,), (count,)):
        raise BadRequest(f"{name} has the shape {column.shape}, the batch {count} rows.")
    return np.broadcast_to(column, (count,))


def wide_rows(values: Integers, count: int) -> dict[int, int]:
    """The rows whose integer lies beyond `WIDE`, exactly."""
    column = _array(values, "steps")
    if column.dtype.kind == "O":
        far = [row for row, value in enumerate(column.reshape(-1)) if abs(value) >= WIDE]
    else:
        far = np.flatnonzero((column.reshape(-1) >= WIDE) | (column.reshape(-1) <= -WIDE)).tolist()
    if far and column.size == 1:
        return dict.fromkeys(range(count), int(column.reshape(-1)[0]))
    return {row: int(column[row]) for row in far}


def _array(values: Integers, name: str) -> NDArray[Any]:
    array = values if isinstance(values, np.ndarray) else _listed(values, name)
    if array.dtype.kind in "iu":
        return array
    # Python's long integers; NumPy would make floats of some of them, and floats are refused.
    if array.dtype.kind == "O" and all(type(value) is int for value in array.reshape(-1)):
        return array
    raise BadRequest(f"{name} is a column of integers.")


def _listed(values: Sequence[int] | int, name: str) -> NDArray[Any]:
    try:
        array = np.array(values)
        return array if array.dtype.kind in "iu" else np.array(values, dtype=object)
    except (ValueError, OverflowError):
        raise BadRequest(f"{name} is a column of integers.") from None


def _narrow(array: NDArray[Any]) -> NDArray[np.int64]:
    if array.dtype.kind == "O":
        clipped = [min(max(value, int(_INT64.min)), int(_INT64.max)) for value in array.reshape(-1)]
        return np.array(clipped, dtype=np.int64).reshape(array.shape)
    if array.dtype == np.uint64:
        return np.minimum(array, np.uint64(_INT64.max)).astype(np.int64)
    return array.astype(np.int64, copy=False)


def octets(texts: Texts, width: int, name: str) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """
    ASCII octets of texts, (n, width), and which rows have another length or anything but digits (their octets are "0").

    Raises:
        BadRequest: neither a sequence of str nor an array of dtype S or U.
    """
    if isinstance(texts, np.ndarray) and texts.dtype.kind == "S" and texts.ndim == 1:
        table = np.ascontiguousarray(texts).view(np.uint8).reshape(texts.size, texts.dtype.itemsize)
        wrong = (table[:, width:] != 0).any(axis=1) if table.shape[1] > width else np.zeros(texts.size, np.bool_)
        missing = width - table.shape[1]
        table = np.pad(table, ((0, 0), (0, missing))) if missing > 0 else table[:, :width]
    else:
        table, wrong = _octets_of_str(list(texts), width, name)
    # One pass over the octets as one long row; few batches have a wrong one.
    if wrong.any() or not _all_digits(table):
        wrong = wrong | (table - np.uint8(48) > 9).any(axis=1)
        table = np.where(wrong[:, None], np.uint8(48), table)
    return np.ascontiguousarray(table), wrong


def _all_digits(table: NDArray[np.uint8]) -> bool:
    return table.size == 0 or (int(table.min()) >= 48 and int(table.max()) <= 57)


def _octets_of_str(texts: list[Any], width: int, name: str) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    try:
        lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        wrong = lengths != width
        for row in np.flatnonzero(wrong):
            texts[row] = "0" * width
        # What is not ASCII becomes a question mark, which is no digit either.
        joined = "".join(texts).encode("ascii", "replace")
    except TypeError:
        raise BadRequest(f"{name} is a column of texts.") from None
    return np.frombuffer(joined, dtype=np.uint8).reshape(len(texts), width), wrong
