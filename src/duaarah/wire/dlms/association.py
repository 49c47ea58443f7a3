# SPDX-License-Identifier: Apache-2.0
"""The client's end of an association, without a line (IEC 62056-5-3, 9.4): octets in, events and octets out.

    IDLE -connect-> LINKING -> ASSOCIATING -> (PROVING) -> READY <-> WAITING
    READY -release-> RELEASING -> (UNLINKING) -> CLOSED

`connect`, `send` and `release` give the octets to send; after `receive_data`, `take` gives what the protocol itself
answers (the next block, an acknowledgement, pass 3). What does not fit the state is refused: OutOfOrder.
"""

from __future__ import annotations

from typing import cast

from duaarah.wire.dlms import acse, apdu, axdr, blocks, general_blocks, hls, initiate
from duaarah.wire.dlms.acse import Aare, Aarq, Context, Mechanism, Result
from duaarah.wire.dlms.blocks import AttributeOf, Block
from duaarah.wire.dlms.errors import Malformed, OutOfOrder, TooLong, Unencodable, Unprotected
from duaarah.wire.dlms.hdlc_link import LinkDown, LinkEvent, LinkUp
from duaarah.wire.dlms.initiate import Conformance
from duaarah.wire.dlms.links import HdlcLink, Link
from duaarah.wire.dlms.sealing import Cipher, Style, is_sealed
from duaarah.wire.dlms.terms import (
    OVERHEAD,
    PDU_MAX,
    VALUE_MAX,
    Answered,
    Associated,
    Event,
    Exchange,
    Notified,
    Rejected,
    Released,
    Request,
    Response,
    State,
    Terms,
)

_EVENT_NOTIFICATION = 0xC2


class Association:
    """One association of a client. `cipher` holds keys and counters; None only without keys."""

    def __init__(self, terms: Terms, link: Link, cipher: Cipher | None = None) -> None:
        if terms.mechanism not in (Mechanism.NONE, Mechanism.LLS, Mechanism.HLS_GMAC):
            raise Unencodable(f"The mechanism {terms.mechanism.name} is known by name only.")
        high = terms.mechanism is Mechanism.HLS_GMAC
        if (high or terms.style is not Style.PLAIN) and cipher is None:
            raise Unencodable("Ciphering and HLS need keys.")
        if high and not hls.CHALLENGE_MIN <= len(terms.secret) <= hls.CHALLENGE_MAX:
            raise Unencodable("A challenge has 8 to 64 octets.")
        if terms.style.dedicated != (terms.dedicated_key is not None):
            raise Unencodable("A dedicated style, and no other, has a dedicated key.")
        self.terms, self.state = terms, State.IDLE
        self.conformance, self.pdu_max = terms.conformance, PDU_MAX
        self._link, self._cipher = link, cipher
        self._meter_challenge = b""
        self._exchange: Exchange | None = None
        self._transfer: general_blocks.Transfer | None = None
        self._invoke_id = 0
        self._authentic = False

    # -- what the caller asks --------------------------------------------------------------------------------------

    def connect(self) -> bytes:
        """Set the link up (HDLC) and ask for the association; Associated or Rejected follows."""
        self._expect(State.IDLE)
        if isinstance(self._link, HdlcLink):
            self.state = State.LINKING
            self._link.connect()
        else:
            self._associate()
        return self.take()

    def next_invoke(self) -> int:
        """Invoke-Id-And-Priority for the next request: confirmed, high priority, ids in turn."""
        self._invoke_id = (self._invoke_id + 1) % 16
        return apdu.PRIORITY_HIGH | apdu.SERVICE_CONFIRMED | self._invoke_id

    def send(self, request: Request) -> bytes:
        """A request, in blocks when it is longer than the meter receives; Answered follows."""
        self._expect(State.READY)
        plain = blocks.encode_any(request)
        listed = isinstance(request, blocks.GetWithList)
        exchange = Exchange(request.invoke_octet, listed)
        if len(plain) + OVERHEAD[self.terms.style] > self.pdu_max and not self._general_blocks(len(plain)):
            plain = self._first_block(request, exchange)
        self._exchange, self.state = exchange, State.WAITING
        self._send(plain)
        return self.take()

    def release(self) -> bytes:
        """End the association; Released follows."""
        self._expect(State.READY)
        self.state = State.RELEASING
        information = self._initiate() if self._cipher is not None and self.terms.style is not Style.PLAIN else b""
        self._link.send(acse.encode(acse.Rlrq(0, information)))
        return self.take()

    def take(self) -> bytes:
        """What is to be sent now."""
        return self._link.take()

    def receive_data(self, octets: bytes) -> list[Event]:
        """Octets of the line; the events they make. A DlmsError leaves the association CLOSED."""
        try:
            found = (self._on_link(event) for event in self._link.receive(octets))
            return [event for event in found if event is not None]
        except Exception:
            self.state = State.CLOSED
            raise

    # -- opening ---------------------------------------------------------------------------------------------------

    def _expect(self, *states: State) -> None:
        if self.state not in states:
            raise OutOfOrder(f"This is not possible while the association is {self.state.value}.")

    def _initiate(self) -> bytes:
        plain = initiate.encode(
            initiate.InitiateRequest(
                conformance=self.terms.conformance,
                pdu_max=self.terms.pdu_max,
                dedicated_key=self.terms.dedicated_key,
            )
        )
        if self.terms.style is Style.PLAIN or self._cipher is None:
            return plain
        return self._cipher.seal(plain, Style.SERVICE_GLO)

    def _associate(self) -> None:
        terms, cipher = self.terms, self._cipher
        self.state = State.ASSOCIATING
        aarq = Aarq(
            context=Context.LN if terms.style is Style.PLAIN else Context.LN_CIPHERED,
            calling_title=cipher.title if cipher is not None else None,
            mechanism=terms.mechanism,
            authentication=terms.secret if terms.mechanism is not Mechanism.NONE else None,
            user_information=self._initiate(),
        )
        if cipher is not None:
            cipher.dedicate(terms.dedicated_key)
        self._link.send(acse.encode(aarq))

    def _on_link(self, event: LinkEvent) -> Event | None:
        if isinstance(event, LinkUp):
            self._expect(State.LINKING)
            self._associate()
            return None
        if isinstance(event, LinkDown):
            self._expect(State.UNLINKING)
            self.state = State.CLOSED
            return Released()
        return self._on_apdu(event.apdu)

    def _on_apdu(self, octets: bytes) -> Event | None:
        if octets[:1] == bytes((general_blocks.GENERAL_BLOCK_TRANSFER,)):
            whole = self._on_general_block(octets)
            if whole is None:
                return None
            octets = whole
        if octets[0] == acse.AARE:
            self._expect(State.ASSOCIATING)
            return self._on_aare(acse.decode(octets))
        if octets[0] == acse.RLRE:
            self._expect(State.RELEASING)
            acse.decode(octets)
            return self._closed()
        return self._on_service(self._plain(octets))

    def _on_aare(self, aare: acse.Acse) -> Event | None:
        assert isinstance(aare, Aare)
        cipher, terms = self._cipher, self.terms
        if aare.result is not Result.ACCEPTED:
            self.state = State.CLOSED
            text = acse.diagnostic_text(aare)
            if aare.user_information[:1] == bytes((initiate.CONFIRMED_SERVICE_ERROR,)):
                error = initiate.decode(aare.user_information)
                text += f" ({error.text})" if isinstance(error, initiate.ConfirmedServiceError) else ""
            return Rejected(aare.result, aare.diagnostic, text)
        title = aare.responding_title or terms.meter_title  # some meters leave away what is known
        if cipher is not None:
            if terms.meter_title is not None and title != terms.meter_title:
                raise Malformed("Another meter answers than the one that was asked for.")
            if title == cipher.title:
                raise Malformed("The meter answers under our own system title.")
            cipher.peer_title = title
        information = aare.user_information
        if is_sealed(information):
            if cipher is None:
                raise Unprotected("A ciphered answer to a plain question.")
            information, _ = cipher.open(information)
        elif terms.style is not Style.PLAIN:
            raise Unprotected("The meter's answer is not ciphered.")
        response = initiate.decode(information)
        if not isinstance(response, initiate.InitiateResponse) or response.version != initiate.DLMS_VERSION:
            raise Malformed("The meter did not answer the proposal.")
        # A meter may not grant what was not proposed.
        self.conformance = response.conformance & terms.conformance
        self.pdu_max = response.pdu_max or PDU_MAX
        if terms.mechanism is not Mechanism.HLS_GMAC:
            self.state = State.READY
            return self._associated()
        return self._prove(aare)

    def _prove(self, aare: Aare) -> Event | None:
        challenge, cipher = aare.authentication or b"", self._cipher
        assert cipher is not None
        if aare.mechanism is not Mechanism.HLS_GMAC or not hls.CHALLENGE_MIN <= len(challenge) <= hls.CHALLENGE_MAX:
            raise Malformed("The meter gave no challenge of mechanism 5.")
        if challenge == self.terms.secret:
            raise Malformed("The meter's challenge is our own, reflected.")
        self.state = State.PROVING
        proof = hls.answer(challenge, keys=cipher.keys, title=cipher.title, counter=cipher.next_counter())
        request = apdu.ActionRequest(
            self.next_invoke(), hls.ASSOCIATION_CLASS, hls.CURRENT_ASSOCIATION, hls.SECRET_METHOD, axdr.octets(proof)
        )
        self._exchange = Exchange(request.invoke_octet, False)
        self._send(apdu.encode(request))
        return None

    def _proven(self, response: Response) -> Event:
        cipher = self._cipher
        assert cipher is not None
        if not isinstance(response, apdu.ActionResponse) or response.result != apdu.SUCCESS:
            self.state = State.CLOSED
            number = response.result if isinstance(response, apdu.ActionResponse) else 0
            return Rejected(
                Result.REJECTED_PERMANENT, acse.Diagnostic.AUTHENTICATION_FAILURE, f"pass 3 refused ({number})"
            )
        value = response.value.value if response.value is not None else b""
        title = cipher.peer_title or b""
        if not isinstance(value, bytes) or not hls.proves(value, self.terms.secret, keys=cipher.keys, title=title):
            raise Unprotected("The meter could not prove that it holds the keys.")
        self.state = State.READY
        return self._associated()

    def _associated(self) -> Associated:
        return Associated(self.conformance, self.pdu_max, self._cipher.peer_title if self._cipher else None)

    def _closed(self) -> Event | None:
        hdlc = isinstance(self._link, HdlcLink)
        self.state = State.UNLINKING if hdlc else State.CLOSED
        self._link.disconnect()
        return None if hdlc else Released()

    # -- services --------------------------------------------------------------------------------------------------

    def _send(self, plain: bytes) -> None:
        style = self.terms.style
        octets = plain if style is Style.PLAIN or self._cipher is None else self._cipher.seal(plain, style)
        if len(octets) <= self.pdu_max:
            self._link.send(octets)
            return
        self._transfer = general_blocks.Transfer(size=self.pdu_max - general_blocks.HEAD_OCTETS, window=self._window())
        for block in self._transfer.send(octets):
            self._link.send(general_blocks.encode(block))

    def _window(self) -> int:
        return 1 if isinstance(self._link, HdlcLink) else self.terms.window

    def _general_blocks(self, octets: int) -> bool:
        """Whether a request that is too long goes as general blocks."""
        return Conformance.GENERAL_BLOCK_TRANSFER in self.conformance and octets < VALUE_MAX

    def _on_general_block(self, octets: bytes) -> bytes | None:
        self._expect(State.WAITING, State.PROVING)
        if self._transfer is None:
            self._transfer = general_blocks.Transfer(
                size=max(self.pdu_max - general_blocks.HEAD_OCTETS, 1), window=self._window()
            )
        answers, whole = self._transfer.take(general_blocks.decode(octets))
        for block in answers:
            self._link.send(general_blocks.encode(block))
        if whole is not None:
            self._transfer = None
            if whole[:1] in (b"", bytes((general_blocks.GENERAL_BLOCK_TRANSFER,))):
                raise Malformed("General blocks do not carry general blocks.")
        return whole

    def _plain(self, octets: bytes) -> bytes:
        self._authentic = self._cipher is not None and is_sealed(octets)
        if is_sealed(octets):
            if self._cipher is None:
                raise Unprotected("A ciphered answer in a plain association.")
            return self._cipher.open(octets)[0]
        # An error of the transport of APDUs is allowed to be plain: `Answered` says that nobody has proven it.
        if self.terms.style is not Style.PLAIN and octets[0] not in (
            apdu.EXCEPTION_RESPONSE,
            initiate.CONFIRMED_SERVICE_ERROR,
        ):
            raise Unprotected("The meter's answer is not ciphered.")
        return octets

    def _on_service(self, octets: bytes) -> Event | None:
        if octets[0] == initiate.CONFIRMED_SERVICE_ERROR:
            error = initiate.decode(octets)
            assert isinstance(error, initiate.ConfirmedServiceError)
            return self._answered(error)
        if octets[0] == _EVENT_NOTIFICATION:
            return None  # nobody's answer; who listens for pushes reads it
        service = blocks.decode(octets)
        if isinstance(service, apdu.DataNotification | apdu.EventNotification):
            return Notified(service)
        if isinstance(service, apdu.ExceptionResponse):
            return self._answered(service)
        self._expect(State.WAITING, State.PROVING)
        exchange = self._exchange
        assert exchange is not None
        if getattr(service, "invoke_octet", -1) & 0x0F != exchange.invoke_octet & 0x0F:
            raise OutOfOrder("The answer does not belong to the request.")
        match service:
            case blocks.GetBlock():
                return self._on_get_block(service, exchange)
            case blocks.ActionAnswerBlock():
                return self._on_action_block(service, exchange)
            case blocks.SetBlockResponse() | blocks.ActionBlockResponse():
                return self._on_taken(service, exchange)
            case (
                apdu.GetResponse()
                | apdu.SetResponse()
                | apdu.ActionResponse()
                | blocks.GetListResponse()
                | blocks.SetListResponse()
            ):
                return self._answered(service)
        raise OutOfOrder("A meter sends answers, not requests.")

    def _answered(self, response: Response) -> Event:
        self._expect(State.ASSOCIATING, State.PROVING, State.WAITING)
        was, self._exchange, self._transfer = self.state, None, None
        if was is State.ASSOCIATING:
            self.state = State.CLOSED
            return Rejected(Result.REJECTED_PERMANENT, 0, f"the meter answers {response}")
        self.state = State.READY
        return self._proven(response) if was is State.PROVING else Answered(response, self._authentic)

    def _collect(self, block: Block, exchange: Exchange) -> bool:
        """Add a block of the answer; True when it is whole."""
        if block.number != exchange.number + 1:
            raise OutOfOrder(f"Block {exchange.number + 1} is due, {block.number} came.")
        exchange.number = block.number
        exchange.received += block.raw
        if len(exchange.received) > VALUE_MAX:
            raise TooLong(f"A value has at most {VALUE_MAX} octets here.")
        return block.last

    def _on_get_block(self, service: blocks.GetBlock, exchange: Exchange) -> Event | None:
        if service.access_result is not None:
            return self._answered(apdu.GetResponse(service.invoke_octet, access_result=service.access_result))
        if not self._collect(service.block, exchange):
            self._send(blocks.encode(blocks.GetNext(exchange.invoke_octet, service.block.number)))
            return None
        raw = bytes(exchange.received)
        if exchange.listed:
            return self._answered(blocks.GetListResponse(service.invoke_octet, blocks.decode_results(raw)))
        return self._answered(apdu.GetResponse(service.invoke_octet, value=axdr.decode(raw)))

    def _on_action_block(self, service: blocks.ActionAnswerBlock, exchange: Exchange) -> Event | None:
        if not self._collect(service.block, exchange):
            self._send(blocks.encode(blocks.ActionNext(exchange.invoke_octet, service.block.number)))
            return None
        head = bytes((apdu.ACTION_RESPONSE, apdu.NORMAL, service.invoke_octet))
        return self._answered(cast(apdu.ActionResponse, apdu.decode(head + bytes(exchange.received))))

    def _on_taken(
        self, service: blocks.SetBlockResponse | blocks.ActionBlockResponse, exchange: Exchange
    ) -> Event | None:
        """The meter took a block of ours."""
        result = service.result if isinstance(service, blocks.SetBlockResponse) else None
        if result is not None:
            return self._answered(apdu.SetResponse(service.invoke_octet, result))
        if not exchange.to_send or service.number != exchange.to_send[0].number - 1:
            raise OutOfOrder("A block is acknowledged that is not the latest.")
        block = exchange.to_send.pop(0)
        form = blocks.ActionBlock if exchange.action else blocks.SetBlock
        self._send(blocks.encode(form(exchange.invoke_octet, block)))
        return None

    def _first_block(self, request: Request, exchange: Exchange) -> bytes:
        """The first block of a request that is longer than the meter receives."""
        size, invoke = self.pdu_max - OVERHEAD[self.terms.style] - 40, request.invoke_octet
        if isinstance(request, apdu.SetRequest) and Conformance.BLOCK_SET in self.conformance and size > 0:
            first, *exchange.to_send = blocks.split(axdr.encode(request.value), size)
            item = AttributeOf(request.class_id, request.obis, request.attribute, request.selector, request.selection)
            return blocks.encode(blocks.SetFirstBlock(invoke, item, first))
        if (
            isinstance(request, apdu.ActionRequest)
            and request.parameter is not None
            and Conformance.BLOCK_ACTION in self.conformance
            and size > 0
        ):
            exchange.action = True
            first, *exchange.to_send = blocks.split(axdr.encode(request.parameter), size)
            item = AttributeOf(request.class_id, request.obis, request.method)
            return blocks.encode(blocks.ActionFirstBlock(invoke, item, first))
        raise TooLong(f"The request is longer than the {self.pdu_max} octets that the meter receives.")
