# SPDX-License-Identifier: Apache-2.0
"""What the gateway does with a batch of messages: whose are they, are they authentic, keep them, confirm what is kept."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from duaarah.headend.operations.gateway import (
    ArrivedPush,
    KnownMeter,
    Refused,
    count_refusals,
    known_meters,
    store_pushes,
)
from duaarah.headend.ports import FrameRefused, KeyUnwrapper, MeterKeys
from duaarah.headend.push_ports import ProvenPush, PushReader
from duaarah.keystore import Unwrapped
from duaarah.wire.dlms.push_stream import Pushed

KNOWN_MAX = 200_000
# A title that is nobody's, and a meter whose keys were just found wrong, are not looked up again for so long.
AGAIN_S = 5.0
STRANGERS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Came:
    """A whole message from a peer, not judged. `address` is the peer without its port."""

    bearer: str
    address: str
    port: int
    pushed: Pushed = field(repr=False)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`code` "" and perhaps an answer in the sender's framing, or why it was refused."""

    code: str = ""
    answer: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class _Proven:
    came: Came
    meter: KnownMeter
    keys: MeterKeys = field(repr=False)
    push: ProvenPush
    key_number: int | None


class Intake:
    """One gateway's memory of meters; `take` is called by one thread."""

    def __init__(
        self,
        frames: PushReader,
        keys: KeyUnwrapper,
        *,
        clock: Callable[[], dt.datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._frames, self._keys, self._clock, self._monotonic = frames, keys, clock, monotonic
        self._meters: dict[bytes, KnownMeter] = {}
        self._asked_s: dict[bytes, float] = {}

    def take(self, batch: Sequence[Came], refused: Counter[Refused]) -> list[Verdict]:
        """
        Store what is authentic, count what is not (with what the gateway itself refused); a verdict each, in order.

        When this returns everything is committed; when it raises nothing was, and the same batch may come again.
        """
        titles = [self._title(came) for came in batch]
        self._learn({title for title in titles if isinstance(title, bytes)})
        judged = [self._judge(came, title) for came, title in zip(batch, titles, strict=True)]
        now = self._clock()
        proven = [one for one in judged if isinstance(one, _Proven)]
        counters = iter(store_pushes(pushes=[_row(one) for one in proven], now=now))
        verdicts = [
            self._kept(one, next(counters)) if isinstance(one, _Proven) else Verdict(one.code) for one in judged
        ]
        counts = Counter(refused)
        for came, verdict in zip(batch, verdicts, strict=True):
            if verdict.code:
                counts[Refused(came.bearer, came.address, verdict.code)] += 1
        if counts:
            count_refusals(refused=counts, now=now)
        return verdicts

    def _title(self, came: Came) -> bytes | FrameRefused:
        try:
            return self._frames.title(came.pushed.apdu)
        except FrameRefused as error:
            return error

    def _learn(self, titles: set[bytes]) -> None:
        self._look_up([title for title in titles if title not in self._meters and self._may_ask(title)])

    def _may_ask(self, title: bytes) -> bool:
        now_s = self._monotonic()
        if now_s - self._asked_s.get(title, -AGAIN_S) < AGAIN_S:
            return False
        if len(self._asked_s) >= STRANGERS_MAX:
            self._asked_s.clear()
        self._asked_s[title] = now_s
        return True

    def _look_up(self, titles: list[bytes]) -> None:
        if titles:
            if len(self._meters) >= KNOWN_MAX:
                self._meters.clear()
            self._meters.update(known_meters(titles))

    def _judge(self, came: Came, title: bytes | FrameRefused) -> _Proven | FrameRefused:
        if isinstance(title, FrameRefused):
            return title
        if title not in self._meters:
            return FrameRefused("unknown_title", "No meter has this system title.")
        try:
            proven = self._prove(came, self._meters[title])
            if proven.key_number is None and self._may_ask(title):
                # Perhaps they are in force by now, so that it can be confirmed.
                self._look_up([title])
                proven = self._prove(came, self._meters[title])
            return proven
        except FrameRefused as error:
            refusal = error
        # Its keys may have changed since they were looked up.
        before = self._meters[title]
        if self._may_ask(title):
            self._look_up([title])
            if self._meters[title] != before:
                try:
                    return self._prove(came, self._meters[title])
                except FrameRefused as error:
                    return error
        return refusal

    def _prove(self, came: Came, meter: KnownMeter) -> _Proven:
        refusal: FrameRefused | None = None
        # While keys are changed the meter may have other ones; what it says under them is kept too.
        for wrapped in (meter.keys_wrapped, *meter.other_keys_wrapped):
            try:
                keys = self._keys.meter_keys(drn=meter.drn, wrapped=wrapped)
            except Unwrapped as error:
                raise FrameRefused("keys_not_opened", "The meter's keys as they are stored do not open.") from error
            try:
                proven = self._frames.prove(apdu=came.pushed.apdu, keys=keys)
            except FrameRefused as error:
                refusal = refusal or error
                continue
            return _Proven(came, meter, keys, proven, meter.key_number if wrapped == meter.keys_wrapped else None)
        assert refusal is not None
        raise refusal

    def _kept(self, one: _Proven, counter: int | None) -> Verdict:
        if one.push.confirm is None or counter is None:
            return Verdict()
        apdu = self._frames.confirmation(long_invoke=one.push.confirm, keys=one.keys, counter=counter)
        return Verdict(answer=one.came.pushed.answer(apdu))


def _row(one: _Proven) -> ArrivedPush:
    came = one.came
    return ArrivedPush(
        meter_id=one.meter.meter_id,
        bearer=came.bearer,
        framing=came.pushed.framing.value,
        peer=f"{came.address} {came.port}",
        raw=came.pushed.raw,
        apdu=came.pushed.apdu,
        confirm=one.push.confirm is not None,
        key_number=one.key_number,
    )
