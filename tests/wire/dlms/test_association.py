"""Both ends of an association back to back, over the wrapper and HDLC, in every style of ciphering, cut and joined anywhere."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duaarah.core.obis import Obis
from duaarah.core.replay import Replayed, ReplayWindow
from duaarah.wire.dlms import access, acse, apdu, axdr, blocks, general_blocks, hls, initiate
from duaarah.wire.dlms.acse import Mechanism
from duaarah.wire.dlms.association import Association
from duaarah.wire.dlms.axdr import Data, Tag
from duaarah.wire.dlms.blocks import AttributeOf
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.errors import (
    AuthFailed,
    DlmsError,
    Malformed,
    OutOfOrder,
    Stale,
    TooLong,
    Unencodable,
    Unprotected,
)
from duaarah.wire.dlms.hdlc_link import HdlcLink, LinkApdu, client_address, server_address
from duaarah.wire.dlms.initiate import Conformance
from duaarah.wire.dlms.links import Link, WrapperLink
from duaarah.wire.dlms.sealing import Cipher, Style
from duaarah.wire.dlms.serving import Serving
from duaarah.wire.dlms.terms import (
    DEFAULT_CONFORMANCE,
    Answered,
    Associated,
    Event,
    Rejected,
    Released,
    State,
    Terms,
)

KEYS = Keys(bytes(range(16)), bytes(range(0xD0, 0xE0)))
CLIENT, METER = b"HES\x00\x00\x00\x00\x01", b"DUA\x01\x00\x00\x00\x07"
ALL = DEFAULT_CONFORMANCE | Conformance.GENERAL_BLOCK_TRANSFER
PROFILE, GATEWAY = Obis(1, 0, 99, 1, 0), Obis(0, 0, 19, 40, 0)
ROWS = Data(
    Tag.ARRAY,
    tuple(
        axdr.structure(Data(Tag.NULL, None), Data(Tag.UNSIGNED, 0), Data(Tag.DOUBLE_LONG_UNSIGNED, row))
        for row in range(400)
    ),
)


@dataclass
class Objects:
    """An application that remembers what it was told."""

    written: list[tuple[AttributeOf, Data]] = field(default_factory=list)
    called: list[tuple[AttributeOf, Data | None]] = field(default_factory=list)

    def get(self, _sap: int, item: AttributeOf) -> Data | bytes | int:
        if item.obis == PROFILE:
            return ROWS
        return axdr.encode(Data(Tag.DOUBLE_LONG_UNSIGNED, 7)) if item.class_id == 3 else apdu.OBJECT_UNDEFINED

    def set(self, _sap: int, item: AttributeOf, value: Data) -> int:
        self.written.append((item, value))
        return apdu.SUCCESS

    def act(self, _sap: int, item: AttributeOf, parameter: Data | None) -> tuple[int, Data | None]:
        self.called.append((item, parameter))
        return apdu.SUCCESS, parameter


def counters(start: int = 0) -> Callable[[], int]:
    numbers = itertools.count(start + 1)
    return lambda: next(numbers)


def taker() -> Callable[[bytes, int], None]:
    windows: dict[bytes, ReplayWindow] = {}

    def take(title: bytes, counter: int) -> None:
        try:
            windows[title], _ = windows.get(title, ReplayWindow()).take(counter)
        except Replayed:
            raise Stale("used") from None

    return take


def cipher(title: bytes, keys: Keys = KEYS) -> Cipher:
    return Cipher(keys=keys, title=title, next_counter=counters(), take_counter=taker())


class Line:
    """A client and a meter with a line between; `cut` octets travel at once."""

    def __init__(
        self,
        terms: Terms,
        *,
        hdlc: bool = False,
        point: access.AccessPoint | None = None,
        client_keys: Keys = KEYS,
        pdu_max: int = 256,
        prefers_general_blocks: bool = False,
        cut: int = 4096,
    ) -> None:
        self.objects = Objects()
        self.cut = cut
        point = point or access.AccessPoint(
            mechanism=terms.mechanism,
            password=b"secret",
            ciphered=terms.style is not Style.PLAIN,
            conformance=ALL,
        )
        shared = access.Terms(
            access={1: point},
            title=METER,
            challenge=lambda: b"StoC" * 4,
            pdu_max=pdu_max,
            window=4,
            prefers_general_blocks=prefers_general_blocks,
        )
        self.serving = Serving(shared, 1, self.objects, cipher(METER))
        self.server_link: Link = HdlcLink(server_address(1, 17), None) if hdlc else WrapperLink(1, None)
        link: Link = HdlcLink(client_address(1), server_address(1, 17)) if hdlc else WrapperLink(1, 1)
        needs_keys = terms.style is not Style.PLAIN or terms.mechanism is Mechanism.HLS_GMAC
        self.client = Association(terms, link, cipher(CLIENT, client_keys) if needs_keys else None)
        self.to_meter: list[bytes] = []
        self.general_blocks = 0

    def run(self, octets: bytes) -> list[Event]:
        """To and fro until nobody has anything to say."""
        events: list[Event] = []
        while octets:
            self.to_meter.append(octets)
            answer = bytearray()
            for part in self.parts(octets):
                for event in self.server_link.receive(part):
                    if isinstance(event, LinkApdu):
                        for out in self.serving.take(event.apdu):
                            self.general_blocks += out[0] == general_blocks.GENERAL_BLOCK_TRANSFER
                            self.server_link.send(out)
                answer += self.server_link.take()
            octets = b""
            for part in self.parts(bytes(answer)):
                events += self.client.receive_data(part)
                octets += self.client.take()
        return events

    def parts(self, octets: bytes) -> list[bytes]:
        return [octets[start : start + self.cut] for start in range(0, len(octets), self.cut)]

    def get(self, class_id: int, obis: Obis) -> object:
        request = apdu.GetRequest(self.client.next_invoke(), class_id, obis, 2)
        (event,) = self.run(self.client.send(request))
        assert isinstance(event, Answered)
        return event.response


def terms(style: Style = Style.GENERAL_GLO, mechanism: Mechanism = Mechanism.HLS_GMAC, **more: object) -> Terms:
    secret = b"CtoSCtoSCtoSCtoS" if mechanism is Mechanism.HLS_GMAC else b"secret" if mechanism else b""
    key = b"d" * 16 if style.dedicated else None
    fields = {"conformance": ALL, "meter_title": None, **more}
    return Terms(mechanism=mechanism, secret=secret, style=style, dedicated_key=key, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("hdlc", [False, True], ids=["wrapper", "hdlc"])
@pytest.mark.parametrize("style", list(Style))
@pytest.mark.parametrize("general", [False, True], ids=["blocks", "gbt"])
def test_a_whole_session_in_every_style(style: Style, hdlc: bool, general: bool) -> None:
    line = Line(terms(style, window=1 if hdlc else 3), hdlc=hdlc, prefers_general_blocks=general, cut=7)
    (opened,) = line.run(line.client.connect())
    assert isinstance(opened, Associated) and opened.meter_title == METER and opened.pdu_max == 256
    response = line.get(7, PROFILE)
    assert isinstance(response, apdu.GetResponse) and response.value == ROWS
    assert (line.general_blocks > 1) == general
    token = axdr.octets(b"12345678901234567890")
    request = apdu.ActionRequest(line.client.next_invoke(), 115, GATEWAY, 1, token)
    (event,) = line.run(line.client.send(request))
    assert isinstance(event, Answered) and event.response == apdu.ActionResponse(request.invoke_octet, 0, value=token)
    assert line.objects.called == [(AttributeOf(115, GATEWAY, 1), token)]
    assert line.run(line.client.release()) == [Released()]
    assert line.client.state is State.CLOSED and not line.serving.associated


@pytest.mark.parametrize("mechanism", [Mechanism.NONE, Mechanism.LLS])
def test_public_and_low_level_security(mechanism: Mechanism) -> None:
    line = Line(terms(Style.PLAIN, mechanism))
    (opened,) = line.run(line.client.connect())
    assert opened == Associated(DEFAULT_CONFORMANCE | Conformance.GENERAL_BLOCK_TRANSFER, 256, None)
    assert line.get(1, PROFILE) == apdu.GetResponse(0xC1, value=ROWS)
    assert line.get(1, GATEWAY) == apdu.GetResponse(0xC2, access_result=4)


@pytest.mark.parametrize("general", [False, True])
def test_long_requests_go_in_blocks(general: bool) -> None:
    conformance = Conformance.SET | Conformance.ACTION
    conformance |= Conformance.GENERAL_BLOCK_TRANSFER if general else Conformance.BLOCK_SET | Conformance.BLOCK_ACTION
    line = Line(terms(conformance=conformance))
    line.run(line.client.connect())
    long = axdr.octets(bytes(range(256)) * 9)
    (answered,) = line.run(line.client.send(apdu.SetRequest(line.client.next_invoke(), 18, PROFILE, 3, long)))
    assert isinstance(answered, Answered) and answered.response.result == 0  # type: ignore[union-attr]
    assert line.objects.written == [(AttributeOf(18, PROFILE, 3), long)]
    request = apdu.ActionRequest(line.client.next_invoke(), 18, PROFILE, 2, long)
    (answered,) = line.run(line.client.send(request))
    assert isinstance(answered, Answered)
    assert answered.response == apdu.ActionResponse(request.invoke_octet, 0, value=long)
    assert line.objects.called == [(AttributeOf(18, PROFILE, 2), long)]


def test_lists_are_read_and_written() -> None:
    line = Line(terms())
    line.run(line.client.connect())
    items = (AttributeOf(3, GATEWAY, 2), AttributeOf(1, GATEWAY, 2), AttributeOf(7, PROFILE, 2))
    (answered,) = line.run(line.client.send(blocks.GetWithList(0xC5, items)))
    seven = Data(Tag.DOUBLE_LONG_UNSIGNED, 7)
    assert answered == Answered(blocks.GetListResponse(0xC5, (seven, 4, ROWS)), True)
    (answered,) = line.run(line.client.send(blocks.SetWithList(0xC6, items[:2], (seven, seven))))
    assert answered == Answered(blocks.SetListResponse(0xC6, (0, 0)), True)
    assert line.objects.written == [(items[0], seven), (items[1], seven)]


@pytest.mark.parametrize(
    ("point", "change", "diagnostic"),
    [
        ({"mechanism": Mechanism.LLS, "password": b"other"}, {}, 13),
        ({"mechanism": Mechanism.NONE}, {}, 11),
        ({"mechanism": Mechanism.LLS, "password": b"secret", "ciphered": True}, {}, 2),
        ({"mechanism": Mechanism.HLS_GMAC}, {"mechanism": Mechanism.NONE}, 14),
    ],
)
def test_refused_associations_say_why(point: dict[str, object], change: dict[str, Mechanism], diagnostic: int) -> None:
    asked = terms(Style.PLAIN, change.get("mechanism", Mechanism.LLS))
    line = Line(asked, point=access.AccessPoint(conformance=ALL, **point))  # type: ignore[arg-type]
    (event,) = line.run(line.client.connect())
    assert isinstance(event, Rejected) and event.diagnostic == diagnostic
    assert event.text == acse.Diagnostic(diagnostic).name.lower().replace("_", " ")
    assert line.client.state is State.CLOSED and not line.serving.associated


def test_a_proposal_without_a_common_service_is_an_initiate_error() -> None:
    asked = terms(Style.PLAIN, Mechanism.NONE, conformance=Conformance.READ)
    line = Line(asked)
    (event,) = line.run(line.client.connect())
    assert isinstance(event, Rejected) and event.text.endswith("(initiate: incompatible-conformance)")


def test_wrong_keys_open_nothing() -> None:
    line = Line(terms(), client_keys=Keys(bytes(16), bytes(16)))
    (event,) = line.run(line.client.connect())
    assert isinstance(event, Rejected) and event.diagnostic == acse.Diagnostic.AUTHENTICATION_FAILURE
    # HLS in a plain context: the keys are judged by pass 3 alone.
    line = Line(terms(Style.PLAIN), client_keys=Keys(bytes(16), bytes(16)))
    (event,) = line.run(line.client.connect())
    assert isinstance(event, Rejected) and event.text == "pass 3 refused (3)"
    assert not line.serving.associated


def test_nothing_is_served_before_pass_three() -> None:
    line = Line(terms(Style.PLAIN))
    line.client._associate()
    for event in line.server_link.receive(line.client.take()):
        assert isinstance(event, LinkApdu)
        line.serving.take(event.apdu)
    request = apdu.GetRequest(0xC1, 3, GATEWAY, 2)
    assert line.serving.take(apdu.encode(request)) == [apdu.encode(apdu.ExceptionResponse(1, 1))]
    proof = apdu.ActionRequest(0xC1, 15, hls.CURRENT_ASSOCIATION, 1, axdr.octets(bytes(17)))
    assert line.serving.take(apdu.encode(proof)) == [apdu.encode(apdu.ActionResponse(0xC1, 3))]
    assert line.serving.take(apdu.encode(request)) == [apdu.encode(apdu.ExceptionResponse(1, 1))]


def test_a_replayed_request_is_refused_and_moves_nothing() -> None:
    line = Line(terms(Style.SERVICE_GLO))
    line.run(line.client.connect())
    request = apdu.ActionRequest(line.client.next_invoke(), 115, GATEWAY, 1, axdr.octets(b"1" * 20))
    line.run(line.client.send(request))
    sent = line.to_meter[-1][8:]
    assert line.serving.take(sent) == [apdu.encode(apdu.ExceptionResponse(1, 6, 0))]
    forged = sent[:-1] + bytes((sent[-1] ^ 1,))
    assert line.serving.take(forged) == [apdu.encode(apdu.ExceptionResponse(1, 5))]
    plain = apdu.encode(request)
    assert line.serving.take(plain) == [apdu.encode(apdu.ExceptionResponse(1, 1))]
    assert len(line.objects.called) == 1


def test_the_client_believes_no_plain_replayed_or_foreign_answer() -> None:
    for spoil, expected in (
        (lambda _line, _answer: apdu.encode(apdu.GetResponse(0xC2, access_result=0)), Unprotected),
        (lambda _line, answer: answer[:-1] + bytes((answer[-1] ^ 1,)), AuthFailed),
        (lambda line, _answer: line.replayed, Stale),
    ):
        line = Line(terms(Style.SERVICE_GLO))
        line.run(line.client.connect())
        octets = line.client.send(apdu.GetRequest(line.client.next_invoke(), 3, GATEWAY, 2))
        (answer,) = line.serving.take(octets[8:])
        line.replayed = answer  # type: ignore[attr-defined]
        line.client.receive_data(WrapperAnswer(answer))
        line.client.send(apdu.GetRequest(line.client.next_invoke(), 3, GATEWAY, 2))
        with pytest.raises(expected):
            line.client.receive_data(WrapperAnswer(spoil(line, answer)))  # type: ignore[no-untyped-call]
        assert line.client.state is State.CLOSED


def test_a_plain_error_is_told_as_nobodys_word() -> None:
    line = Line(terms(Style.SERVICE_GLO))
    line.run(line.client.connect())
    line.client.send(apdu.ActionRequest(line.client.next_invoke(), 115, GATEWAY, 1, axdr.octets(b"1" * 20)))
    error = apdu.ExceptionResponse(1, 1)
    assert line.client.receive_data(WrapperAnswer(apdu.encode(error))) == [Answered(error, False)]
    assert line.client.state is State.READY
    with pytest.raises(OutOfOrder):
        line.client.receive_data(WrapperAnswer(apdu.encode(error)))


def test_an_event_in_between_is_nobodys_answer() -> None:
    line = Line(terms(Style.PLAIN, Mechanism.NONE))
    line.run(line.client.connect())
    line.client.send(apdu.GetRequest(line.client.next_invoke(), 3, GATEWAY, 2))
    event = bytes.fromhex("c20000010000600100ff021105")
    assert line.client.receive_data(WrapperAnswer(event)) == []
    assert line.client.state is State.WAITING
    with pytest.raises(OutOfOrder):  # a request is no answer either
        line.client.receive_data(WrapperAnswer(apdu.encode(apdu.GetRequest(0xC1, 3, GATEWAY, 2))))


def test_an_exception_instead_of_an_aare_is_a_refusal() -> None:
    line = Line(terms())
    line.client.connect()
    (event,) = line.client.receive_data(WrapperAnswer(apdu.encode(apdu.ExceptionResponse(1, 2))))
    assert isinstance(event, Rejected) and line.client.state is State.CLOSED


def test_an_answer_that_fits_nowhere_is_an_error_of_the_meter() -> None:
    line = Line(terms(conformance=Conformance.GET | Conformance.MULTIPLE_REFERENCES))
    line.run(line.client.connect())
    assert line.get(7, PROFILE) == apdu.GetResponse(0xC2, access_result=250)
    items = (AttributeOf(7, PROFILE, 2), AttributeOf(3, GATEWAY, 2))
    (event,) = line.run(line.client.send(blocks.GetWithList(0xC5, items)))
    assert event == Answered(apdu.ExceptionResponse(1, 4), True)


def WrapperAnswer(octets: bytes) -> bytes:
    link = WrapperLink(1, 1)
    link.send(octets)
    return link.take()


def test_another_meter_or_our_own_reflection_is_not_believed() -> None:
    line = Line(terms(meter_title=b"DUA\x01\x00\x00\x00\x08"))
    with pytest.raises(Malformed):
        line.run(line.client.connect())
    line = Line(terms(Style.PLAIN))
    line.serving.terms = access.Terms(
        access=line.serving.terms.access, title=METER, challenge=lambda: b"CtoSCtoSCtoSCtoS"
    )
    with pytest.raises(Malformed):
        line.run(line.client.connect())


def test_illegal_order_is_refused_and_changes_nothing() -> None:
    line = Line(terms())
    request = apdu.GetRequest(0xC1, 3, GATEWAY, 2)
    for act in (lambda: line.client.send(request), line.client.release):
        with pytest.raises(OutOfOrder):
            act()
    assert line.client.state is State.IDLE
    line.run(line.client.connect())
    with pytest.raises(OutOfOrder):
        line.client.connect()
    line.client.send(request)
    with pytest.raises(OutOfOrder):
        line.client.send(request)
    assert line.client.state is State.WAITING


def test_a_request_that_fits_nowhere_is_refused_before_it_is_sent() -> None:
    line = Line(terms(conformance=Conformance.ACTION))
    line.run(line.client.connect())
    with pytest.raises(TooLong):
        line.client.send(apdu.ActionRequest(0xC1, 18, PROFILE, 2, axdr.octets(bytes(500))))
    assert line.client.state is State.READY and not line.objects.called
    with pytest.raises(Unencodable):
        Association(Terms(mechanism=Mechanism.HLS_MD5), WrapperLink(1, 1))


def test_blocks_out_of_order_are_refused_by_the_meter() -> None:
    line = Line(terms(Style.PLAIN, Mechanism.NONE))
    line.run(line.client.connect())
    serving = line.serving

    def say(form: blocks.Form) -> blocks.Service:
        (answer,) = serving.take(blocks.encode(form))
        return blocks.decode(answer)

    assert say(blocks.GetNext(0xC1, 1)) == blocks.GetBlock(0xC1, blocks.Block(True, 1, b""), 16)
    item = AttributeOf(1, GATEWAY, 2)
    assert say(blocks.SetBlock(0xC1, blocks.Block(True, 2, b""))) == blocks.SetBlockResponse(0xC1, 2, 18)
    assert say(blocks.SetFirstBlock(0xC1, item, blocks.Block(False, 1, b"\x09"))) == blocks.SetBlockResponse(0xC1, 1)
    assert say(blocks.SetBlock(0xC1, blocks.Block(True, 3, b"\x00"))) == blocks.SetBlockResponse(0xC1, 3, 19)
    assert line.objects.written == []


@given(st.binary(max_size=200))
def test_random_octets_to_either_end_raise_only_dlms_errors(octets: bytes) -> None:
    line = Line(terms(Style.PLAIN, Mechanism.NONE))
    line.run(line.client.connect())
    with contextlib.suppress(DlmsError):
        line.serving.take(octets)
    line.client.send(apdu.GetRequest(0xC1, 3, GATEWAY, 2))
    try:
        line.client.receive_data(octets)
    except DlmsError:
        assert line.client.state is State.CLOSED


@settings(max_examples=30)
@given(st.integers(1, 300), st.booleans())
def test_any_cut_of_the_stream_gives_the_same_session(cut: int, hdlc: bool) -> None:
    line = Line(terms(Style.SERVICE_DED), hdlc=hdlc, cut=cut)
    line.run(line.client.connect())
    assert line.get(7, PROFILE) == apdu.GetResponse(0xC2, value=ROWS)
    assert line.run(line.client.release()) == [Released()]


def test_the_initiate_record_hides_its_key() -> None:
    record = initiate.InitiateRequest(conformance=ALL, pdu_max=9, dedicated_key=b"k" * 16)
    assert "kkk" not in repr(record) and "secret" not in repr(terms(Style.PLAIN, Mechanism.LLS))
