# SPDX-License-Identifier: Apache-2.0
"""
Messages between strings and fields: `encode(decode(m).mti, decode(m).fields)` is `m`, byte for byte.

A message is its MTI up to its last byte, without framing, in Latin-1. pyiso8583 takes it apart by the dialect's widths;
fields 48 and 62 are then read by PLN's layouts (private.toml).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import iso8583

from duaarah.wire.iso8583 import private
from duaarah.wire.iso8583.dialect import Dialect, FieldFormat, packaged
from duaarah.wire.iso8583.errors import ISOError

MTI_CHARS, BITMAP_CHARS = 4, 16
_BITMAP = re.compile(r"[0-9A-F]{16}")
_OTHER = "other"


@dataclass(frozen=True)
class Message:
    """
    `mti`; `kind`: product, phase and direction, such as prepaid_purchase_request; `fields` by ISO number as a string.

    Values are verbatim strings with their padding; 48 and 62 are objects (see private.py).
    """

    mti: str
    kind: str
    fields: dict[str, Any]


def decode(message: str | bytes, *, dialect: Dialect | None = None) -> Message:
    """
    Take one message apart. Raises ISOError, and nothing else, whatever the message is.

    Only the 2003 dialect is known unless another one is given: a message of 0xxx is bad_mti.
    """
    dialect = dialect or packaged("pln2003")
    octets = _octets(message)
    mti = octets[:MTI_CHARS].decode("latin_1")
    if len(mti) < MTI_CHARS:
        raise ISOError("short_message", "The message ends inside its MTI.")
    if mti not in dialect.mti:
        raise ISOError("bad_mti", f"{mti!r} is no message type of the dialect {dialect.name}.")
    _check_bitmaps(octets, dialect)
    flat = _take_apart(octets, dialect)
    for number, text in flat.items():
        _check_digits(number, text, dialect.fields[int(number)])
    kind, product = _kind(mti, flat, dialect)
    fields: dict[str, Any] = dict(flat)
    refused: ISOError | None = None
    for number, text in flat.items():
        if dialect.fields[int(number)].kind != "private":
            continue
        try:
            fields[number] = private.parse(text, _layouts(mti, number, product, flat, dialect))
        except ISOError as error:
            fields[number], refused = {private.RAW: text}, refused or ISOError(error.code, f"Field {number}: {error}")
    made = Message(mti, kind, fields)
    if refused is not None:
        raise ISOError(refused.code, str(refused), partial=made)
    return made


def encode(mti: str, fields: Mapping[str, Any], *, dialect: Dialect | None = None) -> str:
    """Put one message together: bitmap, lengths and counts are computed. Raises ISOError bad_mti or bad_field."""
    dialect = dialect or packaged("pln2003")
    if not isinstance(mti, str) or mti not in dialect.mti:
        raise ISOError("bad_mti", f"{mti!r} is no message type of the dialect {dialect.name}.")
    flat: dict[str, str] = {}
    objects: dict[str, object] = {}
    for number, value in fields.items():
        form = _format(number, dialect)
        if form.kind == "private":
            objects[number] = value
        else:
            flat[number] = _checked(number, value, form)
    _, product = _kind(mti, flat, dialect)
    for number, value in objects.items():
        try:
            text = private.build(value, _layouts(mti, number, product, flat, dialect))
        except ISOError as error:
            raise ISOError(error.code, f"Field {number}: {error}") from None
        flat[number] = _checked(number, text, dialect.fields[int(number)])
    try:
        octets, _ = iso8583.encode({"t": mti, **flat}, dialect.spec)
    except iso8583.EncodeError as error:
        raise ISOError("bad_field", f"Field {error.field}: {error.msg}.") from None
    return octets.decode("latin_1")


def shortcomings(message: Message, *, dialect: Dialect | None = None) -> list[str]:
    """
    What keeps a readable message from being a whole one, in sentences: fields that are missing, private fields that
    are shorter than the reference gives for this phase. A server answers 0030; an answer that refuses may be short.
    """
    dialect = dialect or packaged("pln2003")
    phase, direction = dialect.mti[message.mti]
    base = phase.removesuffix("_repeat")
    missing = [n for n in dialect.required.get((base, direction), ()) if str(n) not in message.fields]
    found = [f"Field {number} is missing." for number in missing]
    flat = {number: value for number, value in message.fields.items() if isinstance(value, str)}
    _, product = _kind(message.mti, flat, dialect)
    for number, value in message.fields.items():
        if dialect.fields[int(number)].kind == "private":
            layouts = _layouts(message.mti, number, product, flat, dialect)
            if not private.whole(private.build(value, layouts), layouts):
                found.append(f"Field {number} has not its whole width.")
    return found


# -- the outer message -------------------------------------------------------------------------------------------------


def _octets(message: str | bytes) -> bytes:
    if isinstance(message, bytes | bytearray):
        return bytes(message)
    if not isinstance(message, str):
        raise ISOError("bad_field", "A message is a string.")
    try:
        return message.encode("latin_1")
    except UnicodeEncodeError:
        raise ISOError("bad_field", "A message holds Latin-1 characters only.") from None


def _check_bitmaps(octets: bytes, dialect: Dialect) -> None:
    """Raises ISOError: short, no hexadecimal digits in capitals, or a bit for a field that the dialect does not have."""
    fields = _bits(octets, MTI_CHARS, 0)
    if 1 in fields:
        if not dialect.has_secondary:
            raise ISOError("bad_bitmap", f"The dialect {dialect.name} has no secondary bitmap.")
        second = _bits(octets, MTI_CHARS + BITMAP_CHARS, 64)
        if not second:
            raise ISOError("bad_bitmap", "The secondary bitmap is empty.")
        fields = (fields - {1}) | second
    if unknown := sorted(fields - set(dialect.fields)):
        raise ISOError("bad_bitmap", f"The bitmap names field {unknown[0]}, which the dialect {dialect.name} has not.")


def _bits(octets: bytes, at: int, offset: int) -> set[int]:
    text = octets[at : at + BITMAP_CHARS].decode("latin_1")
    if len(text) < BITMAP_CHARS:
        raise ISOError("short_message", "The message ends inside its bitmap.")
    if not _BITMAP.fullmatch(text):
        raise ISOError("bad_bitmap", "A bitmap is 16 hexadecimal digits in capitals.")
    bits = int(text, 16)
    return {offset + number for number in range(1, 65) if bits >> (64 - number) & 1}


def _take_apart(octets: bytes, dialect: Dialect) -> dict[str, str]:
    """Fields by number, as text; without MTI and bitmaps."""
    try:
        texts, encoded = iso8583.decode(octets, dialect.spec)
    except iso8583.DecodeError as error:
        length = error.doc_enc.get(error.field, {}).get("len", b"")
        if (length and not length.isdigit()) or "larger than maximum" in error.msg:
            raise ISOError("bad_field", f"Field {error.field} has an impossible length.") from None
        if "Extra data" in error.msg:
            raise ISOError("trailing_bytes", f"{len(octets) - error.pos} bytes stand behind the last field.") from None
        if "expecting" in error.msg:
            raise ISOError("short_message", f"The message ends inside field {error.field}.") from None
        raise ISOError("bad_field", f"Field {error.field}: {error.msg}.") from None
    for number, parts in encoded.items():
        # int() also takes " 5", "+5" and "1_0", which would not come out the same again.
        if parts["len"] and not parts["len"].isdigit():
            raise ISOError("bad_field", f"Field {number} has an impossible length.")
    return {number: text for number, text in texts.items() if number not in ("h", "t", "p", "1")}


def _format(number: object, dialect: Dialect) -> FieldFormat:
    if isinstance(number, str) and number.isascii() and number.isdigit() and number == str(int(number)):
        form = dialect.fields.get(int(number))
        if form is not None:
            return form
    raise ISOError("bad_field", f"The dialect {dialect.name} has no field {number!r}.")


def _checked(number: str, value: object, form: FieldFormat) -> str:
    if not isinstance(value, str):
        raise ISOError("bad_field", f"Field {number} is a string.")
    if len(value) > form.width or (not form.prefix and len(value) != form.width):
        most = "at most " if form.prefix else ""
        raise ISOError("bad_field", f"Field {number} has {most}{form.width} characters, not {len(value)}.")
    if any(ord(char) > 0xFF for char in value):
        raise ISOError("bad_field", f"Field {number} holds Latin-1 characters only.")
    _check_digits(number, value, form)
    return value


def _check_digits(number: str, text: str, form: FieldFormat) -> None:
    if form.kind == "n" and text and not (text.isascii() and text.isdigit()):
        raise ISOError("bad_field", f"Field {number} holds digits only.")


# -- what kind of message it is ----------------------------------------------------------------------------------------


def _kind(mti: str, flat: Mapping[str, str], dialect: Dialect) -> tuple[str, str]:
    """The kind and its product; `other` where the product or the network code has no name."""
    phase, direction = dialect.mti[mti]
    if phase == "network":
        code = dialect.network.get(flat.get(dialect.network_field, ""), _OTHER)
        return f"network_{code}_{direction}", "network"
    product = dialect.products.get(flat.get("2", "")[-3:], _OTHER)
    return f"{product}_{_said(phase, product)}_{direction}", product


def _said(phase: str, product: str) -> str:
    """A prepaid customer purchases; everybody else pays."""
    return "purchase" if phase == "payment" and product == "prepaid" else phase


def _layouts(
    mti: str, number: str, product: str, flat: Mapping[str, str], dialect: Dialect
) -> tuple[private.Layout, ...]:
    phase, direction = dialect.mti[mti]
    if phase == "network":
        phase = dialect.network.get(flat.get(dialect.network_field, ""), _OTHER)
    return private.candidates(product, _said(phase, product), direction, number)
