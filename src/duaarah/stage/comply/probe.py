# SPDX-License-Identifier: Apache-2.0
"""A DLMS client that may misbehave: every APDU of its own making, every answer kept, nothing of the meter's refused.

`net.dlms` protects a head end from a bad meter; a bench must see what a bad meter does, so it has its own client.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from dataclasses import dataclass, field

from duaarah.core.obis import Obis
from duaarah.stage.comply.target import Counter, Failed, Target
from duaarah.wire.dlms import acse, apdu, axdr, blocks, hls, initiate, sealing
from duaarah.wire.dlms.acse import Aare, Aarq, Context, Mechanism, Result
from duaarah.wire.dlms.axdr import Data
from duaarah.wire.dlms.blocks import GetBlock, GetNext, Service
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.errors import DlmsError
from duaarah.wire.dlms.hdlc_link import HdlcLink, LinkApdu, client_address, server_address
from duaarah.wire.dlms.initiate import Conformance
from duaarah.wire.dlms.links import Link, WrapperLink
from duaarah.wire.dlms.sealing import Style
from duaarah.wire.dlms.terms import DEFAULT_CONFORMANCE

BLOCKS_MAX = 2_000
CHALLENGE_OCTETS = 16
PDU_MAX = 1024
INFORMATION_MAX = 512  # octets in an HDLC frame
READ_OCTETS = 65_536
FRAMES_KEPT = 12


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Login:
    """A client: its SAP and how it proves itself."""

    sap: int
    mechanism: Mechanism = Mechanism.NONE
    password: bytes = b""
    keys: Keys | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer: `octets` as it came, `plain` deciphered; both empty for silence, or when the meter hung up (`closed`)."""

    octets: bytes = b""
    plain: bytes = b""
    closed: bool = False

    @property
    def service(self) -> Service | None:
        """The service, or None."""
        return blocks.decode(self.plain) if self.plain else None

    @property
    def refused(self) -> bool:
        """Whether the meter did not do it, in whatever form it says so."""
        if not self.plain or self.plain[0] in (apdu.EXCEPTION_RESPONSE, initiate.CONFIRMED_SERVICE_ERROR):
            return True
        match self.service:
            case apdu.GetResponse() as got:
                return got.value is None
            case apdu.SetResponse() | apdu.ActionResponse() as done:
                return done.result != apdu.SUCCESS
        return False

    @property
    def text(self) -> str:
        """For a reason."""
        if self.closed:
            return "it closed the connection"
        if not self.octets:
            return "it said nothing"
        if self.plain[:1] == bytes((apdu.EXCEPTION_RESPONSE,)):
            return "exception-response"
        return type(self.service).__name__


@dataclass(slots=True)
class Seen:
    """What a whole run has seen of the meter: the counters of its answers, in order."""

    counters: list[int] = field(default_factory=list)
    title: bytes | None = None
    frames: deque[str] = field(default_factory=lambda: deque(maxlen=FRAMES_KEPT))

    def note(self, way: str, octets: bytes, *, secret: bool = False) -> None:
        """A frame as it went (">") or came ("<"); one that holds a password is named only."""
        self.frames.append(f"{way} {'AARQ, its password hidden' if secret else octets.hex()}")


class Probe:
    """One TCP connection to the meter. `async with`."""

    def __init__(self, target: Target, login: Login, counter: Counter, seen: Seen) -> None:
        self.target, self.login, self.counter, self.seen = target, login, counter, seen
        self.meter_title = target.meter_title
        self.longest = 0
        self.block_numbers: list[int] = []
        self.conformance = Conformance.NONE
        self._invoke = 0
        self._came: deque[bytes] = deque()
        self._link = self._new_link()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    def _new_link(self) -> Link:
        target = self.target
        if not target.over_hdlc:
            return WrapperLink(self.login.sap, target.server_sap)
        meter = server_address(target.server_sap, target.physical)
        return HdlcLink(client_address(self.login.sap), meter, information_max=INFORMATION_MAX)

    async def __aenter__(self) -> Probe:
        target = self.target
        await asyncio.sleep(target.pause_s)
        async with asyncio.timeout(target.timeout_s):
            self._reader, self._writer = await asyncio.open_connection(target.host, target.port)
            if isinstance(self._link, HdlcLink):
                self._link.connect()
                while not self._link.up:
                    await self._turn(self._reader, self._writer)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; over HDLC the link is disconnected first."""
        if self._writer is None or self._writer.is_closing():
            return
        if isinstance(self._link, HdlcLink):
            self._link.disconnect()
            self._writer.write(self._link.take())
        self._writer.close()

    # -- frames ----------------------------------------------------------------------------------------------------

    async def say(self, octets: bytes) -> Heard:
        """One APDU as it is; what comes back, data-notifications left out, and what came unasked before it."""
        assert self._writer is not None and self._reader is not None
        secret = octets[:1] == bytes((acse.AARQ,)) and self.login.mechanism is Mechanism.LLS
        self.seen.note(">", octets, secret=secret)
        self._came.clear()
        try:
            async with asyncio.timeout(self.target.timeout_s):
                self._link.send(octets)
                while True:
                    while not self._came:
                        await self._turn(self._reader, self._writer)
                    heard = self._heard(self._came.popleft())
                    if heard.plain[:1] != b"\x0f":
                        return heard
        except TimeoutError:
            return Heard()
        except OSError:
            return Heard(closed=True)

    async def _turn(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send what the link has to say, take what comes next."""
        writer.write(self._link.take())
        await writer.drain()
        data = await reader.read(READ_OCTETS)
        if not data:
            raise ConnectionResetError("The meter closed the connection.")
        self._came += [event.apdu for event in self._link.receive(data) if isinstance(event, LinkApdu)]
        writer.write(self._link.take())

    def _heard(self, octets: bytes) -> Heard:
        self.longest = max(self.longest, len(octets))
        self.seen.note("<", octets)
        if not sealing.is_sealed(octets):
            return Heard(octets, octets)
        return Heard(octets, self._open(octets))

    def _open(self, octets: bytes) -> bytes:
        sealed, keys = sealing.parse(octets), self.login.keys
        self.seen.counters.append(sealed.counter)
        title = sealed.title or self.meter_title
        if keys is None or title is None:
            raise Failed("The meter ciphers an answer for a client without keys.")
        try:
            return sealing.unseal(sealed, keys=keys, title=title)
        except DlmsError as error:
            raise Failed(f"The meter's answer is not authentic: {error}") from None

    def seal(self, plain: bytes, *, counter: int | None = None, keys: Keys | None = None) -> bytes:
        """An APDU of ours, ciphered service-specifically."""
        used = keys or self.login.keys
        assert used is not None
        number = self.counter.next() if counter is None else counter
        title = self.target.own_title
        return sealing.seal(plain, style=Style.SERVICE_GLO, keys=used, title=title, counter=number)

    async def ask(self, service: Service) -> Heard:
        """A service as this client says it: ciphered where it has keys."""
        plain = blocks.encode_any(service)
        return await self.say(self.seal(plain) if self.login.keys is not None else plain)

    # -- association -----------------------------------------------------------------------------------------------

    async def associate(
        self, *, pdu_max: int = PDU_MAX, keys: Keys | None = None, proof: bytes | None = None, plain: bool = False
    ) -> str | None:
        """None when the association stands, else how the meter refused. Wrong keys, a wrong proof, no ciphering at will."""
        login, title = self.login, self.target.own_title
        used = keys or login.keys
        wish = initiate.encode(initiate.InitiateRequest(conformance=DEFAULT_CONFORMANCE, pdu_max=pdu_max))
        high = login.mechanism is Mechanism.HLS_GMAC
        challenge = secrets.token_bytes(CHALLENGE_OCTETS) if high else login.password
        ciphered = used is not None and not plain
        aarq = Aarq(
            context=Context.LN_CIPHERED if ciphered else Context.LN,
            calling_title=title if high else None,
            mechanism=login.mechanism,
            authentication=challenge if login.mechanism is not Mechanism.NONE else None,
            user_information=self.seal(wish, keys=used) if ciphered else wish,
        )
        heard = await self.say(acse.encode(aarq))
        if not heard.octets:
            return heard.text
        if heard.octets[0] != acse.AARE:
            return f"it answers with APDU 0x{heard.octets[0]:02X}"
        aare = acse.decode(heard.octets)
        assert isinstance(aare, Aare)
        if aare.result is not Result.ACCEPTED:
            return f"rejected: {acse.diagnostic_text(aare)}"
        self.meter_title = self.seen.title = aare.responding_title or self.meter_title
        self._agreed(aare.user_information)
        return await self._prove(aare, challenge, proof) if high else None

    def _agreed(self, information: bytes) -> None:
        """What the meter grants."""
        if sealing.is_sealed(information):
            information = self._open(information)
        response = initiate.decode(information)
        if isinstance(response, initiate.InitiateResponse):
            self.conformance = response.conformance

    async def _prove(self, aare: Aare, challenge: bytes, proof: bytes | None) -> str | None:
        keys, theirs = self.login.keys, aare.authentication or b""
        assert keys is not None
        title = self.meter_title or b""
        mine = hls.answer(theirs, keys=keys, title=self.target.own_title, counter=self.counter.next())
        heard = await self.act(
            hls.ASSOCIATION_CLASS, hls.CURRENT_ASSOCIATION, hls.SECRET_METHOD, axdr.octets(proof or mine)
        )
        if heard.refused:
            return f"pass 3 refused ({heard.text})"
        answer = heard.service
        value = answer.value.value if isinstance(answer, apdu.ActionResponse) and answer.value is not None else b""
        if not isinstance(value, bytes) or not hls.proves(value, challenge, keys=keys, title=title):
            raise Failed("The meter does not prove in pass 4 that it holds the keys.")
        return None

    async def release(self) -> Heard:
        """RLRQ; the answer."""
        return await self.say(acse.encode(acse.Rlrq(0, b"")))

    # -- services --------------------------------------------------------------------------------------------------

    def invoke(self) -> int:
        """Invoke-ids in turn, confirmed."""
        self._invoke = (self._invoke + 1) % 16
        return apdu.PRIORITY_HIGH | apdu.SERVICE_CONFIRMED | self._invoke

    async def get(
        self, class_id: int, obis: Obis, attribute: int = 2, selector: int | None = None, selection: Data | None = None
    ) -> Data:
        """The whole value, blocks included, whatever their numbers; Failed when the meter does not give it."""
        invoke = self.invoke()
        heard = await self.ask(apdu.GetRequest(invoke, class_id, obis, attribute, selector, selection))
        raw, count = bytearray(), 0
        while isinstance(block := heard.service, GetBlock) and block.access_result is None:
            count += 1
            self.block_numbers.append(block.block.number)
            raw += block.block.raw
            if block.block.last:
                return axdr.decode(bytes(raw))
            if count >= BLOCKS_MAX:
                raise Failed("A value without end: the last block never comes.")
            heard = await self.ask(GetNext(invoke, count))
        answer = heard.service
        if not isinstance(answer, apdu.GetResponse) or answer.value is None:
            result = f" (result {answer.access_result})" if isinstance(answer, apdu.GetResponse) else ""
            raise Failed(f"{obis} attribute {attribute} of class {class_id} cannot be read: {heard.text}{result}.")
        return answer.value

    async def try_get(self, class_id: int, obis: Obis, attribute: int = 2) -> Heard:
        """A GET whose refusal is no failure."""
        return await self.ask(apdu.GetRequest(self.invoke(), class_id, obis, attribute))

    async def put(self, class_id: int, obis: Obis, attribute: int, value: Data) -> Heard:
        """A SET."""
        return await self.ask(apdu.SetRequest(self.invoke(), class_id, obis, attribute, value))

    async def act(self, class_id: int, obis: Obis, method: int, parameter: Data | None) -> Heard:
        """An ACTION."""
        return await self.ask(apdu.ActionRequest(self.invoke(), class_id, obis, method, parameter))
