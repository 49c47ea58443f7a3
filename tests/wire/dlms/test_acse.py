"""Opening an association: the Green Book's APDUs octet for octet, round trips, refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.wire.dlms import acse, initiate
from duaarah.wire.dlms.acse import Aare, Aarq, Context, Mechanism, Result, Rlre, Rlrq
from duaarah.wire.dlms.errors import DlmsError, Malformed, Unencodable, UnknownApdu
from duaarah.wire.dlms.initiate import ConfirmedServiceError, Conformance, InitiateRequest, InitiateResponse

PROPOSED = bytes.fromhex("01000000065f1f0400007e1f04b0")
GRANTED = bytes.fromhex("0800065f1f0400007c1f04000007")
# The Green Book's examples of a client of 1200 octets.
BOOK: list[tuple[acse.Acse, str]] = [
    (
        Aarq(context=Context.LN, user_information=PROPOSED),
        "601da109060760857405080101be10040e01000000065f1f0400007e1f04b0",
    ),
    (
        Aarq(context=Context.LN, mechanism=Mechanism.LLS, authentication=b"12345678", user_information=PROPOSED),
        "6036a1090607608574050801018a0207808b0760857405080201ac0a80083132333435363738"
        "be10040e01000000065f1f0400007e1f04b0",
    ),
    (
        Aarq(context=Context.LN, mechanism=Mechanism.HLS_GMAC, authentication=b"K56iVagY", user_information=PROPOSED),
        "6036a1090607608574050801018a0207808b0760857405080205ac0a80084b35366956616759"
        "be10040e01000000065f1f0400007e1f04b0",
    ),
    (
        Aare(context=Context.LN, result=Result.ACCEPTED, user_information=GRANTED),
        "6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f0400007c1f04000007",
    ),
    (
        Aare(context=Context.LN, result=Result.REJECTED_PERMANENT, diagnostic=2),
        "6117a109060760857405080101a203020101a305a103020102",
    ),
    (
        Aare(
            context=Context.LN,
            result=Result.ACCEPTED,
            diagnostic=14,
            mechanism=Mechanism.HLS_GMAC,
            authentication=b"P6wRJ21F",
            user_information=GRANTED,
        ),
        "6142a109060760857405080101a203020100a305a10302010e88020780890760857405080205aa0a80085036775" + "24a323146"
        "be10040e0800065f1f0400007c1f04000007",
    ),
    (Rlrq(0), "6203800100"),
    (Rlre(0), "6303800100"),
    (Rlrq(None), "6200"),
]

conformances = st.integers(0, (1 << 23) - 1).map(Conformance)
titles = st.none() | st.binary(min_size=8, max_size=8)


@pytest.mark.parametrize(("record", "octets"), BOOK)
def test_the_books_apdus(record: acse.Acse, octets: str) -> None:
    assert acse.encode(record).hex() == octets
    assert acse.decode(bytes.fromhex(octets)) == record


def test_what_the_books_client_proposes() -> None:
    proposed = initiate.decode(PROPOSED)
    assert isinstance(proposed, InitiateRequest)
    assert (proposed.pdu_max, proposed.version, proposed.dedicated_key) == (1200, 6, None)
    services = Conformance.GET | Conformance.SET | Conformance.ACTION | Conformance.SELECTIVE_ACCESS
    services |= Conformance.EVENT_NOTIFICATION | Conformance.MULTIPLE_REFERENCES
    services |= Conformance.BLOCK_GET | Conformance.BLOCK_SET | Conformance.BLOCK_ACTION
    assert proposed.conformance == services | Conformance.PRIORITY | Conformance.ATTRIBUTE_0_GET
    assert initiate.encode(proposed) == PROPOSED
    granted = initiate.decode(GRANTED)
    assert isinstance(granted, InitiateResponse)
    assert (granted.pdu_max, granted.vaa_name) == (1024, 7)
    assert initiate.encode(granted) == GRANTED


def test_errors_have_names() -> None:
    error = ConfirmedServiceError(1, 6, 2)
    assert initiate.encode(error).hex() == "0e010602" and initiate.decode(bytes.fromhex("0e010602")) == error
    assert error.text == "initiate: incompatible-conformance"
    refused = Aare(context=Context.LN, result=Result.REJECTED_PERMANENT, diagnostic=13)
    assert acse.diagnostic_text(refused) == "authentication failure"
    provider = Aare(context=Context.LN, result=Result.REJECTED_TRANSIENT, diagnostic=2, by_provider=True)
    assert acse.diagnostic_text(provider) == "no common ACSE version"
    assert acse.decode(acse.encode(provider)) == provider
    assert acse.diagnostic_text(Aare(context=Context.LN, result=Result.ACCEPTED, diagnostic=99)) == "diagnostic 99"


@given(
    st.sampled_from(Context),
    st.sampled_from(Mechanism),
    titles,
    st.binary(max_size=64),
    st.binary(max_size=200),
    st.none() | st.integers(0, 255),
)
def test_an_aarq_comes_back(
    context: Context, mechanism: Mechanism, title: bytes | None, value: bytes, information: bytes, user: int | None
) -> None:
    record = Aarq(
        context=context,
        calling_title=title,
        mechanism=mechanism,
        authentication=value if mechanism else None,
        user_id=user,
        user_information=information,
    )
    assert acse.decode(acse.encode(record)) == record


@given(
    st.sampled_from(Context),
    st.sampled_from(Result),
    st.sampled_from(Mechanism),
    titles,
    st.integers(0, 255),
    st.booleans(),
    st.binary(max_size=64),
)
def test_an_aare_comes_back(
    context: Context,
    result: Result,
    mechanism: Mechanism,
    title: bytes | None,
    diagnostic: int,
    by_provider: bool,
    value: bytes,
) -> None:
    record = Aare(
        context=context,
        result=result,
        diagnostic=diagnostic,
        by_provider=by_provider,
        responding_title=title,
        mechanism=mechanism,
        authentication=value if mechanism else None,
        user_information=value,
    )
    assert acse.decode(acse.encode(record)) == record


@given(
    conformances,
    st.integers(0, 0xFFFF),
    st.none() | st.binary(min_size=16, max_size=16),
    st.booleans(),
    st.none() | st.integers(0, 255),
)
def test_an_initiate_comes_back(
    conformance: Conformance, pdu_max: int, key: bytes | None, allowed: bool, quality: int | None
) -> None:
    request = InitiateRequest(
        conformance=conformance,
        pdu_max=pdu_max,
        dedicated_key=key,
        response_allowed=allowed,
        quality_of_service=quality,
    )
    assert initiate.decode(initiate.encode(request)) == request
    response = InitiateResponse(conformance=conformance, pdu_max=pdu_max, quality_of_service=quality)
    assert initiate.decode(initiate.encode(response)) == response


@given(st.binary(max_size=80), st.sampled_from([b"", b"\x60", b"\x61", b"\x62", b"\x63"]))
def test_random_octets_raise_only_the_codecs_own_error(octets: bytes, head: bytes) -> None:
    for read, start in ((acse.decode, head), (initiate.decode, head and bytes((head[0] & 9,)))):
        for body in (octets, bytes((len(octets),)) + octets):
            try:
                read(start + body)
            except DlmsError as error:
                assert error.code in ("malformed", "incomplete", "unknown_apdu")


@given(st.sampled_from(BOOK), st.integers(0, 200), st.integers(1, 255))
def test_an_altered_octet_raises_only_the_codecs_own_error(pair: tuple[acse.Acse, str], at: int, bits: int) -> None:
    octets = bytearray.fromhex(pair[1])
    octets[at % len(octets)] ^= bits
    try:
        acse.decode(bytes(octets))
    except DlmsError as error:
        assert error.code in ("malformed", "incomplete", "unknown_apdu")


def test_foreign_names_and_fields_twice_are_refused() -> None:
    octets = bytes.fromhex(BOOK[0][1])
    for bad in (octets.replace(b"\x85\x74", b"\x85\x75"), octets.replace(b"\x08\x01\x01", b"\x08\x01\x09")):
        with pytest.raises(Malformed):
            acse.decode(bad)
    twice = octets[2:13] * 2
    with pytest.raises(Malformed):
        acse.decode(bytes((0x60, len(twice))) + twice)
    with pytest.raises(UnknownApdu):
        acse.decode(b"\x64\x00")
    with pytest.raises(Unencodable):
        initiate.encode(InitiateRequest(conformance=Conformance.GET, pdu_max=1 << 16))
