"""Lists, blocks and general block transfer: record and octets, round trips, lost blocks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.core.obis import Obis
from duaarah.wire.dlms import apdu, axdr, blocks, general_blocks
from duaarah.wire.dlms.axdr import Data, Tag
from duaarah.wire.dlms.blocks import AttributeOf, Block
from duaarah.wire.dlms.errors import DlmsError, Incomplete, Malformed, TooLong, Unencodable
from duaarah.wire.dlms.general_blocks import GeneralBlock, Transfer

ENERGY, PROFILE, IMAGE = Obis(1, 0, 1, 8, 0), Obis(1, 0, 99, 1, 0), Obis(0, 0, 44, 0, 0)
SEVEN = Data(Tag.UNSIGNED, 7)
PAIRS: list[tuple[blocks.Form, str]] = [
    (blocks.GetNext(0xC1, 1), "c002c100000001"),
    (
        blocks.GetWithList(0xC1, (AttributeOf(3, ENERGY, 2), AttributeOf(7, PROFILE, 2, 2, Data(Tag.NULL, None)))),
        "c003c102" + "00030100010800ff0200" + "00070100630100ff02010200",
    ),
    (blocks.GetBlock(0xC1, Block(False, 1, b"\x01\x02")), "c402c10000000001000" + "20102"),
    (blocks.GetBlock(0xC1, Block(True, 2, b""), 4), "c402c101000000020104"),
    (blocks.GetListResponse(0xC1, (SEVEN, 4)), "c403c10200" + "1107" + "0104"),
    (
        blocks.SetFirstBlock(0xC1, AttributeOf(18, IMAGE, 3), Block(False, 1, b"\x09")),
        "c102c1" + "001200002c0000ff0300" + "00000000010109",
    ),
    (blocks.SetBlock(0xC1, Block(True, 2, b"\x01\x00")), "c103c101000000020201" + "00"),
    (
        blocks.SetWithList(0xC1, (AttributeOf(3, ENERGY, 2),), (SEVEN,)),
        "c104c101" + "00030100010800ff0200" + "01" + "1107",
    ),
    (blocks.SetBlockResponse(0xC1, 1), "c502c100000001"),
    (blocks.SetBlockResponse(0xC1, 2, 0), "c503c10000000002"),
    (blocks.SetListResponse(0xC1, (0, 4)), "c505c1020004"),
    (blocks.ActionNext(0xC1, 1), "c302c100000001"),
    (
        blocks.ActionFirstBlock(0xC1, AttributeOf(18, IMAGE, 2), Block(False, 1, b"\x02")),
        "c304c1" + "001200002c0000ff02" + "00000000010102",
    ),
    (blocks.ActionBlock(0xC1, Block(True, 2, b"\x02")), "c306c101000000020102"),
    (blocks.ActionAnswerBlock(0xC1, Block(True, 1, b"\x00\x00")), "c702c10100000001020000"),
    (blocks.ActionBlockResponse(0xC1, 1), "c704c100000001"),
]


@pytest.mark.parametrize(("record", "octets"), PAIRS)
def test_record_and_octets(record: blocks.Form, octets: str) -> None:
    assert blocks.encode(record).hex() == octets
    assert blocks.decode(bytes.fromhex(octets)) == record


@pytest.mark.parametrize(("record", "octets"), PAIRS)
def test_every_cut_is_incomplete_and_every_rest_refused(record: blocks.Form, octets: str) -> None:
    whole = bytes.fromhex(octets)
    for end in range(2, len(whole)):
        with pytest.raises(Incomplete):
            blocks.decode(whole[:end])
    with pytest.raises(Malformed):
        blocks.decode(whole + b"\x00")


def test_normal_forms_pass_through() -> None:
    request = apdu.GetRequest(0xC1, 3, ENERGY, 2)
    assert blocks.decode(apdu.encode(request)) == request
    assert blocks.encode_any(request) == apdu.encode(request)
    ready = blocks.Encoded(0xC1, axdr.encode(SEVEN))
    assert blocks.decode(blocks.encode(ready)) == apdu.GetResponse(0xC1, value=SEVEN)
    listed = blocks.Encoded(0xC1, blocks.encode_results((SEVEN, 4)), listed=True)
    assert blocks.decode(blocks.encode(listed)) == blocks.GetListResponse(0xC1, (SEVEN, 4))


def test_what_does_not_fit_is_refused() -> None:
    for bad in (
        blocks.SetWithList(1, (AttributeOf(3, ENERGY, 2),), ()),
        blocks.GetNext(256, 1),
        blocks.GetNext(1, 1 << 32),
        blocks.GetWithList(1, (AttributeOf(3, ENERGY, 200),)),
        blocks.GetWithList(1, (AttributeOf(3, ENERGY, 2, 1),)),
    ):
        with pytest.raises(Unencodable):
            blocks.encode(bad)


@given(st.binary(max_size=3000), st.integers(1, 300))
def test_blocks_put_together_are_the_value(raw: bytes, size: int) -> None:
    parts = blocks.split(raw, size)
    assert b"".join(part.raw for part in parts) == raw
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert [part.last for part in parts] == [False] * (len(parts) - 1) + [True]
    assert all(len(part.raw) <= size for part in parts)


@given(st.sampled_from(sorted(blocks._READERS)), st.binary(max_size=60))
def test_random_octets_raise_only_the_codecs_own_error(head: tuple[int, int], octets: bytes) -> None:
    for start in (bytes(head), b"", b"\xe0"):
        try:
            (general_blocks if start == b"\xe0" else blocks).decode(start + octets)
        except DlmsError as error:
            assert error.code in ("malformed", "incomplete", "unknown_apdu")


@given(st.booleans(), st.booleans(), st.integers(0, 63), st.integers(0, 65535), st.integers(0, 65535), st.binary())
def test_a_general_block_comes_back(
    last: bool, streaming: bool, window: int, number: int, ack: int, raw: bytes
) -> None:
    block = GeneralBlock(last, streaming, window, number, ack, raw)
    assert general_blocks.decode(general_blocks.encode(block)) == block


def test_a_general_blocks_octets() -> None:
    assert general_blocks.encode(GeneralBlock(True, False, 1, 3, 2, b"\xc4")).hex() == "e08100030002" + "01c4"


@given(
    st.binary(min_size=1, max_size=2000), st.integers(1, 64), st.integers(1, 63), st.lists(st.booleans(), max_size=40)
)
def test_a_transfer_survives_lost_blocks(octets: bytes, size: int, window: int, lost: list[bool]) -> None:
    """A block that streams may be lost; the one that ends a window is asked for again by the layer below."""
    sender, receiver = Transfer(size=size), Transfer(size=64, window=window)
    going, whole, losses = sender.send(octets), None, iter(lost)
    for _ in range(10_000):
        answers: list[GeneralBlock] = []
        for block in going:
            if block.streaming and next(losses, False):
                continue
            out, done = receiver.take(block)
            answers += out
            whole = done if done is not None else whole
        if whole is not None:
            break
        going = [block for answer in answers for block in sender.take(answer)[0]]
    assert whole == octets


def test_a_transfer_in_windows_asks_once_a_window() -> None:
    sender, receiver = Transfer(size=1), Transfer(size=1, window=3)
    (first,) = sender.send(b"abcde")
    assert (first.streaming, first.last) == (False, False)
    (ack,), _ = receiver.take(first)
    assert (ack.ack, ack.raw, ack.window) == (1, b"", 3)
    second, _ = sender.take(ack)
    assert [(block.number, block.streaming) for block in second] == [(2, True), (3, True), (4, False)]
    assert sender.sending
    with pytest.raises(Malformed):
        sender.take(GeneralBlock(True, False, 1, 1, 9, b""))


def test_a_transfer_has_bounds() -> None:
    with pytest.raises(TooLong):
        Transfer(size=1).send(bytes(65_536))
    with pytest.raises(Unencodable):
        Transfer(size=0)
    receiver = Transfer(size=1)
    with pytest.raises(TooLong):
        for number in range(1, 40):
            receiver.take(GeneralBlock(False, True, 1, number, 0, bytes(65_000)))
