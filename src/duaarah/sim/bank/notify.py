# SPDX-License-Identifier: Apache-2.0
"""
Signed notifications over HTTP: the same body and id again and again until the platform has answered for good.

The signature is written here a second time, from the interface's page: `v1=` HMAC-SHA-256 over the Unix timestamp, a
dot and the body. It uses the machine's clock, never business time.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import threading
import time
import urllib.parse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

PATH = "/api/v1/notifications/tokens"
ATTEMPTS_MAX = 60
TIMEOUT_S = 10
BACKOFF_FIRST_MS, BACKOFF_MAX_MS = 200, 5_000
ANSWER_OCTETS_MAX = 64 * 1024
THREADS = 8
QUEUED_MAX = 10_000


class BankError(Exception):
    """The bank cannot do this."""

    code = "bank"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a notification: the last HTTP status (0: never answered) and how often it was sent."""

    status: int
    attempts: int
    answer: str = ""

    @property
    def final(self) -> bool:
        """Whether sending it again would change nothing."""
        return 200 <= self.status < 300 or 400 <= self.status < 500


@dataclass(frozen=True, slots=True)
class Channel:
    """Who signs, and to which platform (`http://host:port`, with or without a path)."""

    code: str
    secret: bytes = field(repr=False)
    notify_url: str


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """The value of X-Duaarah-Signature."""
    return "v1=" + hmac.digest(secret, timestamp.encode("ascii") + b"." + body, hashlib.sha256).hex()


class Notifier:
    """Posts in a few threads. `pending` counts what the platform has not answered for good yet."""

    def __init__(self, channel: Channel, *, sleep: Callable[[float], object] | None = None) -> None:
        url = urllib.parse.urlsplit(channel.notify_url)
        if url.scheme != "http" or not url.hostname:
            raise BankError("The notify URL looks like http://127.0.0.1:8000.")
        self._host, self._port = url.hostname, url.port or 80
        self._path = url.path if url.path not in ("", "/") else PATH
        self._channel = channel
        self._closed = threading.Event()
        self._sleep = sleep or self._closed.wait
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="bank")
        self._lock = threading.Lock()
        self._pending = 0

    @property
    def pending(self) -> int:
        """Notifications under way."""
        return self._pending

    def send(self, body: bytes, done: Callable[[Outcome], None], *, forged: bool = False) -> None:
        """Post in the background, then call `done` from that thread; `forged` signs with a wrong secret."""
        with self._lock:
            if self._pending >= QUEUED_MAX:
                raise BankError("Too many notifications are waiting.")
            self._pending += 1

        def work() -> None:
            outcome = Outcome(0, 0)
            try:
                outcome = self.deliver(body, forged=forged)
            finally:
                try:
                    done(outcome)
                finally:
                    with self._lock:
                        self._pending -= 1

        self._pool.submit(work)

    def deliver(self, body: bytes, *, forged: bool = False) -> Outcome:
        """Post until the answer is 2xx or 4xx; anything else, and no answer, is tried again."""
        status, answer, wait_ms = 0, "", BACKOFF_FIRST_MS
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                status, answer = self._post(body, forged)
            except (OSError, http.client.HTTPException):
                status, answer = 0, ""
            outcome = Outcome(status, attempt, answer)
            if outcome.final or self._closed.is_set():
                return outcome
            self._sleep(wait_ms / 1000)
            wait_ms = min(2 * wait_ms, BACKOFF_MAX_MS)
        return Outcome(status, ATTEMPTS_MAX, answer)

    def _post(self, body: bytes, forged: bool) -> tuple[int, str]:
        timestamp = str(int(time.time()))
        secret = bytes(32) if forged else self._channel.secret
        headers = {
            "Content-Type": "application/json",
            "X-Duaarah-Channel": self._channel.code,
            "X-Duaarah-Timestamp": timestamp,
            "X-Duaarah-Signature": signature(secret, timestamp, body),
        }
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request("POST", self._path, body=body, headers=headers)
            response = connection.getresponse()
            return response.status, response.read(ANSWER_OCTETS_MAX).decode("utf-8", errors="replace")
        finally:
            connection.close()

    def close(self) -> None:
        """Stop trying; what waits ends with its last status."""
        self._closed.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
