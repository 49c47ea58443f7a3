# SPDX-License-Identifier: Apache-2.0
"""
Rows with two times: when a figure holds (`valid_from` to `valid_to`) and since when it was known (`known_from`).

Each row is a line of a CSV file under `data`, with its legal basis and what its source leaves open. Nothing is edited:
what a later rule changes is a further row with a later `known_from`, so that a receipt is recomputed as it was known.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from importlib import resources

# What an empty upper end of a band means: no end.
NO_END = 10**12


@dataclass(frozen=True, kw_only=True)
class Row:
    """
    One figure of one key. `low` to `high` is its band, both within: VA, or rupiah of the nominal for the stamp duty.

    `value` is rupiah, rupiah a kWh, a fraction or hours, by the table; `line` is the file's own line, by column.
    """

    key: str
    low: int
    high: int
    from_date: dt.date
    to_date: dt.date
    known_date: dt.date
    value: Decimal
    basis: str
    note: str
    line: Mapping[str, str]

    def fits(self, number: int, date: dt.date, as_known_date: dt.date | None) -> bool:
        """Whether it says something about this number on this date, as it was known at the end of `as_known_date`."""
        in_band = self.low <= number <= self.high and self.from_date <= date <= self.to_date
        return in_band and (as_known_date is None or self.known_date <= as_known_date)


class Table:
    """The rows of one file, by key, in the file's order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows = tuple(_row(line) for line in lines_of(name))
        self._by_key: dict[str, list[Row]] = {}
        for row in self.rows:
            self._by_key.setdefault(row.key, []).append(row)

    def names(self) -> tuple[str, ...]:
        """Every key, in the file's order."""
        return tuple(self._by_key)

    def of_key(self, key: str) -> list[Row]:
        """The rows of one key; none when the key is not loaded."""
        return self._by_key.get(key, [])

    def find(self, key: str, number: int, date: dt.date, as_known_date: dt.date | None = None) -> Row | None:
        """The row that holds; of several the one that was known last. None is no guess."""
        fitting = [row for row in self.of_key(key) if row.fits(number, date, as_known_date)]
        return max(fitting, key=lambda row: row.known_date, default=None)


def lines_of(name: str) -> list[dict[str, str]]:
    """The lines of `data/<name>.csv` by column."""
    text = (resources.files("duaarah.core.tariff") / "data" / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _row(line: dict[str, str]) -> Row:
    # The first three columns are the key and its band, whatever the table calls them.
    key, low, high = list(line.values())[:3]
    return Row(
        key=key,
        low=int(low),
        high=int(high) if high else NO_END,
        from_date=_date(line["valid_from"]) or dt.date.min,
        to_date=_date(line["valid_to"]) or dt.date.max,
        known_date=_date(line["known_from"]) or dt.date.min,
        value=_value(line),
        basis=line["basis"],
        note=line["note"],
        line=line,
    )


def _date(text: str) -> dt.date | None:
    return dt.date.fromisoformat(text) if text else None


def _value(line: dict[str, str]) -> Decimal:
    """The file's figure; with a `base` (PPN) the rate on that part of the price, which has to come out even."""
    figure = Decimal(line.get("value") or line.get("idr") or line.get("idr_per_va") or 0)
    base = Fraction(line.get("base") or 1)
    exact = Fraction(figure) * base
    value = figure * base.numerator / base.denominator
    if Fraction(value) != exact:
        raise ValueError(f"{figure} of {base} is no decimal fraction.")
    return value.normalize() if "base" in line else value
