# SPDX-License-Identifier: Apache-2.0
"""Rows collected in memory with their own ids, then copied table by table (PostgreSQL COPY)."""

from __future__ import annotations

from typing import Any

from django.db import connection
from psycopg import sql
from psycopg.types.json import Jsonb

Row = dict[str, Any]


class Table:
    """Rows of one table; `add` gives each the next id, unless the table has none of its own."""

    def __init__(self, name: str, *, serial: bool = True) -> None:
        self.name = name
        self._serial = serial
        self._rows: list[Row] = []
        self._next = 1
        if serial:
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL("SELECT coalesce(max(id), 0) + 1 FROM {}").format(sql.Identifier(name)))
                self._next = cursor.fetchone()[0]

    def add(self, **values: Any) -> Row:
        """One row, always with the same columns, with its `id`; it may be changed until it is copied."""
        row = {"id": self._next, **values} if self._serial else values
        if self._rows and row.keys() != self._rows[0].keys():
            raise ValueError(f"The rows of {self.name} differ in their columns.")
        self._next += 1
        self._rows.append(row)
        return row

    def copy(self) -> int:
        """Write all rows, and set the sequence behind them; returns how many. Joins the caller's transaction."""
        if not self._rows:
            return 0
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier(self.name), sql.SQL(", ").join(map(sql.Identifier, self._rows[0]))
        )
        with connection.cursor() as cursor:
            with cursor.copy(statement) as copy:
                for row in self._rows:
                    copy.write_row([Jsonb(v) if isinstance(v, dict) else v for v in row.values()])
            if self._serial:
                cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [self.name, self._next - 1])
        return len(self._rows)
