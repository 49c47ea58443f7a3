"""A maker's file as it comes: CSV of every habit, workbooks, headings in other words, cells that cannot be meant."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook
from tests.headend.shipments import HEADING, drn_of, file_of, row_of

from duaarah.headend.shipments.columns import places, read_row
from duaarah.headend.shipments.table import BadTable, read_table

PROFILES = ("single-phase-modem",)


def workbook(rows: list[list[Any]]) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf"])
def test_csv_of_every_habit(separator: str, prefix: bytes) -> None:
    rows = list(read_table(prefix + file_of([row_of(1), row_of(2)], separator=separator)))
    assert [number for number, _ in rows] == [1, 2, 3]
    assert rows[1][1] == row_of(1) and rows[0][1] == HEADING


def test_a_workbook_whose_numbers_are_numbers() -> None:
    row: list[Any] = row_of(3)
    row[0], row[5], row[6], row[7] = int(row[0]), 999901, 1.0, 1
    (_, heading), (number, cells) = read_table(workbook([HEADING, row, []]))
    meter, faults = read_row(number, cells, places(heading), PROFILES)
    assert faults == [] and meter is not None
    assert (meter.drn, meter.sts.sgc, meter.sts.krn, meter.sts.ti) == (drn_of(3), "999901", 1, "01")
    assert (meter.sts.kt, meter.sts.ken, meter.sts.base_date, meter.sts.dkga, meter.sts.ea) == (
        2,
        255,
        2014,
        "04",
        "07",
    )
    assert meter.encryption.hex() not in repr(meter)


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "empty"), (b"PK\x03\x04rest", "not_a_table"), (b"a,b\n\x00", "not_a_table"), (b" \n", "empty")],
)
def test_a_file_that_is_no_table(content: bytes, code: str) -> None:
    with pytest.raises(BadTable) as caught:
        list(read_table(content))
    assert caught.value.code == code


def test_a_zip_that_unpacks_without_end_is_not_unpacked() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        for number in range(6):
            made.writestr(f"{number}", bytes(100 * 1024 * 1024))
    with pytest.raises(BadTable) as caught:
        list(read_table(packed.getvalue()))
    assert caught.value.code == "too_large"


def test_headings() -> None:
    assert places(["x", "NOMOR METER", "Tipe", "sys-title", "System_Title", *HEADING[3:]])["drn"] == 1
    with pytest.raises(BadTable) as caught:
        places(["DRN", "EK"])
    assert caught.value.code == "column_missing" and "system title" in str(caught.value)
    with pytest.raises(BadTable) as caught:
        places([*HEADING, "drn"])
    assert caught.value.code == "column_twice"


@pytest.mark.parametrize(
    ("place", "text", "column", "code"),
    [
        (0, "77000000010", "drn", "bad_cell"),
        (0, "", "drn", "empty"),
        (1, "poem", "profile", "unknown_profile"),
        (2, "00", "system_title", "bad_cell"),
        (3, "secret-looking", "encryption", "bad_cell"),
        (5, "12345678", "sgc", "bad_cell"),
        (6, "0", "krn", "bad_cell"),
        (7, "x1", "ti", "bad_cell"),
        (8, "350000000000001", "imei", "bad_cell"),
        (9, "896200", "iccid", "bad_cell"),
        (10, "ü", "firmware", "bad_cell"),
    ],
)
def test_a_cell_that_cannot_be_meant(place: int, text: str, column: str, code: str) -> None:
    cells = row_of(4)
    cells[place] = text
    meter, faults = read_row(2, cells, places(HEADING), PROFILES)
    assert meter is None
    assert [(fault.column, fault.code) for fault in faults] == [(column, code)]
    assert "secret-looking" not in faults[0].message


@given(st.lists(st.text(max_size=30), max_size=12))
def test_no_row_raises(cells: list[str]) -> None:
    meter, faults = read_row(2, cells, places(HEADING), PROFILES)
    assert (meter is None) == bool(faults)


@given(st.binary(max_size=300))
def test_random_octets_are_a_table_or_no_table(content: bytes) -> None:
    try:
        rows = list(read_table(content))
    except BadTable:
        return
    assert all(any(row) for _, row in rows)


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "[Content_Types].xml"])
def test_a_workbook_whose_parts_are_broken_is_refused_in_words(part: str) -> None:
    sound, broken = zipfile.ZipFile(io.BytesIO(workbook([HEADING, row_of(1)]))), io.BytesIO()
    with zipfile.ZipFile(broken, "w") as packed:
        for name in sound.namelist():
            packed.writestr(name, b"<broken" if name == part else sound.read(name))
    with pytest.raises(BadTable, match="save it as XLSX or CSV again"):
        list(read_table(broken.getvalue()))
