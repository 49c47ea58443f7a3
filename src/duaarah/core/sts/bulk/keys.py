# SPDX-License-Identifier: Apache-2.0
"""Decoder keys of many meters: given, or derived from their PANs (IEC 62055-41, 6.5.3). Nothing here prints a key."""

from __future__ import annotations

import hmac
from typing import Any

import numpy as np
from numpy.typing import NDArray

from duaarah.core.sts import ea07
from duaarah.core.sts.bulk import misty1
from duaarah.core.sts.bulk.rows import Faults, Texts, chunks, mark, octets, raise_first
from duaarah.core.sts.bulk.sta import bitsliced
from duaarah.core.sts.configuration import KeyConfiguration
from duaarah.core.sts.dkga import DECODER_KEY_OCTETS, KT_COMMON, check_vending_key, des_encryptor, dkga02_control
from duaarah.core.sts.dkga import dkga04_around as message_around
from duaarah.core.sts.errors import BadRequest, DRNLuhn, KeyLength, PANLength, PANLuhn

PAN_DIGITS = 18
Octets = NDArray[np.uint8]
Words = NDArray[np.uint64]
# Twice a digit, its own digits added.
_DOUBLED = np.array([0, 2, 4, 6, 8, 1, 3, 5, 7, 9], dtype=np.uint8)
_ZERO = np.uint8(48)


class DecoderKeys:
    """
    One key a row, or one for every row. EA07: (n,) uint64 or (n, 8) uint8; EA11: (n, 16) uint8 or (n, 2) uint64, the
    high half first. Rows with a fault (no key could be derived) are refused by whatever uses the keys.

    Raises:
        KeyLength: another shape or type.
        BadRequest: an EA that is neither 07 nor 11.
    """

    def __init__(
        self, ea: str, keys: NDArray[Any], *, faults: Faults | None = None, tables: ea07.EA07Tables | None = None
    ) -> None:
        if ea not in DECODER_KEY_OCTETS:
            raise BadRequest("The EA is 07 or 11.")
        self.ea = ea
        self.keys = _normal(ea, keys)
        self.faults = faults
        self._tables = tables

    def __len__(self) -> int:
        return int(self.keys.shape[0])

    def __repr__(self) -> str:
        return f"DecoderKeys(ea={self.ea!r}, rows={len(self)})"

    def __getitem__(self, rows: slice) -> DecoderKeys:
        faults = None if self.faults is None else self.faults[rows]
        return DecoderKeys(self.ea, self.keys[rows], faults=faults, tables=self._tables)

    def spread(self, count: int) -> DecoderKeys:
        """These keys for `count` rows. Raises BadRequest for another number of keys than one or `count`."""
        if len(self) == count:
            return self
        if len(self) != 1:
            raise BadRequest(f"There are {len(self)} keys for {count} rows.")
        faults = None if self.faults is None else np.broadcast_to(self.faults, (count,))
        keys = np.broadcast_to(self.keys, (count, *self.keys.shape[1:]))
        return DecoderKeys(self.ea, keys, faults=faults, tables=self._tables)

    def encrypt(self, blocks: Words) -> Words:
        """A 64-bit block a row."""
        if self.ea == "11":
            return misty1.Rows(self.keys).encrypt(blocks)
        tables = self._tables or ea07.standard_tables()
        return bitsliced(tables.s1, tables.s2, tables.p).encrypt(blocks, self.keys)

    def decrypt(self, blocks: Words) -> Words:
        """A 64-bit block a row."""
        if self.ea == "11":
            return misty1.Rows(self.keys).decrypt(blocks)
        tables = self._tables or ea07.standard_tables()
        return bitsliced(tables.s1, tables.s2, tables.p).decrypt(blocks, self.keys)


def _normal(ea: str, keys: NDArray[Any]) -> NDArray[Any]:
    """(n,) uint64 for EA07, (n, 16) uint8 for EA11."""
    width = DECODER_KEY_OCTETS[ea]
    if keys.dtype == np.uint8 and keys.ndim == 2 and keys.shape[1] == width:
        return keys if ea == "11" else np.ascontiguousarray(keys).view(">u8").reshape(-1).astype(np.uint64)
    if keys.dtype == np.uint64 and ea == "07" and keys.ndim == 1:
        return keys
    if keys.dtype == np.uint64 and ea == "11" and keys.ndim == 2 and keys.shape[1] == 2:
        return np.ascontiguousarray(keys.astype(">u8")).view(np.uint8).reshape(-1, width)
    raise KeyLength(f"A decoder key for EA{ea} has {width} octets; given are {keys.dtype} of shape {keys.shape}.")


def check_pans(pans: Texts, *, mask: bool = False) -> Faults:
    """
    The faults of MeterPANs in the order of `check_pan`: length, own check digit, the DRN's.

    Raises:
        BadRow: the first wrong one, unless `mask`.
        BadRequest: neither a sequence of str nor an array of texts.
    """
    return _checked(pans, mask)[1]


def _checked(pans: Texts, mask: bool) -> tuple[Octets, Faults]:
    table, malformed = octets(pans, PAN_DIGITS, "pans")
    faults = np.zeros(table.shape[0], dtype=np.uint8)
    for rows in chunks(table.shape[0]):
        _judge(table[rows], malformed[rows], faults[rows])
        if not mask:
            raise_first(faults[rows], rows.start)
    return table, faults


def _judge(table: Octets, malformed: NDArray[np.bool_], faults: Faults) -> None:
    # Digit by digit; no sum passes 162, so that octets hold them all.
    digit = np.ascontiguousarray(table.T) - _ZERO
    doubled = np.take(_DOUBLED, digit, mode="clip")
    mark(faults, malformed, PANLength)
    own = doubled[0:17:2].sum(axis=0, dtype=np.uint8) + digit[1:18:2].sum(axis=0, dtype=np.uint8)
    mark(faults, own % 10 != 0, PANLuhn)
    inner = doubled[7:16:2].sum(axis=0, dtype=np.uint8) + digit[6:17:2].sum(axis=0, dtype=np.uint8)
    # Behind IIN 0000 the DRN has 13 digits and begins two places earlier.
    long = ~digit[:4].any(axis=0)
    inner += np.where(long, digit[4] + doubled[5], 0).astype(np.uint8)
    mark(faults, inner % 10 != 0, DRNLuhn)


def derive_rows(vending_key: bytes, configuration: KeyConfiguration, pans: Texts, *, mask: bool = False) -> DecoderKeys:
    """
    The decoder keys of many meters under one vending key and configuration; both check digits of every PAN are checked.

    Raises:
        KeyLength: the vending key does not fit the DKGA.
        BadRow: the first wrong PAN, unless `mask`: then it gets no key, and whatever uses the keys refuses its row.
        BadRequest: neither a sequence of str nor an array of texts.
    """
    check_vending_key(vending_key, configuration.dkga)
    table, faults = _checked(pans, mask)
    make = _dkga04 if configuration.dkga == "04" else _dkga02
    keys: NDArray[Any] = make(vending_key, configuration, table)
    if faults.any():
        keys[faults != 0] = 0
    return DecoderKeys(configuration.ea, keys, faults=faults)


def _accounts(configuration: KeyConfiguration, table: Octets) -> Octets:
    """The PANs as the key generation sees them: a common key has zeros behind the IIN."""
    if configuration.kt != KT_COMMON:
        return table
    common = np.full_like(table, _ZERO)
    common[:, :6] = table[:, :6]
    return common


def _dkga04(vending_key: bytes, configuration: KeyConfiguration, table: Octets) -> Octets:
    head, tail = message_around(configuration)
    size = DECODER_KEY_OCTETS[configuration.ea]
    digest = hmac.digest
    keys = np.empty((table.shape[0], size), dtype=np.uint8)
    for rows in chunks(table.shape[0]):
        accounts = np.ascontiguousarray(_accounts(configuration, table[rows])).view("S18").reshape(-1).tolist()
        made = b"".join([digest(vending_key, head + account + tail, "sha256") for account in accounts])
        keys[rows] = np.frombuffer(made, dtype=np.uint8).reshape(-1, 32)[:, :size]
    return keys


def _dkga02(vending_key: bytes, configuration: KeyConfiguration, table: Octets) -> Words:
    digit = _accounts(configuration, table)[:, 1:17] & np.uint8(15)
    packed = digit[:, 0::2] << np.uint8(4) | digit[:, 1::2]
    blocks = np.ascontiguousarray(packed).view(">u8").reshape(-1).astype(np.uint64)
    blocks ^= np.uint64(dkga02_control(configuration))
    encryptor = des_encryptor(vending_key)
    encrypted = encryptor.update(blocks.astype(">u8").tobytes()) + encryptor.finalize()
    made = np.frombuffer(encrypted, dtype=">u8").astype(np.uint64)
    made ^= blocks
    made ^= np.uint64(int.from_bytes(vending_key, "big"))
    return made
