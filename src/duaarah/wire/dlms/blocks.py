# SPDX-License-Identifier: Apache-2.0
"""GET, SET and ACTION with lists and in blocks (IEC 62056-5-3, 9.3.3 to 9.3.6, 9.5).

`decode` reads these forms and hands the normal ones to `apdu`. A block carries raw octets of the A-XDR value; of an
ACTION's answer, of its result with the optional value. Blocks are numbered from 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from duaarah.core.obis import Obis
from duaarah.wire.dlms import apdu, axdr
from duaarah.wire.dlms.axdr import Data, Reader, encode_length
from duaarah.wire.dlms.errors import Incomplete, Malformed, Unencodable

LIST_MAX = 255


@dataclass(frozen=True, slots=True)
class AttributeOf:
    """One attribute (or method) of one object, with its selective access if any."""

    class_id: int
    obis: Obis
    number: int
    selector: int | None = None
    selection: Data | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Raw octets of a long value; `number` from 1."""

    last: bool
    number: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class GetNext:
    """Give the block after this one."""

    invoke_octet: int
    number: int


@dataclass(frozen=True, slots=True)
class GetWithList:
    """Read several attributes at once."""

    invoke_octet: int
    items: tuple[AttributeOf, ...]


@dataclass(frozen=True, slots=True)
class GetBlock:
    """A block of the answer, or the Data-Access-Result that ends it (block None)."""

    invoke_octet: int
    block: Block
    access_result: int | None = None


@dataclass(frozen=True, slots=True)
class GetListResponse:
    """A value or a Data-Access-Result for each item, in order."""

    invoke_octet: int
    results: tuple[Data | int, ...]


@dataclass(frozen=True, slots=True)
class SetFirstBlock:
    """Write one attribute, the value in blocks."""

    invoke_octet: int
    item: AttributeOf
    block: Block


@dataclass(frozen=True, slots=True)
class SetBlock:
    """A later block of a SET."""

    invoke_octet: int
    block: Block


@dataclass(frozen=True, slots=True)
class SetWithList:
    """Write several attributes at once."""

    invoke_octet: int
    items: tuple[AttributeOf, ...]
    values: tuple[Data, ...]


@dataclass(frozen=True, slots=True)
class SetBlockResponse:
    """The block was taken; `result` stands with the last one."""

    invoke_octet: int
    number: int
    result: int | None = None


@dataclass(frozen=True, slots=True)
class SetListResponse:
    """A Data-Access-Result for each item."""

    invoke_octet: int
    results: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ActionNext:
    """Give the block of the answer after this one."""

    invoke_octet: int
    number: int


@dataclass(frozen=True, slots=True)
class ActionFirstBlock:
    """Call a method, the parameter in blocks."""

    invoke_octet: int
    item: AttributeOf
    block: Block


@dataclass(frozen=True, slots=True)
class ActionBlock:
    """A later block of a method's parameter."""

    invoke_octet: int
    block: Block


@dataclass(frozen=True, slots=True)
class ActionAnswerBlock:
    """A block of a method's answer."""

    invoke_octet: int
    block: Block


@dataclass(frozen=True, slots=True)
class ActionBlockResponse:
    """The block of the parameter was taken, give the next."""

    invoke_octet: int
    number: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """A GET answer, normal or with a list, whose value is in A-XDR already; written only, never read."""

    invoke_octet: int
    raw: bytes
    listed: bool = False


Form = (
    Encoded
    | GetNext
    | GetWithList
    | GetBlock
    | GetListResponse
    | SetFirstBlock
    | SetBlock
    | SetWithList
    | SetBlockResponse
    | SetListResponse
    | ActionNext
    | ActionFirstBlock
    | ActionBlock
    | ActionAnswerBlock
    | ActionBlockResponse
)
Service = Form | apdu.Apdu

# Which octets open each form.
_HEADS: dict[type, tuple[int, int]] = {
    GetNext: (0xC0, 2),
    GetWithList: (0xC0, 3),
    GetBlock: (0xC4, 2),
    GetListResponse: (0xC4, 3),
    SetFirstBlock: (0xC1, 2),
    SetBlock: (0xC1, 3),
    SetWithList: (0xC1, 4),
    SetListResponse: (0xC5, 5),
    ActionNext: (0xC3, 2),
    ActionFirstBlock: (0xC3, 4),
    ActionBlock: (0xC3, 6),
    ActionAnswerBlock: (0xC7, 2),
    ActionBlockResponse: (0xC7, 4),
}


def _number(value: int, octets: int) -> bytes:
    try:
        return value.to_bytes(octets, "big")
    except OverflowError:
        raise Unencodable(f"The number {value} does not fit {octets} octets.") from None


def _item(item: AttributeOf, *, selective: bool = True) -> bytes:
    if not -128 <= item.number <= 127:
        raise Unencodable("The attribute does not fit one octet.")
    octets = _number(item.class_id, 2) + item.obis.to_octets() + item.number.to_bytes(1, "big", signed=True)
    if not selective:
        return octets
    if item.selector is None and item.selection is None:
        return octets + b"\x00"
    if item.selector is None or item.selection is None:
        raise Unencodable("Selective access has a selector and its parameters.")
    return octets + b"\x01" + _number(item.selector, 1) + axdr.encode(item.selection)


def _block(block: Block) -> bytes:
    return bytes((block.last,)) + _number(block.number, 4) + encode_length(len(block.raw)) + block.raw


def _count(items: tuple[object, ...]) -> bytes:
    if len(items) > LIST_MAX:
        raise Unencodable(f"A list has at most {LIST_MAX} items.")
    return encode_length(len(items))


def encode(form: Form) -> bytes:
    """The octets of one form; Unencodable when a field does not fit."""
    if isinstance(form, Encoded):
        return bytes((0xC4, 3 if form.listed else 1, form.invoke_octet)) + (b"" if form.listed else b"\x00") + form.raw
    if isinstance(form, SetBlockResponse):
        head = bytes((0xC5, 2 if form.result is None else 3)) + _number(form.invoke_octet, 1)
        return head + (b"" if form.result is None else _number(form.result, 1)) + _number(form.number, 4)
    head = bytes(_HEADS[type(form)]) + _number(form.invoke_octet, 1)
    match form:
        case GetNext() | ActionNext() | ActionBlockResponse():
            return head + _number(form.number, 4)
        case GetWithList():
            return head + _count(form.items) + b"".join(map(_item, form.items))
        case GetBlock(block=block, access_result=None):
            return head + bytes((block.last,)) + _number(block.number, 4) + b"\x00" + _block(block)[5:]
        case GetBlock(block=block, access_result=result):
            assert result is not None
            return head + bytes((block.last,)) + _number(block.number, 4) + b"\x01" + _number(result, 1)
        case GetListResponse():
            return head + encode_results(form.results)
        case SetFirstBlock():
            return head + _item(form.item) + _block(form.block)
        case ActionFirstBlock():
            return head + _item(form.item, selective=False) + _block(form.block)
        case SetBlock() | ActionBlock() | ActionAnswerBlock():
            return head + _block(form.block)
        case SetWithList():
            if len(form.items) != len(form.values):
                raise Unencodable("Each attribute of a list is written one value.")
            values = b"".join(map(axdr.encode, form.values))
            return head + _count(form.items) + b"".join(map(_item, form.items)) + _count(form.values) + values
        case SetListResponse():
            return head + _count(form.results) + b"".join(_number(result, 1) for result in form.results)


def encode_results(results: tuple[Data | int, ...]) -> bytes:
    """A list of values and Data-Access-Results, as GET with a list answers it, whole or in blocks."""
    octets = _count(results)
    for result in results:
        octets += b"\x01" + _number(result, 1) if isinstance(result, int) else b"\x00" + axdr.encode(result)
    return octets


def decode_results(octets: bytes) -> tuple[Data | int, ...]:
    """The inverse of `encode_results`."""
    reader = Reader(octets)
    results = _read_results(reader)
    reader.end()
    return results


def encode_any(service: Service) -> bytes:
    """A normal or another form."""
    return encode(service) if isinstance(service, Form) else apdu.encode(service)


# -- reading -----------------------------------------------------------------------------------------------------------


def decode(octets: bytes, *, tail_ok: bool = False) -> Service:
    """Any supported service in these octets, all of them unless `tail_ok`."""
    if not octets:
        raise Incomplete("An APDU has at least its tag.")
    read = _READERS.get((octets[0], octets[1])) if len(octets) > 1 else None
    if read is None:
        return apdu.decode(octets, tail_ok=tail_ok)
    reader = Reader(octets)
    reader.take(2)
    form = read(reader, reader.octet())
    if not tail_ok:
        reader.end()
    return form


def _u32(reader: Reader) -> int:
    return int.from_bytes(reader.take(4), "big")


def _flag(reader: Reader) -> bool:
    flag = reader.octet()
    if flag > 1 and flag != 0xFF:  # some makers write TRUE as FF
        raise Malformed(f"A presence flag is 0 or 1, not {flag}.")
    return flag != 0


def _read_block(reader: Reader) -> Block:
    return Block(_flag(reader), _u32(reader), reader.take(reader.length()))


def _read_item(reader: Reader, *, selective: bool = True) -> AttributeOf:
    class_id, obis = int.from_bytes(reader.take(2), "big"), Obis.from_octets(reader.take(6))
    number = int.from_bytes(reader.take(1), "big", signed=True)
    if not selective or not _flag(reader):
        return AttributeOf(class_id, obis, number)
    return AttributeOf(class_id, obis, number, reader.octet(), axdr.read(reader))


def _read_count(reader: Reader) -> int:
    count = reader.length()
    if count > LIST_MAX:
        raise Malformed(f"A list has at most {LIST_MAX} items.")
    return count


def _read_items(reader: Reader) -> tuple[AttributeOf, ...]:
    return tuple([_read_item(reader) for _ in range(_read_count(reader))])


def _read_results(reader: Reader) -> tuple[Data | int, ...]:
    return tuple([reader.octet() if _flag(reader) else axdr.read(reader) for _ in range(_read_count(reader))])


def _read_get_block(reader: Reader, invoke_octet: int) -> GetBlock:
    last, number = _flag(reader), _u32(reader)
    if _flag(reader):
        return GetBlock(invoke_octet, Block(last, number, b""), reader.octet())
    return GetBlock(invoke_octet, Block(last, number, reader.take(reader.length())))


def _read_set_list(reader: Reader, invoke_octet: int) -> SetWithList:
    items = _read_items(reader)
    values = tuple([axdr.read(reader) for _ in range(_read_count(reader))])
    if len(items) != len(values):
        raise Malformed("Each attribute of a list is written one value.")
    return SetWithList(invoke_octet, items, values)


def _read_set_last(reader: Reader, invoke_octet: int) -> SetBlockResponse:
    result = reader.octet()
    return SetBlockResponse(invoke_octet, _u32(reader), result)


def _read_set_results(reader: Reader, invoke_octet: int) -> SetListResponse:
    return SetListResponse(invoke_octet, tuple(reader.take(_read_count(reader))))


_READERS: dict[tuple[int, int], Callable[[Reader, int], Form]] = {
    (0xC0, 2): lambda reader, invoke: GetNext(invoke, _u32(reader)),
    (0xC0, 3): lambda reader, invoke: GetWithList(invoke, _read_items(reader)),
    (0xC4, 2): _read_get_block,
    (0xC4, 3): lambda reader, invoke: GetListResponse(invoke, _read_results(reader)),
    (0xC1, 2): lambda reader, invoke: SetFirstBlock(invoke, _read_item(reader), _read_block(reader)),
    (0xC1, 3): lambda reader, invoke: SetBlock(invoke, _read_block(reader)),
    (0xC1, 4): _read_set_list,
    (0xC5, 2): lambda reader, invoke: SetBlockResponse(invoke, _u32(reader)),
    (0xC5, 3): _read_set_last,
    (0xC5, 5): _read_set_results,
    (0xC3, 2): lambda reader, invoke: ActionNext(invoke, _u32(reader)),
    (0xC3, 4): lambda reader, invoke: ActionFirstBlock(
        invoke, _read_item(reader, selective=False), _read_block(reader)
    ),
    (0xC3, 6): lambda reader, invoke: ActionBlock(invoke, _read_block(reader)),
    (0xC7, 2): lambda reader, invoke: ActionAnswerBlock(invoke, _read_block(reader)),
    (0xC7, 4): lambda reader, invoke: ActionBlockResponse(invoke, _u32(reader)),
}


def split(raw: bytes, size: int) -> list[Block]:
    """A long value as numbered blocks of at most `size` octets."""
    if size < 1:
        raise Unencodable("A block has at least one octet.")
    parts = [raw[start : start + size] for start in range(0, len(raw), size)] or [b""]
    return [Block(number == len(parts), number, part) for number, part in enumerate(parts, start=1)]
