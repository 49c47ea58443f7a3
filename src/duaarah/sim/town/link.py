# SPDX-License-Identifier: Apache-2.0
"""
The town's one bind: what modems and phones send waits here for the window, what comes is acknowledged first-hand.

Like a handset it sends again what nobody confirmed, so a message may arrive twice and is never lost silently; and it
sends one at a time, so messages of one source stay in order. A message with a row in the state file is in the hands of
the link until the SMSC has answered for it, however long that takes.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from duaarah.net.esme import ESME, ESMEConfig
from duaarah.sim.smsc import concat
from duaarah.sim.town.sms import BINARY, Outgoing
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


SMS_OCTETS = 140


@dataclass(slots=True)
class _Message:
    """One part of an SMS, mostly the only one; the row is settled with the last."""

    sms: Outgoing
    payload: bytes
    esm_class: int
    row: int | None
    attempts: int = 0


def _messages(sms: Outgoing) -> list[_Message]:
    """A frame past one SMS goes in parts. Their reference follows from the frame: sent again, they are the same parts."""
    if sms.data_coding != BINARY or len(sms.payload) <= SMS_OCTETS:
        return [_Message(sms, sms.payload, 0, sms.row)]
    reference = zlib.crc32(sms.payload) & 0xFF
    cut = concat.parts(sms.payload, data_coding=sms.data_coding, way="udh8", reference=reference)
    return [
        _Message(sms, octets, esm, sms.row if part == len(cut) else None)
        for part, (esm, octets, _) in enumerate(cut, 1)
    ]


class TownLink:
    """
    An ESMEHandler; `receive(destination, payload, data_coding)` is called for each SMS to the town, `settled(row)` when
    a message from the state file needs no sending any more.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        system_id: str,
        password: str,
        receive: Callable[[str, bytes, int], object],
        settled: Callable[[int], None] = lambda row: None,
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
        self._settled = settled
        self._waiting: deque[_Message] = deque()  # at most one of a source
        # Each source with a message waiting or in flight, and what comes behind it.
        self._behind: dict[str, deque[_Message]] = {}
        self._count_behind = 0
        self._paused = False

    @property
    def busy(self) -> int:
        """Messages that are not sent yet, or sent and not answered."""
        return len(self._behind) + self._count_behind

    def send(self, sms: Outgoing) -> None:
        """Have an SMS sent as soon as the link takes it."""
        if sms.row is None and self.busy >= WAITING_MAX:
            self.counts["overflow"] += 1
            return
        messages = _messages(sms)
        behind = self._behind.get(sms.source)
        begun = behind is None
        if behind is None:
            behind = self._behind[sms.source] = deque()
            self._waiting.append(messages.pop(0))
        behind.extend(messages)
        self._count_behind += len(messages)
        if begun:
            self._pump()

    def _pump(self) -> None:
        while self._waiting and not self._paused and self.esme.free:
            message = self._waiting.popleft()
            message.attempts += 1
            try:
                self.esme.submit(
                    message,
                    source=message.sms.source,
                    destination=SHORT_CODE,
                    short_message=message.payload,
                    esm_class=message.esm_class,
                    data_coding=message.sms.data_coding,
                    validity_s=VALIDITY_S,
                    registered=False,
                )
            except SMPPError as error:  # an SMS that no PDU can carry
                self.counts["unsendable"] += 1
                LOG.warning("an SMS cannot be sent: %s", error.code)
                self._landed(message, settled=True)

    def _landed(self, message: _Message, *, settled: bool) -> None:
        """It is no longer in flight: the next of its source has its turn, unless it must be sent again itself."""
        if not settled and (message.sms.row is not None or message.attempts < ATTEMPTS_MAX):
            self._waiting.appendleft(message)
            return
        if not settled:
            self.counts["given_up"] += 1
        if behind := self._behind[message.sms.source]:
            self._waiting.append(behind.popleft())
            self._count_behind -= 1
        else:
            del self._behind[message.sms.source]
        if message.row is not None:
            self._settled(message.row)

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
        if status in _BUSY:
            token.attempts -= 1
            if not self._paused:
                self._paused = True
                asyncio.get_running_loop().call_later(THROTTLED_S, self._resume)
        elif status == p.ESME_ROK:
            self.counts["sent"] += 1
        else:
            self.counts["refused"] += 1
            LOG.warning("the SMSC refuses an SMS with status %#x", status)
        self._landed(token, settled=status not in _BUSY)
        self._pump()

    def on_ambiguous(self, token: object) -> None:
        """Nobody knows whether it was taken."""
        assert isinstance(token, _Message)
        self.counts["repeated"] += 1
        self._landed(token, settled=False)
        self._pump()

    def on_deliver(self, pdu: PDU) -> None:
        """An SMS for the town: acknowledged once its effect cannot be lost; a kill before that brings it again."""
        if not is_receipt(pdu):
            self.counts["received"] += 1
            self._receive(pdu.text.get("destination_addr", ""), pdu.payload, pdu.number.get("data_coding", 0))
        self.esme.ack(pdu)

    def on_down(self, reason: str) -> None:
        """The link is gone; `run` of the ESME comes back by itself."""
        LOG.info("the town's link is down: %s", reason)
