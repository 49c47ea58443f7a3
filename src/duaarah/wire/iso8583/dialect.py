# SPDX-License-Identifier: Apache-2.0
"""A dialect of ISO 8583 as data: message types, field widths, products, network codes. It comes from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast

KINDS = ("n", "ans", "private")
PHASES = ("inquiry", "payment", "advice", "advice_repeat", "reversal", "reversal_repeat", "network")
FIELD_MAX = 128
PACKAGED = ("pln2003", "pln1987")
Direction = Literal["request", "response"]


class DialectInvalid(ValueError):
    """A dialect's file that does not say what it must, in a sentence."""

    code = "dialect_invalid"


@dataclass(frozen=True, slots=True)
class FieldFormat:
    """
    One field: `kind` n (digits), ans (any Latin-1) or private (laid out by private.toml).

    `prefix`: digits of length before it, 0 for a field of exactly `width` characters; else `width` is the most.
    """

    kind: str
    prefix: int
    width: int


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How messages of one family are built. `spec` is what pyiso8583 reads."""

    name: str
    mti: Mapping[str, tuple[str, Direction]]
    products: Mapping[str, str]
    network: Mapping[str, str]
    network_field: str
    network_ok: str
    fields: Mapping[int, FieldFormat]
    required: Mapping[tuple[str, Direction], tuple[int, ...]]
    spec: Mapping[str, Mapping[str, Any]]

    @property
    def has_secondary(self) -> bool:
        """Whether a field above 64 exists."""
        return max(self.fields) > 64

    @classmethod
    def from_toml(cls, text: str) -> Dialect:
        """Raises DialectInvalid."""
        try:
            return _dialect(tomllib.loads(text))
        except DialectInvalid:
            raise
        except tomllib.TOMLDecodeError as error:
            raise DialectInvalid(f"The dialect is no TOML: {error}.") from None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DialectInvalid(f"The dialect's file lacks or misspells something: {error!r}.") from None


@cache
def packaged(name: str) -> Dialect:
    """One of ours: `pln2003` (what decode and encode use unless told otherwise) or `pln1987`. Raises DialectInvalid."""
    if name not in PACKAGED:
        raise DialectInvalid(f"There is no dialect {name}; there are {', '.join(PACKAGED)}.")
    return Dialect.from_toml((files(__package__) / f"{name}.toml").read_text(encoding="utf-8"))


def _dialect(data: dict[str, Any]) -> Dialect:
    fields = {int(number): _format(number, entry) for number, entry in data["fields"].items()}
    # Bit 1 announces the second bitmap and bit 65 a third: neither is a field.
    if any(number not in range(2, FIELD_MAX + 1) or number == 65 for number in fields):
        raise DialectInvalid(f"Fields are numbered 2 to {FIELD_MAX}, without 65.")
    return Dialect(
        name=str(data["name"]),
        mti={_mti(mti): _phase(words) for mti, words in data["mti"].items()},
        products={str(key): str(value) for key, value in data["products"].items()},
        network={str(key): str(value) for key, value in data["network"].items()},
        network_field=str(int(data["network_field"])),
        network_ok=str(data["network_ok"]),
        fields=fields,
        required={_phase(key): tuple(int(n) for n in value) for key, value in data["required"].items()},
        spec=_spec(fields),
    )


def _mti(text: str) -> str:
    if not (len(text) == 4 and text.isascii() and text.isdigit()):
        raise DialectInvalid(f"{text} is no MTI of four digits.")
    return text


def _phase(words: str) -> tuple[str, Direction]:
    phase, direction = words.split()
    if phase not in PHASES or direction not in ("request", "response"):
        raise DialectInvalid(f"{words} is no phase and direction.")
    return phase, cast(Direction, direction)


def _format(number: str, entry: dict[str, Any]) -> FieldFormat:
    kind, prefix = entry["kind"], entry.get("prefix", 0)
    width = entry["up_to"] if prefix else entry["fixed"]
    if kind not in KINDS or prefix not in (0, 2, 3) or not 0 < width <= (10**prefix - 1 if prefix else 999):
        raise DialectInvalid(f"Field {number} has no possible format.")
    return FieldFormat(kind, prefix, width)


def _spec(fields: Mapping[int, FieldFormat]) -> dict[str, dict[str, Any]]:
    """pyiso8583's table: everything is text, lengths and bitmaps too."""

    def entry(prefix: int, width: int) -> dict[str, Any]:
        return {"data_enc": "latin_1", "len_enc": "ascii", "len_type": prefix, "max_len": width}

    spec = {"h": entry(0, 0), "t": entry(0, 4), "p": entry(0, 16), "1": entry(0, 16)}
    return spec | {str(number): entry(form.prefix, form.width) for number, form in fields.items()}
