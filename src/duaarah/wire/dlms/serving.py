# SPDX-License-Identifier: Apache-2.0
"""The server's end of an association, without a line: an APDU in, APDUs out (IEC 62056-5-3, 9.4).

A meter has one `Serving` for each client that speaks on a connection; its objects stand behind `Application`. Errors
of the peer are answered as the standard says and move nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from duaarah.wire.dlms import acse, apdu, axdr, blocks, general_blocks, hls, initiate
from duaarah.wire.dlms.access import (
    BLOCK_NUMBER_INVALID,
    DECIPHERING,
    NO_LONG_GET,
    NO_LONG_SET,
    NOT_POSSIBLE,
    NOT_SUPPORTED,
    PDU_MIN,
    PDU_TOO_LONG,
    SERVICE_NOT_ALLOWED,
    SERVICE_UNKNOWN,
    Application,
    Terms,
)
from duaarah.wire.dlms.acse import Aare, Aarq, Context, Diagnostic, Mechanism, Result
from duaarah.wire.dlms.axdr import Data
from duaarah.wire.dlms.blocks import AttributeOf, Block, Encoded, Service
from duaarah.wire.dlms.errors import AuthFailed, DlmsError, Stale, Unprotected
from duaarah.wire.dlms.initiate import Conformance
from duaarah.wire.dlms.sealing import Cipher, Style, is_sealed
from duaarah.wire.dlms.terms import OVERHEAD, VALUE_MAX


@dataclass(slots=True)
class _Long:
    """A value that comes in blocks, or leaves in them."""

    invoke_octet: int = 0
    item: AttributeOf | None = None
    action: bool = False
    number: int = 0
    received: bytearray = field(default_factory=bytearray)
    to_send: list[Block] = field(default_factory=list)


class Serving:
    """One association of one client. `associated` once it may use services."""

    def __init__(self, terms: Terms, sap: int, application: Application, cipher: Cipher | None) -> None:
        self.terms, self.sap = terms, sap
        self._application, self._cipher = application, cipher
        self._close()

    def _close(self) -> None:
        self.associated = self._proving = False
        self.context = Context.LN
        self.mechanism = Mechanism.NONE
        self.conformance = Conformance.NONE
        self._pdu_max = self.terms.pdu_max
        self._client_challenge = self._challenge = b""
        self._long: _Long | None = None
        self._transfer: general_blocks.Transfer | None = None
        self._style = Style.PLAIN

    def take(self, octets: bytes) -> list[bytes]:
        """The answers to one APDU. Malformed when it is none: the connection is of no use then."""
        if octets[:1] == bytes((general_blocks.GENERAL_BLOCK_TRANSFER,)):
            return self._on_general_block(octets)
        return self._answer(octets)

    def _answer(self, octets: bytes) -> list[bytes]:
        tag = octets[0] if octets else 0
        if tag in (acse.AARQ, acse.RLRQ):
            request = acse.decode(octets)
            if isinstance(request, Aarq):
                self._close()
                return [acse.encode(self._on_aarq(request))]
            self._close()
            return [acse.encode(acse.Rlre(0))]
        try:
            plain = self._plain(octets)
            service = blocks.decode(plain)
        except Stale:
            return [apdu.encode(apdu.ExceptionResponse(SERVICE_NOT_ALLOWED, apdu.COUNTER_ERROR, 0))]
        except AuthFailed:
            return [apdu.encode(apdu.ExceptionResponse(SERVICE_NOT_ALLOWED, DECIPHERING))]
        except Unprotected:
            return [apdu.encode(apdu.ExceptionResponse(SERVICE_NOT_ALLOWED, NOT_POSSIBLE))]
        except DlmsError:
            return [apdu.encode(apdu.ExceptionResponse(SERVICE_UNKNOWN, NOT_SUPPORTED))]
        answer = self._serve(service)
        if answer is None:
            return []
        out = self._sealed(answer)
        if len(out) <= self._pdu_max:
            return [out]
        if Conformance.GENERAL_BLOCK_TRANSFER not in self.conformance:
            return [self._sealed(apdu.ExceptionResponse(SERVICE_NOT_ALLOWED, PDU_TOO_LONG))]
        self._transfer = self._general_blocks()
        # The client has not said its window yet: the first block asks for it.
        return [general_blocks.encode(block) for block in self._transfer.send(out)]

    def _general_blocks(self) -> general_blocks.Transfer:
        size = self._pdu_max - general_blocks.HEAD_OCTETS
        return general_blocks.Transfer(size=size, window=self.terms.window)

    # -- association -----------------------------------------------------------------------------------------------

    def _on_aarq(self, aarq: Aarq) -> Aare:
        access = self.terms.access.get(self.sap)
        ciphered = aarq.context is Context.LN_CIPHERED
        if access is None:
            return self._reject(aarq, Diagnostic.NO_REASON_GIVEN)
        if aarq.context not in (Context.LN, Context.LN_CIPHERED) or (access.ciphered and not ciphered):
            return self._reject(aarq, Diagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED)
        if access.mechanism is not aarq.mechanism:
            missing = aarq.mechanism is Mechanism.NONE
            name = Diagnostic.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED
            return self._reject(aarq, Diagnostic.AUTHENTICATION_REQUIRED if missing else name)
        if aarq.mechanism is Mechanism.LLS and aarq.authentication != access.password:
            return self._reject(aarq, Diagnostic.AUTHENTICATION_FAILURE)
        if ciphered or aarq.mechanism is Mechanism.HLS_GMAC:
            if self._cipher is None or aarq.calling_title is None or aarq.calling_title == self.terms.title:
                return self._reject(aarq, Diagnostic.CALLING_AP_TITLE_NOT_RECOGNIZED)
            self._cipher.peer_title = aarq.calling_title
        try:
            proposal = self._proposal(aarq.user_information, ciphered=ciphered)
        except DlmsError:
            return self._reject(aarq, Diagnostic.AUTHENTICATION_FAILURE if ciphered else Diagnostic.NO_REASON_GIVEN)
        if proposal.version < initiate.DLMS_VERSION:
            return self._reject(aarq, Diagnostic.NO_REASON_GIVEN, error=1)
        conformance = proposal.conformance & access.conformance
        if not conformance:
            return self._reject(aarq, Diagnostic.NO_REASON_GIVEN, error=2)
        if 0 < proposal.pdu_max < PDU_MIN:
            return self._reject(aarq, Diagnostic.NO_REASON_GIVEN, error=3)
        return self._accept(aarq, proposal, conformance)

    def _proposal(self, octets: bytes, *, ciphered: bool) -> initiate.InitiateRequest:
        if is_sealed(octets) and self._cipher is not None:
            octets, _ = self._cipher.open(octets)
        elif ciphered:
            raise Unprotected("A ciphered association begins ciphered.")
        proposal = initiate.decode(octets)
        if not isinstance(proposal, initiate.InitiateRequest):
            raise Unprotected("An association begins with a proposal.")
        return proposal

    def _accept(self, aarq: Aarq, proposal: initiate.InitiateRequest, conformance: Conformance) -> Aare:
        self.context, self.mechanism, self.conformance = aarq.context, aarq.mechanism, conformance
        # We answer within our own buffer, whatever the client would receive.
        self._pdu_max = min(proposal.pdu_max or self.terms.pdu_max, self.terms.pdu_max)
        ciphered = aarq.context is Context.LN_CIPHERED
        response = initiate.encode(initiate.InitiateResponse(conformance=conformance, pdu_max=self.terms.pdu_max))
        if ciphered:
            assert self._cipher is not None
            self._cipher.dedicate(proposal.dedicated_key)
            response = self._cipher.seal(response, Style.SERVICE_GLO)
        high = aarq.mechanism is Mechanism.HLS_GMAC
        if high:
            self._client_challenge = aarq.authentication or b""
            self._challenge = self.terms.challenge()
            if not hls.CHALLENGE_MIN <= len(self._client_challenge) <= hls.CHALLENGE_MAX:
                return self._reject(aarq, Diagnostic.AUTHENTICATION_FAILURE)
            self._proving = True
        else:
            self.associated = True
        return Aare(
            context=aarq.context,
            result=Result.ACCEPTED,
            diagnostic=Diagnostic.AUTHENTICATION_REQUIRED if high else Diagnostic.NULL,
            responding_title=self.terms.title if ciphered or high else None,
            mechanism=aarq.mechanism if high else Mechanism.NONE,
            authentication=self._challenge if high else None,
            user_information=response,
        )

    def _reject(self, aarq: Aarq, diagnostic: Diagnostic, *, error: int | None = None) -> Aare:
        information = b"" if error is None else initiate.encode(initiate.ConfirmedServiceError(1, 6, error))
        return Aare(
            context=aarq.context,
            result=Result.REJECTED_PERMANENT,
            diagnostic=diagnostic,
            user_information=information,
        )

    def _prove(self, service: Service) -> Service:
        """Pass 3 in, pass 4 out; anything else before it is not allowed."""
        cipher = self._cipher
        assert cipher is not None
        if (
            not isinstance(service, apdu.ActionRequest)
            or (service.class_id, service.obis, service.method)
            != (hls.ASSOCIATION_CLASS, hls.CURRENT_ASSOCIATION, hls.SECRET_METHOD)
            or service.parameter is None
        ):
            return apdu.ExceptionResponse(SERVICE_NOT_ALLOWED, NOT_POSSIBLE)
        proof, title = service.parameter.value, cipher.peer_title or b""
        self._proving = False  # one attempt an association
        if not isinstance(proof, bytes) or not hls.proves(proof, self._challenge, keys=cipher.keys, title=title):
            return apdu.ActionResponse(service.invoke_octet, apdu.READ_WRITE_DENIED)
        self.associated = True
        answer = hls.answer(self._client_challenge, keys=cipher.keys, title=cipher.title, counter=cipher.next_counter())
        return apdu.ActionResponse(service.invoke_octet, apdu.SUCCESS, value=axdr.octets(answer))

    # -- services --------------------------------------------------------------------------------------------------

    def _plain(self, octets: bytes) -> bytes:
        if is_sealed(octets):
            if self._cipher is None or self._cipher.peer_title is None:
                raise Unprotected("Nobody has associated.")
            plain, self._style = self._cipher.open(octets)
            return plain
        if self.context is Context.LN_CIPHERED:
            raise Unprotected("This association is ciphered.")
        self._style = Style.PLAIN
        return octets

    def _sealed(self, service: Service) -> bytes:
        """In the style in which it was asked; an exception response has no service-specific ciphered form."""
        octets = blocks.encode_any(service)
        general = self._style in (Style.GENERAL_GLO, Style.GENERAL_DED)
        if self._style is Style.PLAIN or self._cipher is None:
            return octets
        return self._cipher.seal(octets, self._style) if general or octets[0] != apdu.EXCEPTION_RESPONSE else octets

    def _on_general_block(self, octets: bytes) -> list[bytes]:
        if Conformance.GENERAL_BLOCK_TRANSFER not in self.conformance:
            return [apdu.encode(apdu.ExceptionResponse(SERVICE_NOT_ALLOWED, NOT_SUPPORTED))]
        if self._transfer is None:
            self._transfer = self._general_blocks()
        answers, whole = self._transfer.take(general_blocks.decode(octets))
        if whole is None:
            return [general_blocks.encode(block) for block in answers]
        self._transfer = None
        return self._answer(whole)

    def _serve(self, service: Service) -> Service | None:
        if self._proving:
            return self._prove(service)
        if not self.associated:
            return apdu.ExceptionResponse(SERVICE_NOT_ALLOWED, NOT_POSSIBLE)
        needed = _NEEDS.get(type(service))
        if needed is None or needed not in self.conformance:
            return apdu.ExceptionResponse(SERVICE_UNKNOWN, NOT_SUPPORTED)
        confirmed = not hasattr(service, "invoke_octet") or service.invoke_octet & apdu.SERVICE_CONFIRMED
        answer = self._served(service)
        return answer if confirmed else None

    def _served(self, service: Service) -> Service:
        match service:
            case apdu.GetRequest():
                item = AttributeOf(
                    service.class_id, service.obis, service.attribute, service.selector, service.selection
                )
                return self._get(service.invoke_octet, item)
            case blocks.GetWithList():
                return self._get_list(service)
            case blocks.GetNext() | blocks.ActionNext():
                return self._next(service)
            case apdu.SetRequest():
                item = AttributeOf(
                    service.class_id, service.obis, service.attribute, service.selector, service.selection
                )
                return apdu.SetResponse(service.invoke_octet, self._application.set(self.sap, item, service.value))
            case blocks.SetWithList():
                results = [
                    self._application.set(self.sap, item, value)
                    for item, value in zip(service.items, service.values, strict=True)
                ]
                return blocks.SetListResponse(service.invoke_octet, tuple(results))
            case apdu.ActionRequest():
                item = AttributeOf(service.class_id, service.obis, service.method)
                return self._act(service.invoke_octet, item, service.parameter)
            case blocks.SetFirstBlock() | blocks.SetBlock() | blocks.ActionFirstBlock() | blocks.ActionBlock():
                return self._on_block(service)
        return apdu.ExceptionResponse(SERVICE_UNKNOWN, NOT_SUPPORTED)

    def _room(self) -> int:
        """Octets of a value that fit one APDU beside its head."""
        return self._pdu_max - OVERHEAD[self._style] - 12

    def _in_blocks(self, raw: bytes, *, needs: Conformance) -> bool:
        general = Conformance.GENERAL_BLOCK_TRANSFER in self.conformance and self.terms.prefers_general_blocks
        return len(raw) > self._room() and needs in self.conformance and not general

    def _get(self, invoke_octet: int, item: AttributeOf) -> Service:
        value = self._application.get(self.sap, item)
        if isinstance(value, int):
            return apdu.GetResponse(invoke_octet, access_result=value)
        raw = value if isinstance(value, bytes) else axdr.encode(value)
        if self._in_blocks(raw, needs=Conformance.BLOCK_GET):
            return self._begin(invoke_octet, raw)
        if len(raw) > self._room() and Conformance.GENERAL_BLOCK_TRANSFER not in self.conformance:
            return apdu.GetResponse(invoke_octet, access_result=apdu.OTHER_REASON)
        return Encoded(invoke_octet, raw)

    def _get_list(self, service: blocks.GetWithList) -> Service:
        octets = axdr.encode_length(len(service.items))
        for item in service.items:
            value = self._application.get(self.sap, item)
            if isinstance(value, int):
                octets += bytes((1, value))
            else:
                octets += b"\x00" + (value if isinstance(value, bytes) else axdr.encode(value))
        if self._in_blocks(octets, needs=Conformance.BLOCK_GET):
            return self._begin(service.invoke_octet, octets)
        return Encoded(service.invoke_octet, octets, listed=True)

    def _begin(self, invoke_octet: int, raw: bytes, *, action: bool = False) -> Service:
        first, *rest = blocks.split(raw, self._room())
        self._long = _Long(invoke_octet, action=action, to_send=rest, number=1)
        form = blocks.ActionAnswerBlock if action else blocks.GetBlock
        return form(invoke_octet, first)

    def _next(self, service: blocks.GetNext | blocks.ActionNext) -> Service:
        action, long = isinstance(service, blocks.ActionNext), self._long
        if long is None or not long.to_send or long.action != action or service.number != long.number:
            self._long = None
            if action:
                return apdu.ActionResponse(service.invoke_octet, NO_LONG_GET)
            result = NO_LONG_GET if long is None else BLOCK_NUMBER_INVALID
            return blocks.GetBlock(service.invoke_octet, Block(True, service.number, b""), result)
        block = long.to_send.pop(0)
        long.number = block.number
        if not long.to_send:
            self._long = None
        form = blocks.ActionAnswerBlock if action else blocks.GetBlock
        return form(service.invoke_octet, block)

    def _act(self, invoke_octet: int, item: AttributeOf, parameter: Data | None) -> Service:
        if (item.class_id, item.obis, item.number) == (
            hls.ASSOCIATION_CLASS,
            hls.CURRENT_ASSOCIATION,
            hls.SECRET_METHOD,
        ):
            return apdu.ActionResponse(invoke_octet, apdu.READ_WRITE_DENIED)
        result, value = self._application.act(self.sap, item, parameter)
        response = apdu.ActionResponse(invoke_octet, result, value=value)
        raw = apdu.encode(response)[3:] if value is not None else b""
        if self._in_blocks(raw, needs=Conformance.BLOCK_ACTION):
            return self._begin(invoke_octet, raw, action=True)
        return response

    def _on_block(
        self, service: blocks.SetFirstBlock | blocks.SetBlock | blocks.ActionFirstBlock | blocks.ActionBlock
    ) -> Service:
        """A block of a long value of the client's."""
        block, action = service.block, isinstance(service, blocks.ActionFirstBlock | blocks.ActionBlock)
        if isinstance(service, blocks.SetFirstBlock | blocks.ActionFirstBlock):
            self._long = _Long(service.invoke_octet, service.item, action)
        long = self._long
        if long is None or long.item is None or long.action != action:
            return self._broken(service.invoke_octet, block.number, NO_LONG_SET, action=action)
        if block.number != long.number + 1 or len(long.received) + len(block.raw) > VALUE_MAX:
            return self._broken(service.invoke_octet, block.number, BLOCK_NUMBER_INVALID, action=action)
        long.number = block.number
        long.received += block.raw
        if not block.last:
            form = blocks.ActionBlockResponse if action else blocks.SetBlockResponse
            return form(service.invoke_octet, block.number)
        self._long = None
        try:
            value = axdr.decode(bytes(long.received))
        except DlmsError:
            return self._broken(service.invoke_octet, block.number, apdu.TYPE_UNMATCHED, action=action)
        if action:
            return self._act(service.invoke_octet, long.item, value)
        result = self._application.set(self.sap, long.item, value)
        return blocks.SetBlockResponse(service.invoke_octet, block.number, result)

    def _broken(self, invoke_octet: int, number: int, result: int, *, action: bool) -> Service:
        self._long = None
        if action:
            return apdu.ActionResponse(invoke_octet, result)
        return blocks.SetBlockResponse(invoke_octet, number, result)


_NEEDS: dict[type, Conformance] = {
    apdu.GetRequest: Conformance.GET,
    blocks.GetNext: Conformance.BLOCK_GET,
    blocks.GetWithList: Conformance.MULTIPLE_REFERENCES,
    apdu.SetRequest: Conformance.SET,
    blocks.SetFirstBlock: Conformance.BLOCK_SET,
    blocks.SetBlock: Conformance.BLOCK_SET,
    blocks.SetWithList: Conformance.MULTIPLE_REFERENCES | Conformance.SET,
    apdu.ActionRequest: Conformance.ACTION,
    blocks.ActionNext: Conformance.BLOCK_ACTION,
    blocks.ActionFirstBlock: Conformance.BLOCK_ACTION,
    blocks.ActionBlock: Conformance.BLOCK_ACTION,
}
