# SPDX-License-Identifier: Apache-2.0
"""
The SMSC's state file (SQLite): a message stands in it before its response leaves, and until it has ended.

WAL with synchronous=NORMAL: a killed process loses nothing, a power failure of the machine may lose the latest moments.
It holds texts and tokens: nobody else may read it. Fault switches and the measurements of a bind are not kept.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from duaarah.sim.smsc.message import Message
from duaarah.sim.smsc.operator import SIM, Operator, Record

VERSION = 1
_SCHEMA = (
    "CREATE TABLE smsc (version INTEGER)",
    "CREATE TABLE message (row INTEGER PRIMARY KEY, number INTEGER, account TEXT, source TEXT, destination TEXT,"
    " esm_class INTEGER, data_coding INTEGER, payload BLOB, wants_receipt INTEGER, expires_at REAL,"
    " receipt_state INTEGER, submitted_at REAL, tlvs TEXT)",
    "CREATE TABLE submits (account TEXT PRIMARY KEY, n INTEGER)",
    "CREATE TABLE latest (one INTEGER PRIMARY KEY, number INTEGER, record INTEGER)",
    "CREATE TABLE sim (iccid TEXT PRIMARY KEY, state TEXT)",
    "CREATE TABLE record (number INTEGER PRIMARY KEY, content TEXT)",
    "CREATE TABLE answer (request_id TEXT PRIMARY KEY, request TEXT, answer TEXT)",
)


class StateRefused(ValueError):
    """This file cannot carry this SMSC."""

    code = "state_refused"


class Store:
    """One open file. Between `begin` and `commit` all is one transaction."""

    def __init__(self, path: Path) -> None:
        """Raises StateRefused: in use, another version's, or no state file of an SMSC."""
        try:
            path.touch(mode=0o600)
            # Opened in one thread and used in another by tests, never in two at once.
            self._file = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)
            execute = self._file.execute
            execute("PRAGMA locking_mode=EXCLUSIVE")
            execute("BEGIN IMMEDIATE")  # takes the lock: a second SMSC is refused here
            if not execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                for statement in _SCHEMA:
                    execute(statement)
                execute("INSERT INTO smsc VALUES (?)", (VERSION,))
            if execute("SELECT version FROM smsc").fetchone() != (VERSION,):
                raise StateRefused(f"{path} is of another version.")
            execute("COMMIT")
            path.chmod(0o600)
            execute("PRAGMA journal_mode=WAL")
            execute("PRAGMA synchronous=NORMAL")
        except OSError as error:
            raise StateRefused(f"The state file {path} cannot be opened ({error}).") from None
        except sqlite3.DatabaseError as error:
            used = "locked" in str(error)
            raise StateRefused(f"{path} is {'in use' if used else 'no state file of an SMSC'}.") from None
        self._row = execute("SELECT coalesce(max(row), 0) FROM message").fetchone()[0]

    def begin(self) -> None:
        self._file.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._file.execute("COMMIT")

    def rollback(self) -> None:
        self._file.execute("ROLLBACK")

    def keep(self, message: Message) -> None:
        """It is here until `drop`."""
        self._row += 1
        message.row = self._row
        tlvs = json.dumps([(tag, value.hex()) for tag, value in message.tlvs])
        m = message
        head = (m.row, m.number, m.account, m.source, m.destination, m.esm_class, m.data_coding, m.payload)
        tail = (int(m.wants_receipt), m.expires_at, m.receipt_state, m.submitted_at, tlvs)
        self._file.execute(f"INSERT INTO message VALUES ({', '.join('?' * 13)})", (*head, *tail))

    def drop(self, message: Message) -> None:
        self._file.execute("DELETE FROM message WHERE row = ?", (message.row,))

    def submitted(self, account: str, number: int) -> None:
        """One more segment of this account, under this number."""
        more = "INSERT INTO submits VALUES (?, 1) ON CONFLICT (account) DO UPDATE SET n = n + 1"
        self._file.execute(more, (account,))
        self._file.execute("INSERT OR REPLACE INTO latest VALUES (1, ?, NULL)", (number,))

    def charged(self, record: Record, sims: list[SIM], *, lost: bool) -> None:
        """A charging record, and what it changed in the SIMs at its ends."""
        if not lost:
            self._file.execute("INSERT INTO record VALUES (?, ?)", (record.number, json.dumps(asdict(record))))
        self.sims(sims)

    def sims(self, sims: list[SIM]) -> None:
        rows = [(sim.iccid, json.dumps(asdict(sim))) for sim in sims]
        self._file.executemany("INSERT OR REPLACE INTO sim VALUES (?, ?)", rows)

    def answered(self, request: dict[str, object], answer: dict[str, object]) -> None:
        """The desk's answer under its request id."""
        row = (str(request["request_id"]), json.dumps(request), json.dumps(answer))
        self._file.execute("INSERT OR REPLACE INTO answer VALUES (?, ?, ?)", row)

    def restore(self, operator: Operator, counts: Counter[str]) -> tuple[int, list[Message]]:
        """(latest number, what is on its way in its order); fills the operator and the counts."""
        execute = self._file.execute
        counts.update(dict(execute("SELECT account, n FROM submits").fetchall()))
        for (state,) in execute("SELECT state FROM sim ORDER BY rowid"):
            operator.add(SIM(**json.loads(state)))
        for (content,) in execute("SELECT content FROM record ORDER BY number"):
            operator.remember(Record(**json.loads(content)))
        for request_id, request, answer in execute("SELECT * FROM answer ORDER BY rowid"):
            operator.answers[request_id] = (json.loads(request), json.loads(answer))
        number = execute("SELECT coalesce(max(number), 0) FROM latest").fetchone()[0]
        found = []
        for row in execute("SELECT * FROM message ORDER BY row").fetchall():
            tlvs = tuple((tag, bytes.fromhex(value)) for tag, value in json.loads(row[12]))
            message = Message(*row[1:12])
            message.wants_receipt, message.tlvs, message.row = bool(row[8]), tlvs, row[0]
            found.append(message)
        return max([number, *(m.number for m in found)]), found

    def close(self) -> None:
        self._file.close()
