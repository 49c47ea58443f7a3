# SPDX-License-Identifier: Apache-2.0
"""An object as data: attributes with a reader and perhaps a writer, methods, and who may use them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from duaarah.core.obis import Obis
from duaarah.wire.dlms.apdu import READ_WRITE_DENIED, SUCCESS, TYPE_UNMATCHED
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure

Value = Data | bytes | int  # bytes: in A-XDR already; int: a Data-Access-Result
Reader = Callable[[], Data | bytes]
Writer = Callable[[Data], int]
Method = Callable[[Data | None], tuple[int, Data | None]]
NULL = Data(Tag.NULL, None)


class Level(IntEnum):
    """What a client may: the public one sees public objects, a reader reads, the manager also writes and acts."""

    PUBLIC, READER, MANAGER = 0, 1, 2


@dataclass(slots=True)
class Attribute:
    """`select` reads with selective access; `selectors` are those it knows."""

    read: Reader | None
    write: Writer | None = None
    select: Callable[[int, Data], Value] | None = None
    selectors: tuple[int, ...] = ()


@dataclass(slots=True)
class CosemObject:
    """One object; attribute 1 is its logical name and needs no entry."""

    class_id: int
    version: int
    obis: Obis
    attributes: dict[int, Attribute]
    methods: dict[int, Method] = field(default_factory=dict)
    public: bool = False

    def get(self, number: int, selector: int | None, selection: Data | None, level: Level) -> Value:
        """An attribute's value, or the Data-Access-Result why not."""
        if level is Level.PUBLIC and not self.public:
            return READ_WRITE_DENIED
        if number == 1:
            return octets(self.obis.to_octets())
        attribute = self.attributes.get(number)
        if attribute is None or attribute.read is None:
            return READ_WRITE_DENIED
        if selector is None or selection is None:
            return attribute.read()
        return attribute.select(selector, selection) if attribute.select else READ_WRITE_DENIED

    def set(self, number: int, value: Data, level: Level) -> int:
        """Write an attribute; 0 on success."""
        attribute = self.attributes.get(number)
        if attribute is None or attribute.write is None or level < Level.MANAGER:
            return READ_WRITE_DENIED
        return attribute.write(value)

    def act(self, number: int, parameter: Data | None, level: Level) -> tuple[int, Data | None]:
        """Call a method."""
        method = self.methods.get(number)
        if method is None or level < Level.MANAGER:
            return READ_WRITE_DENIED, None
        return method(parameter)

    def listed(self, level: Level, version: int = 1) -> Data:
        """The object's element of the object_list of class 15, version 0 (methods by a boolean), 1 or 2."""
        rights = [_access(1, 1, ())]
        for number, attribute in sorted(self.attributes.items()):
            reads = attribute.read is not None
            writes = attribute.write is not None and level is Level.MANAGER
            rights.append(_access(number, reads | writes << 1, attribute.selectors))
        may = level is Level.MANAGER
        mode = Data(Tag.ENUM, int(may)) if version else Data(Tag.BOOLEAN, may)
        methods = [structure(Data(Tag.INTEGER, number), mode) for number in sorted(self.methods)]
        return structure(
            u16(self.class_id),
            u8(self.version),
            octets(self.obis.to_octets()),
            structure(array(rights), array(methods)),
        )


def _access(number: int, mode: int, selectors: tuple[int, ...]) -> Data:
    known = array([Data(Tag.INTEGER, selector) for selector in selectors]) if selectors else NULL
    return structure(Data(Tag.INTEGER, number), Data(Tag.ENUM, mode), known)


# -- short forms -------------------------------------------------------------------------------------------------------


def array(elements: Iterable[Data]) -> Data:
    """An array."""
    return Data(Tag.ARRAY, tuple(elements))


def u8(value: int) -> Data:
    """unsigned"""
    return Data(Tag.UNSIGNED, value)


def u16(value: int) -> Data:
    """long-unsigned"""
    return Data(Tag.LONG_UNSIGNED, value)


def u32(value: int) -> Data:
    """double-long-unsigned"""
    return Data(Tag.DOUBLE_LONG_UNSIGNED, value)


def i32(value: int) -> Data:
    """double-long"""
    return Data(Tag.DOUBLE_LONG, value)


def enum(value: int) -> Data:
    """enum"""
    return Data(Tag.ENUM, value)


def constant(value: Data) -> Attribute:
    """An attribute that never changes."""
    return Attribute(lambda: value)


def computed(read: Reader) -> Attribute:
    """An attribute that is what the meter is now."""
    return Attribute(read)


class Stored:
    """A value that a manager may write, of the type that it has; `check` refuses what makes no sense."""

    def __init__(self, value: Data, check: Callable[[Data], bool] = lambda _value: True) -> None:
        self.value = value
        self._check = check

    def write(self, value: Data) -> int:
        """Keep it."""
        if value.tag is not self.value.tag:
            return TYPE_UNMATCHED
        if not self._check(value):
            return READ_WRITE_DENIED
        self.value = value
        return SUCCESS

    @property
    def attribute(self) -> Attribute:
        """As an attribute."""
        return Attribute(lambda: self.value, self.write)


def stored(value: Data) -> Attribute:
    """A writable attribute."""
    return Stored(value).attribute
