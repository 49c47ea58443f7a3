# SPDX-License-Identifier: Apache-2.0
"""The columns of a shipment file: by which headings they are known, what may stand in them, what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from duaarah.core.sts import KeyConfiguration, STSError, luhn_digit
from duaarah.core.sts.identifiers import check_drn, pan_of
from duaarah.headend.shipments.table import BadTable

SYSTEM_TITLE_OCTETS = 8
KEY_OCTETS = 16
WRAPPED_KEY_OCTETS = 24  # RFC 3394: eight octets more
_WORD = re.compile(r"[^a-z0-9]+")
_FIRMWARE = re.compile(r"[\x21-\x7e ]{1,40}")


class _Wrong(Exception):
    """This cell cannot be meant; the sentence says why, without what stands in it where it is a key."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in one cell; `same_as` is the other row that has it too, where that is it."""

    column: str
    code: str
    message: str
    same_as: int | None = None


@dataclass(frozen=True, slots=True)
class ShippedMeter:
    """
    One meter as its maker describes it. The keys are as in the file: 16 octets clear, or 24 wrapped under the maker's
    transport key (RFC 3394); they stay out of the repr.
    """

    row: int
    drn: str
    pan: str
    profile: str
    system_title: bytes
    encryption: bytes = field(repr=False)
    authentication: bytes = field(repr=False)
    master: bytes = field(repr=False)
    sts: KeyConfiguration
    imei: str
    iccid: str
    firmware: str


@dataclass(frozen=True, slots=True)
class Column:
    """`spellings` are compared without case, blanks and signs. A column that is not `needed` may be absent or empty."""

    name: str
    spellings: tuple[str, ...]
    read: Callable[[str], Any]
    needed: bool = True
    default: Any = None


def _digits(length: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        # A spreadsheet drops leading zeros of what it takes for a number.
        padded = text.zfill(length)
        if len(padded) != length or not (padded.isascii() and padded.isdigit()):
            raise _Wrong(f"{length} digits are expected.")
        return padded

    return read


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
            raise _Wrong(f"A whole number from {least} to {most} is expected.")
        return int(text)

    return read


def _drn(text: str) -> str:
    padded = text if len(text) in (11, 13) else text.zfill(11)
    try:
        return check_drn(padded)
    except STSError as error:
        raise _Wrong(str(error)) from None


def _hexadecimal(text: str, lengths: tuple[int, ...], what: str) -> bytes:
    try:
        octets = bytes.fromhex(re.sub(r"[\s:.-]", "", text.removeprefix("0x")))
    except ValueError:
        octets = b""
    if len(octets) not in lengths:
        # Never the cell itself: it may be a key.
        raise _Wrong(f"{what}: {' or '.join(str(2 * length) for length in lengths)} hex digits are expected.")
    return octets


def _title(text: str) -> bytes:
    return _hexadecimal(text, (SYSTEM_TITLE_OCTETS,), "System title")


def _key(text: str) -> bytes:
    return _hexadecimal(text, (KEY_OCTETS, WRAPPED_KEY_OCTETS), "Key")


def _imei(text: str) -> str:
    if len(text) not in (15, 16) or not (text.isascii() and text.isdigit()):
        raise _Wrong("An IMEI has 15 digits (16 with the software version).")
    if len(text) == 15 and luhn_digit(text[:14]) != text[14]:
        raise _Wrong(f"The last digit of this IMEI should be {luhn_digit(text[:14])}.")
    return text


def _iccid(text: str) -> str:
    if len(text) not in (19, 20) or not (text.isascii() and text.isdigit()) or luhn_digit(text[:-1]) != text[-1]:
        raise _Wrong("An ICCID has 19 or 20 digits, the last one a check digit; write it as text, not as a number.")
    return text


def _firmware(text: str) -> str:
    if not _FIRMWARE.fullmatch(text):
        raise _Wrong("A firmware version has at most 40 plain characters.")
    return text


def _year(text: str) -> int:
    if text not in ("1993", "2014", "2035"):
        raise _Wrong("The base date is 1993, 2014 or 2035.")
    return int(text)


COLUMNS = (
    Column("drn", ("drn", "meter number", "meter no", "nomor meter", "no meter", "serial number"), _drn),
    Column("profile", ("profile", "meter profile", "type", "meter type", "tipe"), str),
    Column("system_title", ("system title", "systitle", "st"), _title),
    Column("encryption", ("encryption key", "ek", "guek", "block cipher key"), _key),
    Column("authentication", ("authentication key", "ak", "gak"), _key),
    Column("master", ("master key", "mk", "kek", "key encryption key"), _key, needed=False, default=b""),
    Column("sgc", ("sgc", "supply group code"), _digits(6)),
    Column("krn", ("krn", "key revision number"), _whole(1, 9)),
    Column("ti", ("ti", "tariff index"), _digits(2)),
    Column("kt", ("kt", "key type"), _whole(0, 3), needed=False, default=2),
    Column("ken", ("ken", "key expiry number"), _whole(0, 255), needed=False, default=255),
    Column("base_date", ("base date", "bdt", "base year"), _year, needed=False, default=2014),
    Column("dkga", ("dkga",), _digits(2), needed=False, default="04"),
    Column("ea", ("ea", "encryption algorithm"), _digits(2), needed=False, default="07"),
    Column("imei", ("imei",), _imei, needed=False, default=""),
    Column("iccid", ("iccid", "sim", "sim number"), _iccid, needed=False, default=""),
    Column("firmware", ("firmware", "fw", "firmware version"), _firmware, needed=False, default=""),
)
_STS = ("sgc", "krn", "ti", "kt", "ken", "base_date", "dkga", "ea")


def _heading(text: str) -> str:
    return _WORD.sub(" ", text.casefold()).strip()


def places(heading: Iterable[str]) -> dict[str, int]:
    """
    Where each column stands, by the file's first row.

    Raises:
        BadTable: column_missing, column_twice.
    """
    known = {_heading(spelling): column.name for column in COLUMNS for spelling in (column.name, *column.spellings)}
    found: dict[str, int] = {}
    for place, cell in enumerate(heading):
        name = known.get(_heading(cell))
        if name is None:
            continue
        if name in found:
            raise BadTable("column_twice", f"Two columns are headed as {name.replace('_', ' ')}.")
        found[name] = place
    missing = [column.spellings[0] for column in COLUMNS if column.needed and column.name not in found]
    if missing:
        raise BadTable("column_missing", f"The first row does not name: {', '.join(missing)}.")
    return found


def read_row(
    row: int, cells: list[str], where: Mapping[str, int], profiles: Iterable[str]
) -> tuple[ShippedMeter | None, list[Fault]]:
    """One meter, or all that is wrong with its row."""
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for column in COLUMNS:
        place = where.get(column.name)
        text = cells[place] if place is not None and place < len(cells) else ""
        if not text:
            values[column.name] = column.default
            if column.needed:
                faults.append(Fault(column.name, "empty", "This cell is empty."))
            continue
        try:
            values[column.name] = column.read(text)
        except _Wrong as wrong:
            faults.append(Fault(column.name, "bad_cell", str(wrong)))
    if values.get("profile") and values["profile"] not in set(profiles):
        faults.append(Fault("profile", "unknown_profile", "There is no meter profile of this name."))
    if faults:
        return None, faults
    try:
        sts = KeyConfiguration(**{name: values[name] for name in _STS})
    except STSError as error:
        return None, [Fault("sgc", "bad_configuration", str(error))]
    rest = {name: value for name, value in values.items() if name not in _STS}
    return ShippedMeter(row=row, pan=pan_of(values["drn"]), sts=sts, **rest), []
