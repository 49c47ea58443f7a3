"""Every ciphered form: the Green Book's initiate-request with a dedicated key, round trips, refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.wire.dlms import ciphering, hls, initiate, sealing
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.errors import AuthFailed, DlmsError, Malformed, Stale, Unencodable, UnknownApdu, Unprotected
from duaarah.wire.dlms.sealing import Cipher, Style, is_sealed, parse, seal, unseal

KEYS = Keys(bytes(range(16)), bytes(range(0xD0, 0xE0)))
TITLE, PEER = bytes.fromhex("4d4d4d0000bc614e"), b"DUA\x01\x00\x00\x00\x07"
CIPHERED_STYLES = [style for style in Style if style is not Style.PLAIN]
BOOK_PLAIN = "01011000112233445566778899aabbccddeeff0000065f1f0400007e1f04b0"
BOOK_SEALED = "21303001234567801302ff8a7874133d414ced25b42534d28db0047720606b175bd52211be6841db204d39ee6fdb8e356855"


def test_the_books_ciphered_initiate_request() -> None:
    plain = bytes.fromhex(BOOK_PLAIN)
    assert seal(plain, style=Style.SERVICE_GLO, keys=KEYS, title=TITLE, counter=0x01234567).hex() == BOOK_SEALED
    opened = unseal(parse(bytes.fromhex(BOOK_SEALED)), keys=KEYS, title=TITLE)
    assert opened == plain
    request = initiate.decode(opened)
    assert isinstance(request, initiate.InitiateRequest)
    assert request.dedicated_key == bytes.fromhex("00112233445566778899aabbccddeeff")


def test_the_books_get_request_in_both_forms() -> None:
    plain = bytes.fromhex("c0010000080000010000ff0200")
    sealed = seal(plain, style=Style.SERVICE_GLO, keys=KEYS, title=TITLE, counter=0x01234567)
    assert sealed.hex() == "c81e3001234567411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b"
    general = seal(plain, style=Style.GENERAL_GLO, keys=KEYS, title=TITLE, counter=0x01234567)
    assert general == ciphering.protect(plain, keys=KEYS, system_title=TITLE, counter=0x01234567)
    assert seal(plain, style=Style.SERVICE_DED, keys=KEYS, title=TITLE, counter=0x01234567)[0] == 0xD0


def test_the_books_gmac_as_pass_three() -> None:
    title, challenge = bytes.fromhex("4d4d4d0000000001"), bytes.fromhex("503677524a323146")
    proof = hls.answer(challenge, keys=KEYS, title=title, counter=1)
    assert proof.hex() == "1000000001" + "1a52fe7dd3e72748973c1e28"
    assert hls.proves(proof, challenge, keys=KEYS, title=title)
    assert not hls.proves(proof, challenge + b"x", keys=KEYS, title=title)
    assert not hls.proves(proof[:-1], challenge, keys=KEYS, title=title)
    assert not hls.proves(proof, challenge, keys=KEYS, title=PEER)


@given(
    st.sampled_from(CIPHERED_STYLES),
    st.sampled_from(sorted(sealing.DED)),
    st.binary(max_size=400),
    st.integers(1, 0xFFFFFFFF),
)
def test_what_is_sealed_opens_and_only_unaltered(style: Style, tag: int, body: bytes, counter: int) -> None:
    plain = bytes((tag,)) + body
    sealed = seal(plain, style=style, keys=KEYS, title=TITLE, counter=counter)
    assert is_sealed(sealed)
    taken = parse(sealed)
    assert (taken.counter, taken.style, taken.dedicated) == (counter, style, style.dedicated)
    assert unseal(taken, keys=KEYS, title=TITLE) == plain
    with pytest.raises(AuthFailed):
        unseal(parse(sealed[:-1] + bytes((sealed[-1] ^ 1,))), keys=KEYS, title=TITLE)


@given(st.binary(max_size=60), st.sampled_from([b"", b"\xc8", b"\xd7", b"\xdb", b"\xdc", b"\x21"]))
def test_random_octets_raise_only_the_codecs_own_error(octets: bytes, head: bytes) -> None:
    try:
        unseal(parse(head + octets), keys=KEYS, title=TITLE)
    except DlmsError as error:
        assert error.code in ("malformed", "incomplete", "unknown_apdu", "unprotected", "auth_failed", "unencodable")


def _ends() -> tuple[Cipher, Cipher]:
    ends = []
    for title, peer in ((TITLE, PEER), (PEER, TITLE)):
        numbers = iter(range(1, 100))
        taken: set[int] = set()

        def take(_title: bytes, counter: int, taken: set[int] = taken) -> None:
            if counter in taken:
                raise Stale("used")
            taken.add(counter)

        end = Cipher(keys=KEYS, title=title, next_counter=lambda numbers=numbers: next(numbers), take_counter=take)  # type: ignore[misc]
        end.peer_title = peer
        ends.append(end)
    return ends[0], ends[1]


@pytest.mark.parametrize("style", CIPHERED_STYLES)
def test_a_counter_is_taken_once_and_an_own_word_never(style: Style) -> None:
    ours, theirs = _ends()
    for end in (ours, theirs):
        end.dedicate(b"d" * 16)
    sealed = ours.seal(b"\xc0one", style)
    assert theirs.open(sealed) == (b"\xc0one", style)
    with pytest.raises(Stale):
        theirs.open(sealed)
    assert theirs.open(ours.seal(b"\xc0two", style)) == (b"\xc0two", style)
    with pytest.raises((Malformed, AuthFailed)):
        ours.open(ours.seal(b"\xc0mine", style))


def test_below_authenticated_encryption_nothing_opens() -> None:
    sealed = bytearray(seal(b"\xc0", style=Style.SERVICE_GLO, keys=KEYS, title=TITLE, counter=1))
    for control in (0x00, 0x10, 0x20, 0x31, 0xB0):
        sealed[2] = control
        with pytest.raises(Unprotected):
            unseal(parse(bytes(sealed)), keys=KEYS, title=TITLE)


def test_refusals() -> None:
    with pytest.raises(Unencodable):
        seal(b"\xd8\x01\x01", style=Style.SERVICE_GLO, keys=KEYS, title=TITLE, counter=1)
    with pytest.raises(Unencodable):
        seal(b"\xc0", style=Style.PLAIN, keys=KEYS, title=TITLE, counter=1)
    with pytest.raises(UnknownApdu):
        parse(b"\xc0\x01")
    swapped = bytearray(seal(b"\xc0", style=Style.SERVICE_GLO, keys=KEYS, title=TITLE, counter=1))
    swapped[0] = 0xC9
    with pytest.raises(Malformed):
        unseal(parse(bytes(swapped)), keys=KEYS, title=TITLE)
    named = seal(b"\xc0", style=Style.GENERAL_GLO, keys=KEYS, title=TITLE, counter=1)
    with pytest.raises(Malformed):
        unseal(parse(named), keys=KEYS, title=PEER)
    ours, theirs = _ends()
    with pytest.raises(Unencodable):
        ours.seal(b"\xc0", Style.SERVICE_DED)
    ours.dedicate(b"d" * 16)
    with pytest.raises(Unprotected):
        theirs.open(ours.seal(b"\xc0", Style.SERVICE_DED))
