# SPDX-License-Identifier: Apache-2.0
"""
The town's state file (SQLite): what a kill -9 must not take away.

Who changes something tells it here; `commit` writes all of it in one transaction and only then lets out what is to
leave the town: an SMS, a notification. A kill before the commit is a kill before the deed; after it, the SMS stands in
the file and is sent again. WAL with synchronous=NORMAL: a killed process loses nothing, a power failure of the machine
may lose the latest moments, but never breaks the file. It holds decoder keys and tokens: nobody else may read it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sqlite3
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from duaarah.sim.bank.atm import KEPT_SALES, Sale
from duaarah.sim.bank.notify import Outcome
from duaarah.sim.town.phones import KEPT_MESSAGES, Phone
from duaarah.sim.town.plans import Deed, from_words, to_words
from duaarah.sim.town.sms import Outgoing
from duaarah.sim.town.supply import Supply
from duaarah.sim.town.totals import TotalSupply
from duaarah.sim.town.world import START, World

VERSION = 3
# A message box is a ring of KEPT_MESSAGES slots: it never has to be trimmed.
_SCHEMA = """
CREATE TABLE world (version INTEGER, seed INTEGER, meters INTEGER, fingerprint TEXT);
CREATE TABLE town (one INTEGER PRIMARY KEY, state TEXT);
CREATE TABLE meter (drn TEXT PRIMARY KEY, state TEXT);
CREATE TABLE phone (number TEXT PRIMARY KEY, state TEXT);
CREATE TABLE message (phone TEXT, box TEXT, slot INTEGER, number INTEGER, content TEXT, PRIMARY KEY (phone, box, slot));
CREATE TABLE plan (number INTEGER PRIMARY KEY, at_us INTEGER, deed TEXT);
CREATE TABLE outgoing (row INTEGER PRIMARY KEY, source TEXT, payload BLOB, data_coding INTEGER);
CREATE TABLE latest_tid (drn TEXT PRIMARY KEY, tid INTEGER);
CREATE TABLE sale (
    number INTEGER PRIMARY KEY, notification_id TEXT UNIQUE, drn TEXT, digits TEXT, tid INTEGER, energy_wh INTEGER,
    amount_idr INTEGER, body BLOB, status INTEGER, attempts INTEGER, answer TEXT
);
"""
# Not REPLACE, which deletes and inserts: an index would be written each time too.
_UPSERT = "INSERT INTO {0} VALUES (?, ?) ON CONFLICT ({1}) DO UPDATE SET state = excluded.state"


class StateRefused(ValueError):
    """This file cannot carry this town."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a state file holds. Messages are by phone and box, in order; plans and SMS in the order they were made."""

    town: dict[str, Any]
    meters: dict[str, dict[str, Any]]
    phones: dict[str, dict[str, Any]]
    messages: dict[tuple[str, str], list[dict[str, str]]]
    plans: list[tuple[int, int, Deed]]
    outgoing: list[Outgoing]
    latest_tids: dict[str, int]
    sales: list[tuple[Sale, Outcome | None]]


def fingerprint(world: World) -> str:
    """Two worlds with the same one have the same meters in the same places with the same keys."""
    digest = hashlib.sha256(START.isoformat().encode("ascii") + world.vending_key)
    for meter in world.meters:
        digest.update(repr((meter.drn, meter.msisdn, meter.holder.phone, meter.credit_wh, meter.load_w)).encode())
        digest.update(meter.ek + meter.ak)
    return digest.hexdigest()


class Memory:
    """
    One open file; used by one thread, except for `answered`. `late` is called, from any thread, when something was told
    that no step of the town will commit.
    """

    def __init__(self, path: Path, world: World) -> None:
        """Raises StateRefused: another world's, another version's, in use, or no state file at all."""
        try:
            path.touch(mode=0o600)
            self._file = sqlite3.connect(path, isolation_level=None, timeout=0)
        except (OSError, sqlite3.OperationalError) as error:
            raise StateRefused(f"The state file {path} cannot be opened ({error}).") from None
        try:
            self.restored = self._open(path, world)
        except StateRefused:
            self._file.close()
            raise
        except sqlite3.DatabaseError as error:
            self._file.close()
            used = "locked" in str(error)
            raise StateRefused(
                f"{path} is {'in use by another town' if used else 'no state file of a town'}."
            ) from None
        self.late: Callable[[], None] = lambda: None
        self._touched = False
        self._meters: dict[str, Supply | TotalSupply] = {}
        self._phones: dict[str, Phone] = {}
        self._answers: SimpleQueue[tuple[int, int, str, str]] = SimpleQueue()
        self._writes: list[tuple[str, tuple[Any, ...]]] = []
        self._after: deque[Callable[[], None]] = deque()
        self._next_plan, self._next_row, self._next_sale = (
            self._file.execute(f"SELECT coalesce(max({column}), 0) + 1 FROM {table}").fetchone()[0]
            for table, column in (("plan", "number"), ("outgoing", "row"), ("sale", "number"))
        )

    def _open(self, path: Path, world: World) -> bool:
        """Whether a town lived in the file before. A new one is founded; it lives from its first commit on."""
        execute = self._file.execute
        execute("PRAGMA locking_mode=EXCLUSIVE")
        execute("BEGIN IMMEDIATE")  # takes the lock: a second town is refused here
        lived = False
        mine = (VERSION, world.seed, len(world.meters), fingerprint(world))
        if execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            _compare(path, execute("SELECT version, seed, meters, fingerprint FROM world").fetchone(), mine)
            lived = execute("SELECT count(*) FROM town").fetchone()[0] > 0
        else:
            for statement in _SCHEMA.strip().split(";\n"):
                execute(statement.removesuffix(";"))
            execute("INSERT INTO world VALUES (?, ?, ?, ?)", mine)
        execute("COMMIT")
        # Only now: the file of somebody else is left as it is.
        path.chmod(0o600)
        execute("PRAGMA journal_mode=WAL")
        execute("PRAGMA synchronous=NORMAL")
        return lived

    # -- what is told ----------------------------------------------------------------------------------------------

    def touch(self) -> None:
        """The town's own state changed."""
        self._touched = True

    def meter(self, supply: Supply | TotalSupply) -> None:
        """Something in this meter or its modem changed."""
        self._meters[supply.known.drn] = supply

    def message(self, phone: Phone, box: str, number: int, message: dict[str, str]) -> None:
        """A phone has another message; what its owner remembers may have changed."""
        self._phones[phone.number] = phone
        row = (phone.number, box, number % KEPT_MESSAGES, number, json.dumps(message))
        self._writes.append(("INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?)", row))

    def planned(self, at_us: int, deed: Deed) -> int:
        """A plan was made; returns its number."""
        number, self._next_plan = self._next_plan, self._next_plan + 1
        self._writes.append(("INSERT INTO plan VALUES (?, ?, ?)", (number, at_us, to_words(deed))))
        return number

    def ended(self, plan: int) -> None:
        """A plan was carried out or given up."""
        self._writes.append(("DELETE FROM plan WHERE number = ?", (plan,)))

    def outgoing(self, sms: Outgoing, send: Callable[[Outgoing], None]) -> None:
        """An SMS leaves by `send` once it stands in the file."""
        row, self._next_row = self._next_row, self._next_row + 1
        kept = dataclasses.replace(sms, row=row)
        values = (row, sms.source, sms.payload, sms.data_coding)
        self._writes.append(("INSERT INTO outgoing VALUES (?, ?, ?, ?)", values))
        self._after.append(lambda: send(kept))

    def sent(self, row: int) -> None:
        """The SMSC answered for an SMS: it has it, or it refuses it for good."""
        self._writes.append(("DELETE FROM outgoing WHERE row = ?", (row,)))
        self.late()

    def issued(self, drn: str, tid: int) -> None:
        """The ATM made a token with this TID."""
        latest = "INSERT INTO latest_tid VALUES (?, ?) ON CONFLICT (drn) DO UPDATE SET tid = max(tid, excluded.tid)"
        self._writes.append((latest, (drn, tid)))

    def sold(self, sale: Sale) -> None:
        """The ATM sold a token, and owes the platform a notification."""
        number, self._next_sale = self._next_sale, self._next_sale + 1
        head = (number, sale.notification_id, sale.drn, sale.digits, sale.tid, sale.energy_wh, sale.amount_idr)
        self._writes.append(("INSERT INTO sale VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)", (*head, sale.body)))
        answered = "DELETE FROM sale WHERE number <= ? AND status IS NOT NULL"
        self._writes.append((answered, (number - KEPT_SALES,)))

    def answered(self, notification_id: str, outcome: Outcome) -> None:
        """The platform answered a notification for good. From any thread."""
        self._answers.put((outcome.status, outcome.attempts, outcome.answer, notification_id))
        self.late()

    def after(self, action: Callable[[], None]) -> None:
        """Do something once all that was told until now stands in the file."""
        self._after.append(action)

    # -- the file --------------------------------------------------------------------------------------------------

    def commit(self, town: Callable[[], dict[str, Any]]) -> None:
        """Write what was told and the town's own state, if anything was; then let out what waits for it."""
        while not self._answers.empty():
            answer = "UPDATE sale SET status = ?, attempts = ?, answer = ? WHERE notification_id = ?"
            self._writes.append((answer, self._answers.get()))
        if not (self._touched or self._writes or self._meters or self._phones or self._after):
            return
        write = self._file.execute
        write("BEGIN IMMEDIATE")
        try:
            write(_UPSERT.format("town", "one"), (1, _json(town())))
            for drn, supply in self._meters.items():
                write(_UPSERT.format("meter", "drn"), (drn, _json(supply.state())))
            for number, phone in self._phones.items():
                write(_UPSERT.format("phone", "number"), (number, _json(phone.state())))
            for statement, values in self._writes:
                write(statement, values)
            write("COMMIT")
        except BaseException:
            # What was told stays told: the next commit tries again, and nothing leaves the town before.
            if self._file.in_transaction:
                write("ROLLBACK")
            raise
        self._touched = False
        self._meters.clear()
        self._phones.clear()
        self._writes.clear()
        for _ in range(len(self._after)):
            self._after.popleft()()

    def load(self) -> Remembered:
        """All that the file holds."""
        read = self._file.execute
        town = read("SELECT state FROM town").fetchone()
        messages = defaultdict(list)
        for phone, box, content in read("SELECT phone, box, content FROM message ORDER BY number"):
            messages[phone, box].append(json.loads(content))
        sales = []
        for row in read(
            "SELECT notification_id, drn, digits, tid, energy_wh, amount_idr, body, status, attempts, answer"
            " FROM sale ORDER BY number"
        ):
            sales.append((Sale(*row[:7]), None if row[7] is None else Outcome(*row[7:])))
        return Remembered(
            town=json.loads(town[0]) if town else {},
            meters={drn: json.loads(state) for drn, state in read("SELECT drn, state FROM meter")},
            phones={number: json.loads(state) for number, state in read("SELECT number, state FROM phone")},
            messages=dict(messages),
            plans=[
                (number, at_us, from_words(deed)) for number, at_us, deed in read("SELECT * FROM plan ORDER BY number")
            ],
            outgoing=[
                Outgoing(source, payload, data_coding, row)
                for row, source, payload, data_coding in read("SELECT * FROM outgoing ORDER BY row")
            ],
            latest_tids=dict(read("SELECT drn, tid FROM latest_tid")),
            sales=sales,
        )

    def close(self) -> None:
        """Fold the log into the file."""
        self._file.close()


def _compare(path: Path, found: tuple[Any, ...] | None, mine: tuple[Any, ...]) -> None:
    if found is None or found[0] != mine[0]:
        raise StateRefused(f"{path} was written by another version of the town.")
    if found[1:3] != mine[1:3]:
        raise StateRefused(
            f"{path} belongs to the town of seed {found[1]} with {found[2]} meters, "
            f"not to that of seed {mine[1]} with {mine[2]}."
        )
    if found[3] != mine[3]:
        raise StateRefused(f"{path} belongs to another town of this seed: its meters are others.")


def _json(state: dict[str, Any]) -> str:
    return json.dumps(state, separators=(",", ":"))
