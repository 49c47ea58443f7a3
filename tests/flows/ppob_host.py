"""
A PPOB host for a test: `with host(source) as running:` serves the test's database on a free port of the loopback.

It is the real server (workers.bank_server) in a thread of this process; `partner()` makes one that may sign on.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from duaarah.clock.operations import move
from duaarah.clock.queries import now
from duaarah.vending.operations import fill_deposit, set_channel_terms
from duaarah.vending.operations.ppob import new_partner
from duaarah.vending.ports import TokenSource
from duaarah.vending.ppob_models import PPOBPartner
from duaarah.wire.iso8583 import Framing
from duaarah.workers.bank import bank_server
from duaarah.workers.bank_server import BankServer, Limits


@dataclass
class Running:
    """A host that listens."""

    port: int
    server: BankServer
    loop: asyncio.AbstractEventLoop


@contextmanager
def host(
    token_source: TokenSource, *, framing: Framing = Framing.LENGTH2, limits: Limits | None = None
) -> Iterator[Running]:
    """Serve until the block ends; then it has drained. Its threads and the test share the pool of connections."""
    ready, stop, running = threading.Event(), [], []

    async def serve(server: BankServer) -> None:
        stopping = asyncio.Event()
        await server.open("127.0.0.1", 0)
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(stopping.set))
        running.append(Running(server.port, server, loop))
        ready.set()
        await stopping.wait()
        await server.close()

    thread = threading.Thread(
        target=lambda: asyncio.run(serve(bank_server(token_source, framing, limits or Limits()))), name="ppob-host"
    )
    thread.start()
    try:
        assert ready.wait(20), "The host did not come up."
        yield running[0]
    finally:
        for end in stop:
            end()
        thread.join(20)


def partner(
    code: str = "PYLP001",
    *,
    banks: Sequence[str] = ("4510017",),
    filled_idr: int = 100_000_000,
    admin_idr: int = 2_500,
    commission_idr: int = 1_000,
) -> PPOBPartner:
    """A partner with all products, terms since 2013 and money in its deposit."""
    at = now()
    made = new_partner(
        code=code,
        name="Bank Contoh",
        banks=banks,
        switchers=[],
        products=["501", "502", "504"],
        networks=[],
        access=None,
        actor="test",
        now=at,
    )
    set_channel_terms(
        channel=made.channel,
        from_date=dt.date(2013, 1, 1),
        admin_idr=admin_idr,
        commission_idr=commission_idr,
        actor="test",
        now=at,
    )
    if filled_idr:
        fill_deposit(channel=made.channel, amount_idr=filled_idr, reference=f"first:{code}", actor="test", now=at)
    return made


def set_clock(at: dt.datetime) -> None:
    """Business time is `at` now: a day for which prices are loaded."""
    move(at=at, rate=1, founding=True)
