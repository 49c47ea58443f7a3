# SPDX-License-Identifier: Apache-2.0
"""
A channel's file of tokens that it sold: `docs/guides/tokens-from-elsewhere.md` has the layout, version 1.

A head line, the columns' names, one line a sale, and a trailer with count, sum and an HMAC-SHA-256 over every octet before
it. A file is taken whole or not at all; a wrong row in a true file is that row's fault alone.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import hmac
import re
from dataclasses import dataclass

MARK, VERSION, END = "duaarah-tokens", "1", "end"
COLUMNS = ("notification_id", "drn", "idpel", "token", "amount_idr", "sold_at")
OCTETS_MAX = 16 * 1024 * 1024
ROWS_MAX = 100_000
LINE_OCTETS_MAX = 512
AMOUNT_IDR_MAX = 100_000_000
_BATCH_ID = re.compile(r"[0-9A-Za-z._-]{1,40}")
_TRAILER = re.compile(rb"end,[^,]*,[^,]*,v1=[0-9a-f]{64}")
_FORMS = {
    "notification_id": re.compile(r"[\x21-\x7e]{1,64}"),
    "drn": re.compile(r"[0-9]{11}|[0-9]{13}"),
    "idpel": re.compile(r"(?:[0-9]{12})?"),
    "token": re.compile(r"[0-9]{20}"),
    "amount_idr": re.compile(r"[1-9][0-9]{0,8}"),
    "sold_at": re.compile(r"[0-9T:+. Z-]{0,40}"),
}


class BadBatch(ValueError):
    """The file is not taken; `code` says why: see `read_batch`."""

    retryable = False

    def __init__(self, code: str, message: str, batch_id: str = "") -> None:
        super().__init__(message)
        self.code, self.batch_id = code, batch_id


@dataclass(frozen=True, kw_only=True)
class SoldToken:
    """One line of a file, counted from 1. `fault` names what is wrong with it, empty where nothing is."""

    line: int
    notification_id: str
    drn: str
    idpel: str
    digits: str
    amount_idr: int
    sold_at: str
    fault: str

    def __repr__(self) -> str:
        return f"SoldToken(line={self.line}, notification_id={self.notification_id!r}, fault={self.fault!r})"


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A file whose signature, count and sum are right. The sum is that of the amounts that can be read, in rupiah."""

    channel: str
    batch_id: str
    of_date: dt.date
    sum_idr: int
    rows: tuple[SoldToken, ...]


def sign_batch(secret: bytes, content: bytes) -> bytes:
    """The trailer's last field for all octets before it; a channel does the same."""
    return b"v1=" + hmac.new(secret, content, hashlib.sha256).hexdigest().encode()


def write_batch(*, secret: bytes, channel: str, batch_id: str, of_date: dt.date, rows: list[dict[str, str]]) -> bytes:
    """A whole file, as a channel would write it; `rows` have the columns' names."""
    lines = [f"{MARK},{VERSION},{channel},{batch_id},{of_date.isoformat()}", ",".join(COLUMNS)]
    lines += [",".join(row.get(name, "") for name in COLUMNS) for row in rows]
    total = sum(_amount(row.get("amount_idr", "")) for row in rows)
    body = ("\n".join(lines) + f"\n{END},{len(rows)},{total},").encode()
    return body + sign_batch(secret, body) + b"\n"


def complete(content: bytes) -> bool:
    """Whether a trailer stands at the end: a file without one is half written, or was cut off."""
    body = content.rstrip(b"\r\n")
    return _TRAILER.fullmatch(body, body.rfind(b"\n") + 1) is not None


def read_batch(content: bytes, *, secret: bytes, channel: str) -> Batch:
    """
    A channel's file, its signature checked before anything in it is believed.

    Raises:
        BadBatch: too_large, trailer_missing, signature_refused, bad_head, wrong_channel, bad_columns, too_many_rows,
            wrong_count, wrong_sum.
    """
    if len(content) > OCTETS_MAX:
        raise BadBatch("too_large", f"A file has at most {OCTETS_MAX >> 20} MB.")
    if not complete(content):
        raise BadBatch("trailer_missing", "The last line is not a trailer: the file is half written or was cut off.")
    signed_to = content.rfind(b",") + 1
    given = content[signed_to:].rstrip(b"\r\n")
    if not hmac.compare_digest(sign_batch(secret, content[:signed_to]), given):
        raise BadBatch("signature_refused", "The signature does not fit the file.")
    try:
        lines = [line.removesuffix("\r") for line in content.decode().rstrip("\r\n").split("\n")]
    except UnicodeDecodeError:
        raise BadBatch("bad_head", "The file is not a text in UTF-8.") from None
    batch_id, of_date = _head(lines[0], channel)
    if len(lines) < 3 or lines[1].split(",") != list(COLUMNS):
        raise BadBatch("bad_columns", f"The second line is: {','.join(COLUMNS)}.", batch_id)
    if len(lines) - 3 > ROWS_MAX:
        raise BadBatch("too_many_rows", f"A file has at most {ROWS_MAX} rows.", batch_id)
    rows = tuple(_row(number, line) for number, line in enumerate(lines[2:-1], start=3))
    sum_idr = sum(row.amount_idr for row in rows)
    trailer = lines[-1].split(",")
    if len(trailer) != 4 or trailer[1] != str(len(rows)):
        raise BadBatch("wrong_count", f"The trailer does not say {len(rows)} rows, which the file has.", batch_id)
    if trailer[2] != str(sum_idr):
        raise BadBatch("wrong_sum", f"The trailer does not say {sum_idr} rupiah, which the rows add up to.", batch_id)
    return Batch(channel=channel, batch_id=batch_id, of_date=of_date, sum_idr=sum_idr, rows=rows)


def _head(line: str, channel: str) -> tuple[str, dt.date]:
    fields = line.split(",")
    if len(fields) != 5 or fields[:2] != [MARK, VERSION] or not _BATCH_ID.fullmatch(fields[3]):
        raise BadBatch("bad_head", f"The first line is: {MARK},{VERSION},channel,batch id,date.")
    try:
        of_date = dt.date.fromisoformat(fields[4])
    except ValueError:
        raise BadBatch("bad_head", "The date of the first line is written YYYY-MM-DD.", fields[3]) from None
    if fields[2] != channel:
        raise BadBatch("wrong_channel", "The file is signed by this channel and names another one.", fields[3])
    return fields[3], of_date


def _row(number: int, line: str) -> SoldToken:
    values, fault = [""] * len(COLUMNS), "columns"
    try:
        found = next(csv.reader([line], strict=True), []) if len(line) <= LINE_OCTETS_MAX else []
    except csv.Error:
        found = []
    if len(found) == len(COLUMNS):
        values = [value.strip() for value in found]
        fault = next(
            (name for name, value in zip(COLUMNS, values, strict=True) if not _fits(name, value)),
            "",
        )
    said = {name: value if _fits(name, value) else "" for name, value in zip(COLUMNS, values, strict=True)}
    return SoldToken(
        line=number,
        notification_id=said["notification_id"],
        drn=said["drn"],
        idpel=said["idpel"],
        digits=said["token"],
        amount_idr=_amount(said["amount_idr"]),
        sold_at=said["sold_at"],
        fault=fault,
    )


def _fits(name: str, value: str) -> bool:
    if not _FORMS[name].fullmatch(value):
        return False
    if name == "amount_idr":
        return int(value) <= AMOUNT_IDR_MAX
    if name == "sold_at" and value:
        try:
            dt.datetime.fromisoformat(value)
        except ValueError:
            return False
    return True


def _amount(text: str) -> int:
    return int(text) if _FORMS["amount_idr"].fullmatch(text) and int(text) <= AMOUNT_IDR_MAX else 0
