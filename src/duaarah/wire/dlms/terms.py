# SPDX-License-Identifier: Apache-2.0
"""What a client's association is made of, and what it tells: terms, states, events. `association` moves them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from duaarah.wire.dlms import apdu, blocks, initiate
from duaarah.wire.dlms.acse import Mechanism
from duaarah.wire.dlms.blocks import Block
from duaarah.wire.dlms.initiate import Conformance
from duaarah.wire.dlms.sealing import Style

PDU_MAX = 1024
VALUE_MAX = 1 << 20  # octets of one value put together from blocks
DEFAULT_CONFORMANCE = (
    Conformance.GENERAL_PROTECTION
    | Conformance.PRIORITY
    | Conformance.BLOCK_GET
    | Conformance.BLOCK_SET
    | Conformance.BLOCK_ACTION
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.DATA_NOTIFICATION
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.ACTION
)
# What ciphering adds to an APDU at most: tags, lengths, title, control, counter, authentication tag.
OVERHEAD = {Style.PLAIN: 0, Style.SERVICE_GLO: 21, Style.SERVICE_DED: 21, Style.GENERAL_GLO: 30, Style.GENERAL_DED: 30}


class State(Enum):
    """Where the association stands."""

    IDLE = "idle"
    LINKING = "linking"
    ASSOCIATING = "associating"
    PROVING = "proving"
    READY = "ready"
    WAITING = "waiting"
    RELEASING = "releasing"
    UNLINKING = "unlinking"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Terms:
    """How a client associates. `secret` is the password of LLS or the challenge of HLS (8 to 64 fresh random octets).

    `dedicated_key`: 16 fresh random octets when the style is a dedicated one. Never printed: it holds secrets.
    """

    mechanism: Mechanism = Mechanism.NONE
    secret: bytes = b""
    style: Style = Style.PLAIN
    dedicated_key: bytes | None = None
    meter_title: bytes | None = None
    conformance: Conformance = DEFAULT_CONFORMANCE
    pdu_max: int = PDU_MAX
    window: int = 1

    def __repr__(self) -> str:
        return "Terms(hidden)"


@dataclass(frozen=True, slots=True)
class Associated:
    """The association stands: what is agreed and who the meter says it is (proven when the mechanism is HLS)."""

    conformance: Conformance
    pdu_max: int
    meter_title: bytes | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The meter does not associate: its result, diagnostic and the sentence for it."""

    result: int
    diagnostic: int
    text: str


Response = (
    apdu.GetResponse
    | apdu.SetResponse
    | apdu.ActionResponse
    | apdu.ExceptionResponse
    | blocks.GetListResponse
    | blocks.SetListResponse
    | initiate.ConfirmedServiceError
)


@dataclass(frozen=True, slots=True)
class Answered:
    """The whole answer to the latest request, put together from its blocks.

    `authentic`: it came ciphered. In a ciphered association only an ExceptionResponse or a ConfirmedServiceError may be
    plain, and then anybody on the line may have said it: it proves nothing about what the meter did.
    """

    response: Response
    authentic: bool


@dataclass(frozen=True, slots=True)
class Notified:
    """A Data-Notification or an Event-Notification that came in between."""

    notification: apdu.DataNotification | apdu.EventNotification


@dataclass(frozen=True, slots=True)
class Released:
    """The association has ended, and the HDLC link with it."""


Event = Associated | Rejected | Answered | Notified | Released
Request = apdu.GetRequest | apdu.SetRequest | apdu.ActionRequest | blocks.GetWithList | blocks.SetWithList


@dataclass(slots=True)
class Exchange:
    """The request under way: blocks still to go, what has come of the answer."""

    invoke_octet: int
    listed: bool
    to_send: list[Block] = field(default_factory=list)
    action: bool = False
    number: int = 0
    received: bytearray = field(default_factory=bytearray)
