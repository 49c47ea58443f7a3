# SPDX-License-Identifier: Apache-2.0
"""A mobile operator's list of SIM cards: read whatever wrote it, and judged row by row. Nothing is written here."""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from duaarah.core.msisdn import MSISDNError, canonical
from duaarah.core.sts import luhn_digit
from duaarah.registry.models import NumberRange, Sim

ROWS_MAX = 5_000
OCTETS_MAX = 600_000
COLUMNS = ("iccid", "msisdn", "imsi")
# Names of columns as makers and operators write them, without spaces and signs.
_HEADERS: Mapping[str, tuple[str, ...]] = {
    "iccid": ("iccid", "icc", "sim", "simnumber", "simno", "nosim", "nomorsim", "serial", "serialnumber"),
    "msisdn": ("msisdn", "number", "phone", "phonenumber", "nomor", "nohp", "nomorhp", "nomortelepon", "nomorseluler"),
    "imsi": ("imsi",),
    "expires": ("expires", "expiry", "expirydate", "expiresat", "validuntil", "validto", "masaaktif", "berlakusampai"),
}
_ROUNDED = re.compile(r"[0-9][.,][0-9]+[eE]\+?[0-9]+")
_ICCID = re.compile(r"89[0-9]{16,18}")
_IMSI = re.compile(r"[0-9]{15}")
_DATES = ("%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%Y%m%d")
_DELIMITERS = (";", "\t", ",", "|")


class ListRefused(Exception):
    """This is no list of SIM cards that can be read. `reason`: empty, too_long, or no_columns."""

    code = "sim_list_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The list cannot be read: {reason}.")
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a list, in canonical form where it has one; `line` counts from 1 as a person sees it."""

    line: int
    iccid: str
    msisdn: str
    imsi: str
    expires: str = ""

    @property
    def expires_date(self) -> dt.date | None:
        """The last day on which the SIM works; None when the list does not say."""
        return date_of(self.expires)


@dataclass(kw_only=True)
class Judged:
    """A row with (code, about) of each problem, or `here`: this very SIM is in stock already."""

    row: Row
    problems: list[tuple[str, str]] = field(default_factory=list)
    here: bool = False

    @property
    def good(self) -> bool:
        return not self.problems and not self.here


def date_of(words: str) -> dt.date | None:
    """A day as lists write it: year first, or day first with / - or . between; None for anything else."""
    for form in _DATES:
        try:
            return dt.datetime.strptime(words, form).date()  # noqa: DTZ007 a day without an hour
        except ValueError:
            continue
    return None


def text_of(octets: bytes) -> str:
    """A file's text: UTF-8 with or without its mark, UTF-16 with one, else Latin-1. Never raises."""
    if octets[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return octets.decode("utf-16", "replace")
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def parse(text: str) -> list[Row]:
    """
    Rows of a list: any of ; tab , | or blanks between the columns, with a header in any order or without one.

    Without a header a column is known by its shape: 89... is an ICCID, 15 digits that are no number an IMSI.

    Raises:
        ListRefused: nothing in it, more than ROWS_MAX rows, or a header without ICCID or MSISDN.
    """
    lines = [(n, line) for n, line in enumerate(text.lstrip("\ufeff").splitlines(), 1) if line.strip(" \t;,|\0")]
    # Excel writes its own first line to say what separates.
    lines = [(n, line) for n, line in lines if not line.lower().startswith("sep=")]
    if not lines:
        raise ListRefused("empty")
    delimiter = max(_DELIMITERS, key=lines[0][1].count)
    cells = [(n, _cells(line, delimiter)) for n, line in lines]
    places = _header(cells[0][1])
    if places is not None:
        cells = cells[1:]
        if not cells:
            raise ListRefused("empty")
        if "iccid" not in places or "msisdn" not in places:
            raise ListRefused("no_columns")
    if len(cells) > ROWS_MAX:
        raise ListRefused("too_long")
    return [_row(n, found, places) for n, found in cells]


def _cells(line: str, delimiter: str) -> list[str]:
    parts = next(csv.reader([line], delimiter=delimiter), []) if delimiter in line else line.split()
    # ="8962..." and '8962... are how a spreadsheet is kept from rounding.
    return [part.strip().removeprefix("=").strip("\"' \u00a0\t") for part in parts]


def _header(cells: Sequence[str]) -> dict[str, int] | None:
    """Column -> its place; None when the first line is a row already."""
    if any(sum(c.isdigit() for c in cell) >= 8 for cell in cells):
        return None
    names = [re.sub(r"[^a-z]", "", cell.lower()) for cell in cells]
    return {column: names.index(n) for column, known in _HEADERS.items() for n in known[::-1] if n in names}


def _row(line: int, cells: Sequence[str], places: Mapping[str, int] | None) -> Row:
    found = dict.fromkeys(COLUMNS, "")
    if places is not None:
        found |= {column: cells[place] for column, place in places.items() if place < len(cells)}
    else:
        for cell in cells:
            column = _shape(cell)
            if cell and not found[column]:
                found[column] = cell
    iccid = re.sub(r"[\s.-]", "", found["iccid"]).upper() if not _ROUNDED.fullmatch(found["iccid"]) else found["iccid"]
    try:
        msisdn = canonical(found["msisdn"])
    except MSISDNError:
        msisdn = found["msisdn"]
    # The last nibble of an ICCID of 19 digits is filled with F on the card.
    return Row(
        line=line,
        iccid=iccid.removesuffix("F")[:40],
        msisdn=msisdn[:40],
        imsi=found["imsi"].replace(" ", "")[:40],
        expires=found.get("expires", "")[:40],
    )


def _shape(cell: str) -> str:
    digits = re.sub(r"\D", "", cell)
    if (digits.startswith("89") and len(digits) >= 17) or (_ROUNDED.fullmatch(cell) and cell.startswith("8")):
        return "iccid"
    try:
        canonical(cell)
    except MSISDNError:
        return "imsi" if len(digits) == 15 else "msisdn"
    return "msisdn"


def judge(rows: Sequence[Row], *, operator_id: int) -> list[Judged]:
    """Every row with what is wrong with it: its form, its neighbours in the list, the stock, the operator's numbers."""
    judged = [Judged(row=row, problems=_form(row)) for row in rows]
    _twice(judged)
    _stock(judged, operator_id)
    _ranges(judged, operator_id)
    return judged


def _form(row: Row) -> list[tuple[str, str]]:
    wrong = []
    if _ROUNDED.fullmatch(row.iccid) or _ROUNDED.fullmatch(row.msisdn) or _ROUNDED.fullmatch(row.imsi):
        return [("rounded", "")]
    if not _ICCID.fullmatch(row.iccid):
        wrong.append(("iccid_form", row.iccid))
    elif luhn_digit(row.iccid[:-1]) != row.iccid[-1]:
        wrong.append(("iccid_luhn", luhn_digit(row.iccid[:-1])))
    try:
        canonical(row.msisdn)
    except MSISDNError:
        wrong.append(("msisdn_form", row.msisdn))
    if row.imsi and not _IMSI.fullmatch(row.imsi):
        wrong.append(("imsi_form", row.imsi))
    if row.expires and row.expires_date is None:
        wrong.append(("expires_form", row.expires))
    return wrong


def _twice(judged: Iterable[Judged]) -> None:
    """The same card again is one too many; two that contradict each other both stay out."""
    first: dict[tuple[str, str], Judged] = {}
    for each in judged:
        for column in COLUMNS:
            value = getattr(each.row, column)
            if not value or (before := first.setdefault((column, value), each)) is each:
                continue
            each.problems.append((f"{column}_twice", str(before.row.line)))
            if any(getattr(before.row, other) != getattr(each.row, other) for other in COLUMNS):
                before.problems.append((f"{column}_twice", str(each.row.line)))


def _stock(judged: Sequence[Judged], operator_id: int) -> None:
    known: dict[tuple[str, str], Sim] = {}
    for column in COLUMNS:
        values = [value for each in judged if (value := getattr(each.row, column))]
        for sim in Sim.objects.filter(**{f"{column}__in": values}):
            known[column, getattr(sim, column)] = sim
    for each in judged:
        row = each.row
        found = {column: known.get((column, getattr(row, column))) for column in COLUMNS}
        card = found["iccid"]
        same = card is not None and (card.msisdn, card.imsi, card.operator_id) == (row.msisdn, row.imsi, operator_id)
        if same and not each.problems:
            each.here = True
            continue
        for column, other in found.items():
            if other is not None and not same:
                each.problems.append((f"{column}_known", other.iccid))


def _ranges(judged: Iterable[Judged], operator_id: int) -> None:
    """The longest prefix names the operator; numbers are judged only by ranges that somebody wrote down."""
    ranges = dict(NumberRange.objects.values_list("prefix", "operator_id"))
    names = dict(NumberRange.objects.values_list("operator_id", "operator__name"))
    for each in judged:
        number = each.row.msisdn
        prefix = next((number[:n] for n in range(len(number), 0, -1) if number[:n] in ranges), "")
        if prefix and ranges[prefix] != operator_id:
            each.problems.append(("msisdn_other", names[ranges[prefix]]))
        elif not prefix and operator_id in names and not any(code == "msisdn_form" for code, _ in each.problems):
            each.problems.append(("msisdn_outside", ""))
