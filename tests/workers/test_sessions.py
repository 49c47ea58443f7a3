"""Sessions in threads: as many as are free, and a thread is free again whatever becomes of its session."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from typing import Any, cast

import pytest

from duaarah.core.order import Order, OrderKind
from duaarah.core.replay import ReplayWindow
from duaarah.headend.operations.sessions import ClaimedSession
from duaarah.headend.ports import MeterKeys, NoSession, SessionCall
from duaarah.workers import sessions

AT = dt.datetime(2026, 2, 16, tzinfo=dt.UTC)


def claimed(number: int) -> ClaimedSession:
    call = SessionCall(
        profile="single-phase-modem",
        host="127.0.0.1",
        port=1,
        system_title=b"DUA\0\0\0\0\1",
        keys=MeterKeys(bytes(16), bytes(range(16))),
        intent=Order(kind=OrderKind.CLEAR_TAMPER),
        first_counter=1,
        counters=1,
        window=ReplayWindow(),
    )
    return ClaimedSession(command_id=number, meter_id=number, correlation=uuid.UUID(int=number), call=call)


def made(monkeypatch: pytest.MonkeyPatch, waiting: list[ClaimedSession]) -> sessions.Sessions:
    """Nothing of it touches a database."""

    def claim(*, limit: int, **_: Any) -> list[ClaimedSession]:
        taken, waiting[:] = waiting[:limit], waiting[limit:]
        return taken

    monkeypatch.setattr(sessions, "claim_sessions", claim)
    monkeypatch.setattr(sessions, "now", lambda: AT)
    monkeypatch.setattr(sessions, "_drop_connection", lambda: None)
    return sessions.Sessions(driver=cast(Any, None), keys=cast(Any, None), transport=cast(Any, None), lease_s=60)


def test_no_more_at_once_than_threads_and_all_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting, begun, go = [claimed(number) for number in range(40)], list[int](), threading.Event()

    def hold(each: ClaimedSession, _transport: object) -> str:
        go.wait(10)
        begun.append(each.command_id)
        if each.command_id % 2:
            raise ValueError("a session that nobody foresaw")
        return "fine"

    monkeypatch.setattr(sessions, "hold", hold)
    pool = made(monkeypatch, waiting)
    assert (pool.step(), pool.step()) == (sessions.AT_ONCE, 0)
    go.set()
    for _ in range(10_000):
        pool.step()
        if len(begun) == 40:
            break
        threading.Event().wait(0.001)
    pool.close()
    assert sorted(begun) == list(range(40)) and waiting == []


def test_a_claim_that_fails_leaves_every_thread_free(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = made(monkeypatch, [])

    def broken(**_: object) -> None:
        raise RuntimeError

    good = sessions.claim_sessions
    monkeypatch.setattr(sessions, "claim_sessions", broken)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            pool.step()
    monkeypatch.setattr(sessions, "claim_sessions", good)
    monkeypatch.setattr(sessions, "hold", lambda *_: "fine")
    assert pool.step() == 0
    pool.close()


def test_a_lost_session_keeps_the_counters_that_were_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[tuple[int, ReplayWindow]] = []

    class Lost:
        def carry(self, call: SessionCall) -> None:
            raise NoSession("The meter hung up.", ReplayWindow(9, 1))

    def failed(*, claimed: ClaimedSession, window: ReplayWindow, why: str, now: object) -> None:
        assert why == "The meter hung up."
        kept.append((claimed.command_id, window))

    monkeypatch.setattr(sessions, "session_failed", failed)
    monkeypatch.setattr(sessions, "now", lambda: None)
    assert sessions.hold(claimed(3), cast(Any, Lost())) == "no_session"
    assert kept == [(3, ReplayWindow(9, 1))]
