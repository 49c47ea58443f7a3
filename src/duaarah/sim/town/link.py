# SPDX-License-Identifier: Apache-2.0
"""
The town's one bind: what modems and phones send waits here for the window, what comes is acknowledged first-hand.

Like a handset it sends again what nobody confirmed, so a message may arrive twice and is never lost silently.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from duaarah.net.esme import ESME, ESMEConfig
from duaarah.sim.town.town import Outgoing
from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp.errors import SMPPError
from duaarah.wire.smpp.pdu import PDU
from duaarah.wire.smpp.receipt import is_receipt

LOG = logging.getLogger(__name__)
SHORT_CODE = "3123"
ADDRESS_RANGE = "^62"
WINDOW = 50
WAITING_MAX = 100_000
ATTEMPTS_MAX = 10
THROTTLED_S = 0.2
VALIDITY_S = 24 * 3600
_BUSY = (p.ESME_RMSGQFUL, p.ESME_RTHROTTLED)


@dataclass(slots=True)
class _Message:
    sms: Outgoing
    attempts: int = 0


class TownLink:
    """An ESMEHandler; `receive(destination, payload, data_coding)` is called for each SMS to the town."""

    def __init__(
        self, *, host: str, port: int, system_id: str, password: str, receive: Callable[[str, bytes, int], object]
    ) -> None:
        config = ESMEConfig(
            host=host,
            port=port,
            system_id=system_id,
            password=password,
            address_range=ADDRESS_RANGE,
            window=WINDOW,
        )
        self.esme = ESME(config, self)
        self.bound = asyncio.Event()
        self.counts: Counter[str] = Counter()
        self._receive = receive
        self._waiting: deque[_Message] = deque()
        self._in_flight = 0
        self._paused = False

    @property
    def busy(self) -> int:
        """Messages that are not sent yet, or sent and not answered."""
        return len(self._waiting) + self._in_flight

    def send(self, sms: Outgoing) -> None:
        """Have an SMS sent as soon as the link takes it."""
        if len(self._waiting) >= WAITING_MAX:
            self.counts["overflow"] += 1
            return
        self._waiting.append(_Message(sms))
        self._pump()

    def _pump(self) -> None:
        while self._waiting and not self._paused and self.esme.free:
            message = self._waiting.popleft()
            message.attempts += 1
            self._in_flight += 1
            try:
                self.esme.submit(
                    message,
                    source=message.sms.source,
                    destination=SHORT_CODE,
                    short_message=message.sms.payload,
                    data_coding=message.sms.data_coding,
                    validity_s=VALIDITY_S,
                    registered=False,
                )
            except SMPPError as error:  # an SMS that no PDU can carry
                self._in_flight -= 1
                self.counts["unsendable"] += 1
                LOG.warning("an SMS cannot be sent: %s", error.code)

    def _again(self, message: _Message) -> None:
        if message.attempts >= ATTEMPTS_MAX:
            self.counts["given_up"] += 1
        else:
            self._waiting.appendleft(message)

    def _resume(self) -> None:
        self._paused = False
        self._pump()

    # -- ESMEHandler -----------------------------------------------------------------------------------------------

    def on_bound(self) -> None:
        """The SMSC took us."""
        self.bound.set()
        self._pump()

    def on_response(self, token: object, status: int, message_id: str) -> None:
        """One of our messages was taken, put off or refused."""
        assert isinstance(token, _Message)
        self._in_flight -= 1
        if status == p.ESME_ROK:
            self.counts["sent"] += 1
        elif status in _BUSY:
            token.attempts -= 1
            self._again(token)
            if not self._paused:
                self._paused = True
                asyncio.get_running_loop().call_later(THROTTLED_S, self._resume)
        else:
            self.counts["refused"] += 1
            LOG.warning("the SMSC refuses an SMS with status %#x", status)
        self._pump()

    def on_ambiguous(self, token: object) -> None:
        """Nobody knows whether it was taken."""
        assert isinstance(token, _Message)
        self._in_flight -= 1
        self.counts["repeated"] += 1
        self._again(token)
        self._pump()

    def on_deliver(self, pdu: PDU) -> None:
        """An SMS for the town: acknowledged before anybody reads it, as a handset does."""
        self.esme.ack(pdu)
        if is_receipt(pdu):
            return
        self.counts["received"] += 1
        self._receive(pdu.text.get("destination_addr", ""), pdu.payload, pdu.number.get("data_coding", 0))

    def on_down(self, reason: str) -> None:
        """The link is gone; `run` of the ESME comes back by itself."""
        LOG.info("the town's link is down: %s", reason)
