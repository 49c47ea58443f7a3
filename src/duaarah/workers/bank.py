# SPDX-License-Identifier: Apache-2.0
"""The PPOB host's worker: banks and switches connect where DUAARAH_PPOB says, and buy from their deposits."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import signal
import sys
from decimal import Decimal

from django.conf import settings
from django.db import connection

from duaarah.clock.queries import now
from duaarah.vending.ports import TokenSource
from duaarah.vending.ppob_models import PPOBPolicy
from duaarah.wire.iso8583 import Framing
from duaarah.wiring.keystores import key_store
from duaarah.wiring.p2apst import token_source
from duaarah.wiring.ppob_desk import Desk
from duaarah.wiring.token_sources import OwnKeys
from duaarah.workers.bank_journal import Journal
from duaarah.workers.bank_server import BankServer, Limits

THREADS_MAX = 8


def main() -> int:
    """Run until SIGTERM."""
    try:
        host, port, framing = address(os.environ.get("DUAARAH_PPOB", ""))
    except ValueError as error:
        print(f"duaarah: {error}", file=sys.stderr)
        return 2
    return asyncio.run(_main(bank_server(token_source(OwnKeys(key_store())), framing), host, port))


def address(given: str) -> tuple[str, int, Framing]:
    """HOST:PORT or HOST:PORT,FRAMING (length2, or ff for the byte 0xFF); [::1]:8583 for IPv6. Raises ValueError."""
    where, _, framing = given.partition(",")
    host, colon, port = where.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 0xFFFF:
        raise ValueError("DUAARAH_PPOB is HOST:PORT or HOST:PORT,FRAMING, for instance 10.20.0.1:8583,ff.")
    if framing not in ("", *Framing):
        raise ValueError(f"DUAARAH_PPOB names a framing that is none of {', '.join(Framing)}.")
    return host.strip("[]"), int(port), Framing(framing or Framing.LENGTH2)


def bank_server(source: TokenSource, framing: Framing, limits: Limits | None = None) -> BankServer:
    """The host with its desk and journal, not listening yet; as many threads as the pool has room for."""
    pool = settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"]
    given = limits or Limits(threads=max(1, min(THREADS_MAX, pool - 1)), answer_s=float(_answer_s()))
    # What is answered without a database is dated by the machine: the journal says when, the business clock is not there.
    return BankServer(
        Desk(source, clock=now), Journal(), framing=framing, clock=lambda: dt.datetime.now(dt.UTC), limits=given
    )


def _answer_s() -> Decimal:
    row = PPOBPolicy.objects.order_by("-from_date").first()
    connection.close()
    assert row is not None  # the migration's
    return row.answer_s


async def _main(server: BankServer, host: str, port: int) -> int:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await server.open(host, port)
    try:
        await stopping.wait()
    finally:
        with contextlib.suppress(TimeoutError):
            await server.close()
    return 0
