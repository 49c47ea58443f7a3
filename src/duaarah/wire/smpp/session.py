# SPDX-License-Identifier: Apache-2.0
"""
One SMPP session without sockets: bytes in, events out; requests in, bytes out. ESME and SMSC share the state table.

deliver_sm is answered only when the caller says so: after its commit. Times are monotonic seconds, passed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto

from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp.errors import LocalProtocolError, MalformedPDU, RemoteProtocolError
from duaarah.wire.smpp.pdu import PDU


class State(Enum):
    OPEN = auto()
    BINDING = auto()
    BOUND = auto()
    UNBINDING = auto()
    DRAINING = auto()
    CLOSED = auto()


class Move(Enum):
    BIND_ASKED = auto()
    BIND_GRANTED = auto()
    BIND_DENIED = auto()
    UNBIND_ASKED = auto()
    UNBIND_HEARD = auto()
    UNBIND_DONE = auto()
    LOST = auto()


# Every transition there is (specification 2.2); the table does not know which side we are.
TABLE: Mapping[tuple[State, Move], State] = {
    (State.OPEN, Move.BIND_ASKED): State.BINDING,
    (State.BINDING, Move.BIND_GRANTED): State.BOUND,
    (State.BINDING, Move.BIND_DENIED): State.OPEN,
    (State.BOUND, Move.UNBIND_ASKED): State.UNBINDING,
    (State.BOUND, Move.UNBIND_HEARD): State.DRAINING,
    **{(state, Move.UNBIND_HEARD): State.CLOSED for state in (State.OPEN, State.BINDING, State.UNBINDING)},
    (State.UNBINDING, Move.UNBIND_DONE): State.CLOSED,
    (State.DRAINING, Move.UNBIND_DONE): State.CLOSED,
    (State.OPEN, Move.UNBIND_ASKED): State.UNBINDING,
    **{(state, Move.LOST): State.CLOSED for state in State},
}


@dataclass(frozen=True, slots=True)
class Request:
    """The peer asks: bind, submit_sm, deliver_sm, unbind. It is answered with `respond`."""

    pdu: PDU


@dataclass(frozen=True, slots=True)
class Answered:
    """The peer answered one of our requests; `token` is what the caller gave with it."""

    pdu: PDU
    token: object


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No response within the timer, or the link was lost: nobody knows what became of it."""

    token: object


@dataclass(frozen=True, slots=True)
class LinkDead:
    """The peer is silent, or too many of our messages stayed without a response: close the connection."""

    why: str = "The SMSC does not answer."


Event = Request | Answered | Unanswered | LinkDead
SEQUENCE_MAX = 0x7FFFFFFF
UNANSWERED = "Half of the window stayed without a response."
_MESSAGES = (p.SUBMIT_SM, p.DELIVER_SM)
_TAKING = (State.BOUND, State.UNBINDING, State.DRAINING)


class Session:
    """
    See the module. `window` bounds our unanswered requests; the codec's ceiling bounds a PDU.

    `keep_late`: a response after its timer is still Answered, after Unanswered was told. Until then the peer may still hold
    the message, so it keeps its place in the window; when half of the window is such, what waits is waited for and the link is
    declared dead: a new connection has a whole window.
    """

    def __init__(
        self,
        *,
        window: int = 10,
        response_timeout_s: float = 10,
        enquire_link_s: float = 30,
        keep_late: bool = False,
    ) -> None:
        self.state = State.OPEN
        self.window = window
        self._response_timeout_s = response_timeout_s
        self._enquire_link_s = enquire_link_s
        self._sequence = 0
        self._buffer = bytearray()
        self._waiting: dict[int, tuple[float, object, int]] = {}
        self._outstanding = 0
        self._late: dict[int, tuple[object, int]] = {}
        self._keep_late = keep_late
        self._peer_unbind: PDU | None = None
        self._heard_at_s: float | None = None
        self._enquired_at_s: float | None = None

    @property
    def outstanding(self) -> int:
        """Messages of ours that wait for their response."""
        return self._outstanding

    @property
    def unanswered(self) -> int:
        """Requests of ours of any kind, enquire_link too, that wait for their response."""
        return len(self._waiting)

    @property
    def free(self) -> int:
        """How many more messages the window takes."""
        if self.state is not State.BOUND or self._half_lost:
            return 0
        return max(0, self.window - self.outstanding - len(self._late))

    @property
    def _half_lost(self) -> bool:
        return 2 * len(self._late) >= self.window

    def _move(self, move: Move) -> None:
        target = TABLE.get((self.state, move))
        if target is None:
            raise LocalProtocolError(f"{move.name} is not possible while {self.state.name}.")
        self.state = target

    # -- our requests ------------------------------------------------------------------------------------------------

    def bind(
        self,
        *,
        system_id: str,
        password: str,
        address_range: str,
        now_s: float,
        command: int = p.BIND_TRANSCEIVER,
        system_type: str = "",
    ) -> bytes:
        """One of the three binds. Raises LocalProtocolError unless the session is open."""
        self._move(Move.BIND_ASKED)
        text = {
            "system_id": system_id,
            "password": password,
            "system_type": system_type,
            "address_range": address_range,
        }
        return self._request(command, None, now_s, text=text, number={"interface_version": 0x34})

    def send_message(
        self,
        command: int,
        token: object,
        now_s: float,
        *,
        text: Mapping[str, str],
        number: Mapping[str, int],
        short_message: bytes,
        tlvs: tuple[tuple[int, bytes], ...] = (),
    ) -> bytes:
        """submit_sm or deliver_sm. Raises LocalProtocolError when not bound or the window is full."""
        if not self.free:
            raise LocalProtocolError("Not bound, or the window is full.")
        return self._request(command, token, now_s, text=text, number=number, short_message=short_message, tlvs=tlvs)

    def unbind(self, now_s: float) -> bytes:
        """Graceful end."""
        self._move(Move.UNBIND_ASKED)
        return self._request(p.UNBIND, None, now_s)

    def _request(self, command: int, token: object, now_s: float, **content: object) -> bytes:
        self._sequence = self._sequence % SEQUENCE_MAX + 1
        octets = p.encode(PDU(command, self._sequence, **content))  # type: ignore[arg-type]
        self._waiting[self._sequence] = (now_s + self._response_timeout_s, token, command)
        self._outstanding += command in _MESSAGES
        return octets

    # -- our answers -------------------------------------------------------------------------------------------------

    def respond(self, request: PDU, status: int = p.ESME_ROK, *, message_id: str = "", system_id: str = "") -> bytes:
        """The response to a request of the peer; a bind that is granted opens the session for messages."""
        if request.command in p.BINDS:
            if self.state is State.OPEN:
                self._move(Move.BIND_ASKED)
            self._move(Move.BIND_GRANTED if status == p.ESME_ROK else Move.BIND_DENIED)
        text = {"message_id": message_id, "system_id": system_id}
        return p.encode(PDU(request.command | p.RESPONSE, request.sequence, status, text=text))

    # -- what comes in -----------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now_s: float) -> tuple[list[Event], bytes]:
        """
        Take bytes as they come, split or joined anywhere; events in order, and bytes to send back at once.

        Raises:
            RemoteProtocolError: the framing is lost (a length below 16 or above the ceiling). What came whole before it in
                the same octets is told first, and the next call of `receive` or `tick` raises.
        """
        self._heard_at_s = now_s
        self._enquired_at_s = None
        self._buffer += data
        events: list[Event] = []
        replies = bytearray()
        start = 0
        while len(self._buffer) - start >= p.HEADER.size:
            length = int.from_bytes(self._buffer[start : start + 4], "big")
            if not p.HEADER.size <= length <= p.PDU_OCTETS_MAX:
                if start:
                    break
                raise RemoteProtocolError(f"A PDU of {length} octets is not taken.")
            if len(self._buffer) - start < length:
                break
            octets = bytes(self._buffer[start : start + length])
            start += length
            replies += self._take(octets, events)
        del self._buffer[:start]
        replies += self._drained(events)
        return events, bytes(replies)

    def _drained(self, events: list[Event]) -> bytes:
        """The peer wants to go: its unbind is answered when nothing of ours waits any more."""
        if self.state is not State.DRAINING or self._outstanding or self._peer_unbind is None:
            return b""
        self._move(Move.UNBIND_DONE)
        events.append(Request(self._peer_unbind))
        return p.encode(PDU(p.UNBIND | p.RESPONSE, self._peer_unbind.sequence))

    def _take(self, octets: bytes, events: list[Event]) -> bytes:
        try:
            pdu = p.decode(octets)
        except MalformedPDU as error:
            # A response is never answered; what it was to answer stays unanswered.
            if int.from_bytes(octets[4:8], "big") & p.RESPONSE:
                return b""
            return p.encode(PDU(p.GENERIC_NACK, error.sequence, p.ESME_RINVCMDLEN))
        if pdu.is_response:
            self._take_response(pdu, events)
            return b""
        if pdu.command == p.ENQUIRE_LINK:
            return p.encode(PDU(p.ENQUIRE_LINK | p.RESPONSE, pdu.sequence))
        if pdu.command == p.UNBIND and self.state is State.BOUND:
            self._move(Move.UNBIND_HEARD)
            self._peer_unbind = pdu
            return b""
        if pdu.command == p.UNBIND and self.state is not State.DRAINING:
            if self.state is not State.CLOSED:
                self._move(Move.UNBIND_HEARD)
            events.append(Request(pdu))
            return p.encode(PDU(p.UNBIND | p.RESPONSE, pdu.sequence))
        if pdu.command in _MESSAGES and self.state not in _TAKING:
            return p.encode(PDU(pdu.command | p.RESPONSE, pdu.sequence, p.ESME_RINVBNDSTS))
        if pdu.command in (*_MESSAGES, *p.BINDS):
            events.append(Request(pdu))
            return b""
        return p.encode(PDU(p.GENERIC_NACK, pdu.sequence, p.ESME_RINVCMDID))

    def _take_response(self, pdu: PDU, events: list[Event]) -> None:
        late = self._late.get(pdu.sequence)
        waiting = self._waiting.get(pdu.sequence) or (late and (0.0, *late))
        # The response of another command is no answer to this one.
        if waiting is None or pdu.command not in (waiting[2] | p.RESPONSE, p.GENERIC_NACK):
            return
        _, token, command = waiting
        if late is not None:
            del self._late[pdu.sequence]
            events.append(Answered(pdu, token))
            return
        del self._waiting[pdu.sequence]
        self._outstanding -= command in _MESSAGES
        if command in p.BINDS:
            if self.state is not State.BINDING:
                return
            if pdu.command == p.GENERIC_NACK:
                # Never a grant, whatever its status says.
                pdu = replace(pdu, command=command | p.RESPONSE, status=pdu.status or p.ESME_RUNKNOWNERR)
            self._move(Move.BIND_GRANTED if pdu.status == p.ESME_ROK else Move.BIND_DENIED)
            events.append(Answered(pdu, token))
        elif command == p.UNBIND:
            if self.state is State.UNBINDING:
                self._move(Move.UNBIND_DONE)
            events.append(Answered(pdu, token))
        elif command != p.ENQUIRE_LINK:
            events.append(Answered(pdu, token))

    def tick(self, now_s: float) -> tuple[list[Event], bytes]:
        """
        What the clock brings: requests that stay unanswered, an enquire_link, a dead link.

        Raises:
            RemoteProtocolError: the framing was lost behind what `receive` told last.
        """
        if len(self._buffer) >= p.HEADER.size:
            length = int.from_bytes(self._buffer[:4], "big")
            if not p.HEADER.size <= length <= p.PDU_OCTETS_MAX:
                raise RemoteProtocolError(f"A PDU of {length} octets is not taken.")
        events: list[Event] = []
        late = [sequence for sequence, (until_s, _, _) in self._waiting.items() if until_s <= now_s]
        for sequence in late:
            until_s, token, command = self._waiting.pop(sequence)
            if command == p.ENQUIRE_LINK and (self._heard_at_s or 0) > until_s - self._response_timeout_s:
                # It answers late, but it speaks: dead is who is silent.
                continue
            if command in (p.ENQUIRE_LINK, *p.BINDS, p.UNBIND):
                events.append(LinkDead())
            else:
                self._outstanding -= 1
                if self._keep_late:
                    self._late[sequence] = token, command
                events.append(Unanswered(token))
        if self.state is State.DRAINING:
            return events, self._drained(events)
        if self.state is not State.BOUND:
            return events, b""
        if self._half_lost and not self._outstanding:
            events.append(LinkDead(UNANSWERED))
        if self._heard_at_s is None:
            self._heard_at_s = now_s
        if self._enquired_at_s is None and now_s - self._heard_at_s >= self._enquire_link_s:
            self._enquired_at_s = now_s
            return events, self._request(p.ENQUIRE_LINK, None, now_s)
        return events, b""

    def lost(self) -> list[Event]:
        """The connection is gone: whatever waits is unanswered."""
        self._move(Move.LOST)
        events: list[Event] = [
            Unanswered(token) for _, token, command in self._waiting.values() if command in _MESSAGES
        ]
        self._waiting.clear()
        self._late.clear()
        self._outstanding = 0
        return events
