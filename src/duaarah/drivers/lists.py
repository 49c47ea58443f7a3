# SPDX-License-Identifier: Apache-2.0
"""What push bodies leave out, as data: `lists/*.toml`, one file a maker, a market or a kind of ours.

`[[list]]` is a body without OBIS codes: its columns in order, each with the code, scaler and unit it stands for; a
column that holds a constant tells the body from others. `[objects]` gives scaler and unit of codes that come without.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from duaarah.core.obis import Obis
from duaarah.drivers.kinds import BadProfile, UnknownProfile
from duaarah.wire.dlms.data import Data
from duaarah.wire.dlms.units import UNITS

_UNIT_NAMES = frozenset(UNITS.values())


@dataclass(frozen=True, slots=True)
class Scale:
    """Power of ten and unit of a raw value; None where there is none."""

    scaler: int | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class ListColumn:
    """One element of a body: the code it stands for, or a constant, or neither."""

    obis: Obis | None
    scale: Scale
    constant: int | bytes | None


@dataclass(frozen=True, slots=True)
class BodyLists:
    """All that one file says."""

    name: str
    lists: tuple[tuple[ListColumn, ...], ...]
    objects: Mapping[Obis, Scale]

    def columns_of(self, elements: tuple[Data, ...]) -> tuple[ListColumn, ...] | None:
        """The list that this body is by its width and its constants, or None."""
        for columns in self.lists:
            if len(columns) == len(elements) and all(
                column.constant is None or column.constant == element.value
                for column, element in zip(columns, elements, strict=True)
            ):
                return columns
        return None


@cache
def names() -> tuple[str, ...]:
    """The names of all files, sorted."""
    folder = resources.files("duaarah.drivers") / "lists"
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml")))


@cache
def body_lists(name: str) -> BodyLists:
    """The file of this name; UnknownProfile when there is none."""
    if name not in names():
        raise UnknownProfile(f"There is no profile of this name; there are {', '.join(names())}.")
    text = (resources.files("duaarah.drivers") / "lists" / f"{name}.toml").read_text(encoding="utf-8")
    return parse(text)


def parse(text: str) -> BodyLists:
    """A file's text; BadProfile when it cannot be meant."""
    try:
        table = tomllib.loads(text)
        lists = tuple(tuple(_column(column) for column in one["columns"]) for one in table.get("list", []))
        objects = {Obis.parse(code): _scale(entry) for code, entry in table.get("objects", {}).items()}
        return BodyLists(table["name"], lists, MappingProxyType(objects))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise BadProfile(f"A list of push bodies is incomplete or wrong: {error}.") from error


def _column(table: dict[str, Any]) -> ListColumn:
    constant = bytes.fromhex(table["hex"]) if "hex" in table else table.get("number")
    obis = Obis.parse(table["obis"]) if "obis" in table else None
    return ListColumn(obis, _scale(table), constant)


def _scale(table: dict[str, Any]) -> Scale:
    unit, scaler = table.get("unit"), table.get("scaler")
    if unit is not None and unit not in _UNIT_NAMES:
        raise BadProfile(f"{unit} is no unit of the standard's enumeration.")
    if scaler is not None and not -128 <= scaler <= 127:
        raise BadProfile("A scaler is -128 to 127.")
    return Scale(scaler, unit)
