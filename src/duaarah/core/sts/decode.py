# SPDX-License-Identifier: Apache-2.0
"""What a meter makes of a token: the standard's results, in the order in which a meter judges (IEC 62055-41, 7.1)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from duaarah.core.sts.configuration import KeyConfiguration
from duaarah.core.sts.decoder_key import DecoderKey
from duaarah.core.sts.fields import CLEAR_CREDIT, Fields, unpack
from duaarah.core.sts.tid import ken_allows
from duaarah.core.sts.token import open_token

KT_DDTK = 1
_REGISTERS = (*range(8), 0xFFFF)


class Result(StrEnum):
    """Names of the token results; `LOCKOUT` is the keypad's own."""

    ACCEPT = "accept"
    CRC = "crc"
    USED = "used"
    OLD = "old"
    KEY_EXPIRED = "key_expired"
    DDTK = "ddtk"
    OVERFLOW = "overflow"
    RANGE = "range"
    UNSUPPORTED = "unsupported"
    LOCKOUT = "lockout"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A result, and the fields where they could be read."""

    result: Result
    fields: Fields | None


def decode(
    token: str,
    key: DecoderKey | None,
    *,
    kt: int = 2,
    ken: int = 255,
    tid_store: Collection[int] | None = None,
    oldest_tid: int | None = None,
) -> Decoded:
    """
    Judge a token as a meter with this key would.

    `tid_store` holds the TIDs the meter has seen (None: it keeps none); a TID below `oldest_tid` is too old to tell.

    Raises:
        TokenLength, TokenRange: these digits are no token at all.
    """
    opened = open_token(token, key)
    if not opened.crc_fits:
        return Decoded(Result.CRC, None)
    fields = unpack(opened.token_class, opened.payload48)
    if fields is None:
        return Decoded(Result.UNSUPPORTED, None)
    return Decoded(_judge(fields, kt, ken, tid_store, oldest_tid), fields)


def _judge(fields: Fields, kt: int, ken: int, tid_store: Collection[int] | None, oldest_tid: int | None) -> Result:
    if fields.tid is None:
        return Result.ACCEPT
    # A default key may carry a meter to its own key, never credit.
    if kt == KT_DDTK and fields.token_class == 0:
        return Result.DDTK
    if not ken_allows(fields.tid, ken):
        return Result.KEY_EXPIRED
    if tid_store is not None and fields.tid in tid_store:
        return Result.USED
    if oldest_tid is not None and fields.tid < oldest_tid:
        return Result.OLD
    if fields.kind == CLEAR_CREDIT and fields.values["field"] not in _REGISTERS:
        return Result.RANGE
    return Result.ACCEPT


def decode_with(token: str, key: DecoderKey | None, configuration: KeyConfiguration) -> Decoded:
    """`decode` with KT and KEN of a configuration, without a TID store."""
    return decode(token, key, kt=configuration.kt, ken=configuration.ken)
