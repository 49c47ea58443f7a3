# SPDX-License-Identifier: Apache-2.0
"""From a push body to readings: which value belongs to which OBIS code, with which scaler and unit.

Meters write this down in a handful of ways, and a body may mix them:
- {OBIS, value}, {OBIS, value, {scaler, unit}}, {OBIS, value, scaler, unit}, {OBIS, {scaler, unit}, value};
- the same without the inner structures, one behind the other in one flat list;
- {class, OBIS, scaler, value}, {class, OBIS, attribute, value}, {value, class, {scaler, unit}, OBIS};
- a list of push objects {class, OBIS, attribute, data index}, then the values in its order;
- no code at all: then the named profile's list says it (`lists`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from duaarah.core.obis import Obis
from duaarah.drivers.lists import BodyLists, Scale
from duaarah.wire.dlms.data import INTEGER_TAGS, Data, Tag
from duaarah.wire.dlms.units import UNITS

NAME_ATTRIBUTE, VALUE_ATTRIBUTE, SCALER_ATTRIBUTE = 1, 2, 3
_DEMAND, _DEMAND_LAST, _DEMAND_SCALER = 5, 3, 4  # class 5: attributes 2 and 3 are values, 4 their scaler and unit
_SCALER_OF = {3: SCALER_ATTRIBUTE, 4: SCALER_ATTRIBUTE, _DEMAND: _DEMAND_SCALER}
_DESCRIPTOR_TAGS = [Tag.LONG_UNSIGNED, Tag.INTEGER, Tag.LONG_UNSIGNED]  # class, attribute, data index
_CONTAINERS = (Tag.ARRAY, Tag.STRUCTURE)
_NO_SCALE = Scale()
_NAME_OCTETS = 6
_MEDIUM_MAX = 15  # value group A of a real code; six octets that begin higher are text or a number


@dataclass(frozen=True, slots=True)
class Reading:
    """One value: a number as a decimal string without exponent, text as it is, octets in hex; None for null-data."""

    obis: Obis
    value: str | None
    unit: str | None
    scaler: int | None


def readings(body: Data, lists: BodyLists | None) -> list[Reading]:
    """All readings of a body in its order; none where neither the body nor the lists name a code."""
    if body.tag not in _CONTAINERS:
        return []
    if lists is not None:
        columns = lists.columns_of(body.value)
        if columns is not None:
            pairs = zip(columns, body.value, strict=True)
            return [reading(column.obis, value, column.scale) for column, value in pairs if column.obis is not None]
    if not _may_name(body.value):
        return []
    objects = lists.objects if lists is not None else {}
    return [
        reading(obis, value, scale or objects.get(obis, _NO_SCALE))
        for obis, value, scale in _walk(body.value)
        if value.tag not in _CONTAINERS
    ]


def reading(obis: Obis, data: Data, scale: Scale) -> Reading:
    """A reading of one value."""
    return Reading(obis, text(data, scale.scaler or 0), scale.unit, scale.scaler)


def text(data: Data, scaler: int) -> str | None:
    """A scalar as a string: raw x 10^scaler for numbers."""
    value = data.value
    if value is None:
        return None
    if data.tag in INTEGER_TAGS or isinstance(value, bool):
        return format(Decimal(int(value)).scaleb(scaler), "f")
    if isinstance(value, float):
        return format(Decimal(repr(value)).scaleb(scaler), "f") if math.isfinite(value) else None
    return value.hex() if isinstance(value, bytes) else str(value)


def _may_name(elements: tuple[Data, ...]) -> bool:
    """Whether there is anything like a code at any depth: most interval data has none, and is not walked."""
    level: list[Data] | tuple[Data, ...] = elements
    octet_string, array, structure = Tag.OCTET_STRING, Tag.ARRAY, Tag.STRUCTURE
    while level:
        for tag, value in level:
            if tag is octet_string and len(value) == _NAME_OCTETS:
                return True
        level = [inner for tag, value in level if tag is structure or tag is array for inner in value]
    return False


Found = tuple[Obis, Data, Scale | None]


def _walk(elements: tuple[Data, ...]) -> Iterator[Found]:
    objects = _push_objects(elements)
    if objects is not None and len(elements) - 1 <= len(objects) <= len(elements):
        yield from _by_push_objects(objects, elements)
        return
    # A list of objects that does not fit the values: which is whose cannot be told, but they may say so themselves.
    at = 0 if objects is None or len(elements) == 1 else 1
    while at < len(elements):
        found, taken = _at(elements[at : at + 4])
        if found is not None:
            yield found
            value = found[1]
            if value.tag in _CONTAINERS:
                yield from _walk(value.value)
        elif elements[at].tag in _CONTAINERS:
            yield from _walk(elements[at].value)
        at += taken


def _at(part: tuple[Data, ...]) -> tuple[Found | None, int]:
    """The reading that begins here, and how many of up to four elements it takes."""
    first = _obis(part[0])
    if first is not None:
        return _after_name(first, part)
    if len(part) < 3 or (len(part) < 4 and _obis(part[1]) is None):
        return None, 1
    second = _obis(part[1])
    if part[0].tag is Tag.LONG_UNSIGNED and second is not None:
        return _after_class(second, part)
    fourth = _obis(part[3]) if len(part) == 4 else None
    scale = _scaler_unit(part[2])
    if part[1].tag is Tag.LONG_UNSIGNED and scale is not None and fourth is not None:
        return (fourth, part[0], scale), 4
    return None, 1


def _after_class(name: Obis, part: tuple[Data, ...]) -> tuple[Found | None, int]:
    """{class, OBIS, value}, {class, OBIS, attribute or scaler, value}: above 0 it is an attribute, scalers rarely are."""
    tag, number = part[2]
    if tag is not Tag.INTEGER and (tag is not Tag.UNSIGNED or len(part) < 4):
        return (name, part[2], None), 3
    if len(part) < 4 or number == NAME_ATTRIBUTE:  # a descriptor without its value, or an object's own name
        return None, len(part)
    return (name, part[3], Scale(number) if number <= 0 else None), 4


def _after_name(name: Obis, part: tuple[Data, ...]) -> tuple[Found | None, int]:
    if len(part) < 2 or (name.c, name.d) == (25, 9):  # the name of a push setup heads a body, it names no value
        return None, 1
    scale = _scaler_unit(part[1])
    if scale is not None:
        return ((name, part[2], scale), 3) if len(part) > 2 else (None, 2)
    scale = _scaler_unit(part[2]) if len(part) > 2 else None
    if scale is not None:
        return (name, part[1], scale), 3
    if len(part) == 4 and part[2].tag is Tag.INTEGER and part[3].tag is Tag.ENUM:
        return (name, part[1], _scale(part[2], part[3])), 4
    return (name, part[1], None), 2


def _obis(data: Data) -> Obis | None:
    if data.tag is not Tag.OCTET_STRING or len(data.value) != _NAME_OCTETS or data.value[0] > _MEDIUM_MAX:
        return None
    return Obis.from_octets(data.value)


def _scaler_unit(data: Data) -> Scale | None:
    if data.tag is not Tag.STRUCTURE or len(data.value) != 2:
        return None
    scaler, unit = data.value
    return _scale(scaler, unit) if scaler.tag is Tag.INTEGER and unit.tag is Tag.ENUM else None


def _scale(scaler: Data, unit: Data) -> Scale:
    return Scale(scaler.value, UNITS.get(unit.value))


PushObject = tuple[int, Obis, int]


def _push_objects(elements: tuple[Data, ...]) -> list[PushObject] | None:
    """The objects that the first element lists, None when it is no such list."""
    if not elements or elements[0].tag not in _CONTAINERS or not elements[0].value:
        return None
    objects = []
    for entry in elements[0].value:
        if entry.tag is not Tag.STRUCTURE or len(entry.value) < 4:
            return None
        class_id, name, attribute, index = entry.value[:4]
        obis = _obis(name)
        if obis is None or [class_id.tag, attribute.tag, index.tag] != _DESCRIPTOR_TAGS:
            return None
        objects.append((class_id.value, obis, attribute.value))
    return objects


def _by_push_objects(objects: list[PushObject], elements: tuple[Data, ...]) -> Iterator[Found]:
    values = elements if len(objects) == len(elements) else elements[1:]
    pairs = list(zip(objects, values, strict=True))
    scales = {
        obis: _scaler_unit(value)
        for (class_id, obis, attribute), value in pairs
        if attribute == _SCALER_OF.get(class_id)
    }
    for (class_id, obis, attribute), value in pairs:
        if attribute == VALUE_ATTRIBUTE or (class_id == _DEMAND and attribute == _DEMAND_LAST):
            yield obis, value, scales.get(obis)
