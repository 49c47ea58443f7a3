"""A channel's file: what is signed is read, what is cut, changed or miscounted is refused whole."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duaarah.core.tokenbatch import COLUMNS, ROWS_MAX, BadBatch, read_batch, sign_batch, write_batch

SECRET = b"0123456789abcdef"
DAY = dt.date(2026, 2, 16)
ROW = {
    "notification_id": "sale-1",
    "drn": "14000000013",
    "idpel": "",
    "token": "12345678901234567890",
    "amount_idr": "50000",
    "sold_at": "2026-02-16T08:00:00+07:00",
}


def file(rows: list[dict[str, str]] | None = None) -> bytes:
    return write_batch(
        secret=SECRET, channel="ATM", batch_id="B1", of_date=DAY, rows=rows if rows is not None else [ROW]
    )


def resigned(body: bytes) -> bytes:
    return body + sign_batch(SECRET, body)


def code_of(content: bytes, channel: str = "ATM") -> str:
    with pytest.raises(BadBatch) as refused:
        read_batch(content, secret=SECRET, channel=channel)
    return refused.value.code


def test_a_file_as_the_guide_writes_it_is_read() -> None:
    """The octets are typed from the guide; the HMAC was made by openssl."""
    body = (
        b"duaarah-tokens,1,ATM,B1,2026-02-16\n"
        b"notification_id,drn,idpel,token,amount_idr,sold_at\n"
        b"sale-1,14000000013,,12345678901234567890,50000,2026-02-16T08:00:00+07:00\n"
        b"end,1,50000,"
    )
    assert file() == body + b"v1=dc70c51774f2ffa32e9a15430e46350fbeb2fd7762c8ca1ad014b057460bd3af\n"
    batch = read_batch(file(), secret=SECRET, channel="ATM")
    assert (batch.channel, batch.batch_id, batch.of_date, batch.sum_idr) == ("ATM", "B1", DAY, 50_000)
    (row,) = batch.rows
    assert (row.line, row.notification_id, row.drn, row.idpel, row.digits, row.amount_idr, row.fault) == (
        *(3, "sale-1", "14000000013", "", "12345678901234567890", 50_000, ""),
    )
    assert "12345678901234567890" not in repr(batch)


def test_lines_may_end_as_windows_ends_them_and_the_last_need_not_end() -> None:
    body = file().rsplit(b",", 1)[0].replace(b"\n", b"\r\n") + b","
    for content in (resigned(body), resigned(body) + b"\r\n"):
        assert read_batch(content, secret=SECRET, channel="ATM").rows[0].line == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("notification_id", ""),
        ("notification_id", "a b"),
        ("notification_id", "x" * 65),
        ("drn", "1234567890"),
        ("idpel", "53"),
        ("token", "1234 5678 9012 3456 7890"),
        ("token", "\u0661" * 20),
        ("amount_idr", "0"),
        ("amount_idr", "50.000"),
        ("amount_idr", "-5"),
        ("amount_idr", "100000001"),
        ("sold_at", "yesterday"),
        ("sold_at", "2026-02-31"),
    ],
)
def test_a_wrong_field_is_the_fault_of_its_row_alone(name: str, value: str) -> None:
    batch = read_batch(file([{**ROW, name: value}, {**ROW, "notification_id": "sale-2"}]), secret=SECRET, channel="ATM")
    assert [row.fault for row in batch.rows] == [name, ""]
    assert getattr(batch.rows[0], {"token": "digits"}.get(name, name)) in ("", 0)


def test_a_row_of_other_columns_or_too_long_a_line_is_wrong() -> None:
    lines = file().split(b"\n")
    lines[2:3] = [b"a,b", b'"open,' + b"x" * 20, b"x" * 600]
    body = b"\n".join(lines[:-2]) + b"\nend,3,0,"
    assert [row.fault for row in read_batch(resigned(body), secret=SECRET, channel="ATM").rows] == ["columns"] * 3


def test_what_is_refused_whole() -> None:
    good, body = file(), file().rsplit(b",", 1)[0] + b","
    assert code_of(b"") == code_of(good[:100]) == "trailer_missing"
    assert code_of(good, channel="PPOB") == "wrong_channel"
    assert code_of(resigned(body.replace(b"end,1,", b"end,2,"))) == "wrong_count"
    assert code_of(resigned(body.replace(b"end,1,50000", b"end,1,50001"))) == "wrong_sum"
    assert code_of(resigned(body.replace(b"tokens,1,", b"tokens,2,"))) == "bad_head"
    assert code_of(resigned(body.replace(b"2026-02-16\n", b"16/02/2026\n"))) == "bad_head"
    assert code_of(resigned(body.replace(b"notification_id,drn", b"drn,notification_id"))) == "bad_columns"
    assert code_of(resigned(body.replace(b"sale-1", b"sale-\xff"))) == "bad_head"
    assert code_of(good.replace(b"v1=", b"v2=")) == "trailer_missing"
    assert code_of(b"x" * (16 * 1024 * 1024 + 1)) == "too_large"
    with pytest.raises(BadBatch):
        read_batch(good, secret=b"another", channel="ATM")
    rows = b"a,b\n" * (ROWS_MAX + 1)
    head = b"duaarah-tokens,1,ATM,B1,2026-02-16\n" + ",".join(COLUMNS).encode() + b"\n"
    assert code_of(resigned(head + rows + b"end,100001,0,")) == "too_many_rows"


@given(st.data())
def test_one_octet_changed_anywhere_is_refused_whole(data: st.DataObject) -> None:
    good = file([ROW, {**ROW, "notification_id": "sale-2"}])
    # The last octet ends the last line; the signature does not need it.
    at = data.draw(st.integers(0, len(good) - 2))
    other = data.draw(st.integers(0, 255).filter(lambda octet: octet != good[at]))
    changed = good[:at] + bytes([other]) + good[at + 1 :]
    if changed.rstrip(b"\r\n") == good.rstrip(b"\r\n"):
        return
    assert code_of(changed) in ("signature_refused", "trailer_missing")


@given(st.binary(max_size=400))
def test_garbage_never_raises_anything_else(content: bytes) -> None:
    with pytest.raises(BadBatch):
        read_batch(content, secret=SECRET, channel="ATM")
    with pytest.raises(BadBatch):
        read_batch(resigned(b"x\nend,0,0," + content), secret=SECRET, channel="ATM")
