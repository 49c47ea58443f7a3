"""Makers' files that were never sent: drawn meters, keys wrapped under a transport key of the tests."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from duaarah.core.sts import luhn_digit

TRANSPORT_KEY = bytes(range(32))
HEADING = ["Meter Number", "Type", "System Title", "EK", "AK", "SGC", "KRN", "TI", "IMEI", "ICCID", "FW"]


def drn_of(number: int) -> str:
    payload = f"77{number:08d}"
    return payload + luhn_digit(payload)


def imei_of(number: int) -> str:
    payload = f"35{number:012d}"
    return payload + luhn_digit(payload)


def keys_of(number: int) -> tuple[bytes, bytes]:
    return b"EK" + number.to_bytes(14, "big"), b"AK" + number.to_bytes(14, "big")


def row_of(number: int, *, clear: bool = False) -> list[str]:
    keys = [key if clear else aes_key_wrap(TRANSPORT_KEY, key) for key in keys_of(number)]
    title = b"TST" + number.to_bytes(5, "big")
    return [
        *(drn_of(number), "single-phase-modem", title.hex(), keys[0].hex(), keys[1].hex().upper()),
        *("999901", "1", "01", imei_of(number), "", "1.4.2"),
    ]


def file_of(rows: Sequence[Sequence[str]], *, separator: str = ",", heading: Sequence[str] = HEADING) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows([heading, *rows])
    return text.getvalue().encode()
