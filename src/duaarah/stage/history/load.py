# SPDX-License-Identifier: Apache-2.0
"""Writing a replayed past: what the platform would have written, deed by deed, loaded by COPY in one transaction."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import connection, transaction

from duaarah.core.replay import ReplayWindow
from duaarah.headend.models import InvocationCounter
from duaarah.outages.models import MeterSupply
from duaarah.sim.town.clock import instant_of
from duaarah.sim.town.past import ATM, Past
from duaarah.stage.history.replay import Asked, Bought, Heard, Replayed, Sent
from duaarah.stage.history.rows import Registered, Rows
from duaarah.stage.history.tables import Table
from duaarah.vending.operations.books import CASH, wallet_account

FILL_EVERY = timedelta(days=30)


@dataclass(frozen=True)
class Loaded:
    """How many rows came into each table, and how many SMS crossed the network in that past (receipts excluded)."""

    rows: dict[str, int] = field(default_factory=dict)
    segments: int = 0


def load_history(past: Past, replayed: Replayed) -> Loaded:
    """
    Load a past into a database that holds the registered world and nothing else of it.

    Everything commits together: rows, sequences, counters, supply states. Raises IntegrityError where the books or the
    constraints do not hold, like any other writer.
    """
    with transaction.atomic(durable=True):
        rows = Rows(Registered.read())
        _fill_wallets(rows, past, replayed)
        for deed in replayed.deeds:
            match deed:
                case Asked():
                    rows.asked(deed)
                case Bought():
                    rows.bought(deed)
                case Sent():
                    rows.sent(deed)
                case Heard():
                    rows.heard(deed)
        counts = {table.name: table.copy() for table in rows.tables()}
        _counters(rows, past, replayed)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return Loaded(counts, rows.segments_counted)


def _fill_wallets(rows: Rows, past: Past, replayed: Replayed) -> None:
    """What a month's purchases cost is paid in at its beginning; the wallets end where the world has them."""
    spent: Counter[tuple[int, int]] = Counter()
    for deed in replayed.deeds:
        if isinstance(deed, Bought) and deed.what.via != ATM:
            month = (deed.at_us - past.begin_us) // (FILL_EVERY // timedelta(microseconds=1))
            spent[month, rows.known.holder_ids[deed.meter.drn]] += deed.what.nominal_idr
    for (month, holder_id), amount_idr in sorted(spent.items()):
        at = instant_of(past.begin_us) + month * FILL_EVERY
        reference = f"history:{month}:{holder_id}"
        rows.money.book(
            "WALLET_FILLED",
            f"fill:{reference}",
            at,
            None,
            {CASH: amount_idr * 100, wallet_account(holder_id): -amount_idr * 100},
        )
        rows.money.audit(
            at,
            "cash desk",
            "vending.fill_wallet",
            f"holder:{holder_id}",
            None,
            {"amount_idr": amount_idr, "reference": reference},
        )


def _counters(rows: Rows, past: Past, replayed: Replayed) -> None:
    """Where both directions of every meter stand, and that it has supply."""
    windows: dict[str, ReplayWindow] = {}
    sent: Counter[str] = Counter()
    contact: dict[str, Heard] = {}
    for deed in replayed.deeds:
        drn = deed.meter.drn
        if isinstance(deed, Heard):
            windows[drn], _ = windows.get(drn, ReplayWindow()).take(deed.counter)
            contact[drn] = deed
        elif isinstance(deed, Sent):
            sent[drn] = deed.counter
    supplies = Table("outages_metersupply", serial=False)
    for drn, window in windows.items():
        meter_id = rows.known.meter_ids[drn]
        balance = rows.balances.get(drn)
        InvocationCounter.objects.filter(meter_id=meter_id).update(
            to_meter_latest=sent[drn],
            from_meter_highest=window.highest,
            from_meter_bitmap=window.bitmap.to_bytes(8, "big"),
            latest_contact_at=contact[drn].at,
            balance_wh=balance[0] if balance else None,
            balance_at=balance[1] if balance else None,
        )
        since = rows.supplied_since.get(drn, instant_of(past.begin_us))
        supplies.add(meter_id=meter_id, state=MeterSupply.State.NYALA.value, since_at=since)
    supplies.copy()
