# SPDX-License-Identifier: Apache-2.0
"""Hot statements run as prepared ones: planned once a connection, their values sent apart from their text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import connection

Values = Mapping[str, Any] | Sequence[Any]


def run(statement: str, values: Values = ()) -> tuple[Any, ...] | None:
    """The first row, if the statement gives rows; within the caller's transaction, or as one of its own."""
    with connection.wrap_database_errors:
        cursor = _execute(statement, values)
        return cursor.fetchone() if cursor.description is not None else None


def rows(statement: str, values: Values = ()) -> list[tuple[Any, ...]]:
    """All rows."""
    with connection.wrap_database_errors:
        return _execute(statement, values).fetchall()


def _execute(statement: str, values: Values) -> psycopg.Cursor[tuple[Any, ...]]:
    connection.ensure_connection()
    own = connection.connection
    # Django's own cursor writes values into the text, so that the server would plan every call anew; and Django has turned
    # preparing off for the connection, which then ignores prepare=True.
    own.prepare_threshold = 0
    try:
        cursor: psycopg.Cursor[tuple[Any, ...]] = psycopg.Cursor(own)
        return cursor.execute(statement, values, prepare=True)
    finally:
        own.prepare_threshold = None
