# SPDX-License-Identifier: Apache-2.0
"""What the head end needs from a driver: intent to frame, frame to report. `wiring` brings the implementation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from duaarah.core.intent import Command, Report, TransferKeys
from duaarah.core.order import Order
from duaarah.core.replay import ReplayWindow


@dataclass(frozen=True)
class MeterKeys:
    """
    A meter's DLMS global unicast key and authentication key, 16 octets each, and its master key (KEK) where it is known,
    which wraps new ones on their way. Never printed.
    """

    encryption: bytes = field(repr=False)
    authentication: bytes = field(repr=False)
    master: bytes | None = field(default=None, repr=False)


class FrameRefused(Exception):
    """A frame that is not authentic, not readable, or not this meter's. `code` says which; nothing was changed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class OpenedFrame:
    """An authenticated frame: its invocation counter and what it says."""

    counter: int
    report: Report


class OrderNotForThis(Exception):
    """This kind of meter does not know an order, or cannot write its number."""

    code = "order_unsupported"
    retryable = False


class Driver(Protocol):
    """Maps between intents and the payload of one SMS, for every kind of meter, by the name of its profile."""

    def build(self, *, profile: str, intent: Command, keys: MeterKeys, counter: int) -> bytes:
        """The ciphered, wrapped payload of one SMS (at most 140 octets), in the head end's own name."""
        ...

    def bundle(self, *, profile: str, intents: Sequence[Command], keys: MeterKeys, counter: int) -> tuple[bytes, int]:
        """As `build`, with as many of the intents as one SMS to this kind of meter takes, and how many these are."""
        ...

    def check_order(self, *, profile: str, order: Order) -> None:
        """Whether this kind of meter can be told this. Raises OrderNotForThis."""
        ...

    def check_read(self, *, profile: str) -> None:
        """Whether this kind of meter can be read over a connection. Raises OrderNotForThis."""
        ...

    def wake_up(self, *, profile: str, keys: MeterKeys, counter: int) -> bytes | None:
        """The payload of the SMS that makes the modem reachable over IP; None when this kind needs none."""
        ...

    def open(self, *, profile: str, payload: bytes, keys: MeterKeys, system_title: bytes) -> OpenedFrame:
        """Authenticate and read a meter's SMS. Raises FrameRefused (auth_failed, malformed, wrong_meter ...)."""
        ...


@dataclass(frozen=True, kw_only=True)
class SessionCall:
    """One command over a connection. `counters` invocation counters from `first_counter` on are kept as used already."""

    profile: str
    host: str
    port: int
    system_title: bytes
    keys: MeterKeys
    intent: Command
    first_counter: int
    counters: int
    window: ReplayWindow


@dataclass(frozen=True, kw_only=True)
class Carried:
    """
    The meter's own, authenticated answer. `result` is "success", a refusal's name, or a token's result; `values` what
    was read or read back, by name, in the unit that ends it; `rows` of a load profile. `window`: its counters now.
    """

    result: str
    window: ReplayWindow
    values: Mapping[str, int] = field(default_factory=dict)
    rows: Sequence[tuple[dt.datetime, Mapping[str, int]]] = ()


class NoSession(Exception):
    """The meter was not reached, or its answer was lost: nothing is known of what it did. Another try may succeed."""

    code = "no_session"
    retryable = True

    def __init__(self, message: str, window: ReplayWindow) -> None:
        super().__init__(message)
        self.window = window


class Transport(Protocol):
    def carry(self, call: SessionCall) -> Carried:
        """Associate, do it, read back what can be, release. Blocks. Raises NoSession."""
        ...


class KeysNotOpened(Exception):
    """A meter's keys as its maker wrote them do not open, or may not be taken. `code` says why, never what they are."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ShipmentKeys(Protocol):
    """Takes keys from a maker's file over to our own master key; no key is ever given back."""

    def take(self, *, drn: str, encryption: bytes, authentication: bytes, master: bytes = b"") -> tuple[bytes, bytes]:
        """
        The keys (16 octets clear, or 24 wrapped under the transport key; `master` empty: not known) wrapped for the
        registry, and a keyed fingerprint of them, which tells only whether two meters have the same. Raises KeysNotOpened.
        """
        ...


class KeyUnwrapper(Protocol):
    def meter_keys(self, *, drn: str, wrapped: bytes) -> MeterKeys:
        """A meter's keys as they are stored (wrapped), opened."""
        ...


class NoMasterKey(Exception):
    """Nobody has entered this meter's master key: new keys cannot be brought to it."""

    code = "no_master_key"
    retryable = False


class KeyMaker(KeyUnwrapper, Protocol):
    """Draws a meter's new keys and wraps them for their way; none is ever given back in clear."""

    def check_master(self, *, drn: str, wrapped: bytes) -> None:
        """Whether the meter's master key is known. Raises NoMasterKey."""
        ...

    def draw(self, *, drn: str, wrapped: bytes) -> bytes:
        """New keys beside the present master key, wrapped for the registry. Raises NoMasterKey."""
        ...

    def transfer(self, *, drn: str, wrapped: bytes) -> TransferKeys:
        """What brings these keys to their meter: each wrapped under its master key (RFC 3394). Raises NoMasterKey."""
        ...


@dataclass(frozen=True, kw_only=True)
class LineTerms:
    """One session with a meter over IP: where, under which keys, with which counters. `window`: the meter's, known before."""

    drn: str
    profile: str
    system_title: bytes
    host: str
    port: int
    client_sap: int
    hdlc: bool
    keys_wrapped: bytes = field(repr=False)
    key_number: int
    first_counter: int
    counters: int
    window: ReplayWindow


@dataclass(frozen=True, kw_only=True)
class LineAnswer:
    """
    What came of a session: `done`; `refused` (the meter's own word, `code` by the standard's name); `failed` (nobody knows
    what the meter did). `window` has the counters that the meter used, in any case.
    """

    outcome: str
    code: str
    window: ReplayWindow


@dataclass(frozen=True, kw_only=True)
class ImageAnswer(LineAnswer):
    """
    How far an image is, by the meter's own bitmap. `sent` blocks of this session; `state` is `sending`, `verified` or
    `activated`. `version` is the running one as the meter says it, where it was read.
    """

    state: str = "sending"
    blocks: int = 0
    there: int = 0
    sent: int = 0
    version: str = ""


class Lines(Protocol):
    """Sessions with meters over IP. No verb here raises for what a meter or a network does."""

    def greet(self, *, terms: LineTerms) -> LineAnswer:
        """Associate, and no more."""
        ...

    def transfer_keys(self, *, terms: LineTerms, keys: TransferKeys) -> LineAnswer:
        """Security setup, key transfer."""
        ...

    def begin_image(self, *, terms: LineTerms, identification: bytes, octets: int) -> ImageAnswer:
        """Image transfer, initiate: the meter forgets a former image. Reads the version that runs."""
        ...

    def send_image(self, *, terms: LineTerms, content: bytes, blocks_max: int) -> ImageAnswer:
        """Send at most so many of the blocks that the meter does not have; verify when it has all."""
        ...

    def activate_image(self, *, terms: LineTerms) -> ImageAnswer:
        """Activate what was verified."""
        ...

    def read_version(self, *, terms: LineTerms) -> ImageAnswer:
        """The version that runs."""
        ...
