# SPDX-License-Identifier: Apache-2.0
"""Making tokens. Deterministic: the same key, fields, TID and random number give the same 20 digits, forever."""

from __future__ import annotations

from dataclasses import dataclass

from duaarah.core.sts.amounts import decode_steps, encode_steps
from duaarah.core.sts.configuration import KeyConfiguration
from duaarah.core.sts.decoder_key import DecoderKey
from duaarah.core.sts.errors import BadRequest, NewKENExpired
from duaarah.core.sts.fields import pack
from duaarah.core.sts.tid import check_ken, ken_allows
from duaarah.core.sts.token import seal

WH_PER_STEP = 100


@dataclass(frozen=True, slots=True)
class CreditToken:
    """An electricity credit; `encoded_wh` is what the field says, at least what was asked for. Digits stay out of logs."""

    digits: str
    encoded_wh: int

    def __repr__(self) -> str:
        return f"CreditToken(encoded_wh={self.encoded_wh})"


def issue_electricity_credit(key: DecoderKey, *, energy_wh: int, tid: int, rnd: int, ken: int) -> CreditToken:
    """
    A TransferCredit token of class 0.0; energy is rounded up to the field's step.

    Raises:
        AmountNegative, AmountRange: the energy does not fit a token.
        KENExpired: the key may no longer make tokens of this TID.
        FieldRange: TID beyond 24 bits or random number beyond 4.
    """
    check_ken(tid, ken)
    field = encode_steps(-(-energy_wh // WH_PER_STEP))
    payload = pack(0, 0, {"rnd": rnd, "tid": tid, "field": field})
    return CreditToken(seal(0, payload, key), decode_steps(field) * WH_PER_STEP)


@dataclass(frozen=True, slots=True, repr=False)
class KeyChangeSet:
    """The tokens of a key change in their order of entry (2.3, 2.4[, 2.8, 2.9])."""

    tokens: tuple[str, ...]


def issue_key_change(
    old_key: DecoderKey,
    new_key: DecoderKey,
    new: KeyConfiguration,
    *,
    rollover: bool,
    new_tid_now: int | None = None,
) -> KeyChangeSet:
    """
    The set that carries a meter from one key to another, encrypted with the old one (IEC 62055-41, 6.2.7).

    `rollover` (RO) makes the meter clear its TID store; it must be set when the base date changes. `new_tid_now` is the
    present TID under the new base date, to refuse a key that is expired already; the *old* key may be expired.

    Raises:
        NewKENExpired: the new key is expired.
        BadRequest: the change crosses from EA11 back to EA07.
    """
    if new_tid_now is not None and not ken_allows(new_tid_now, new.ken):
        raise NewKENExpired(f"The new key is expired: its KEN is {new.ken}, today needs {new_tid_now >> 16}.")
    if old_key.ea == "11" and new.ea == "07":
        raise BadRequest("A key change leads from EA07 to EA11, not back.")
    parts = [int.from_bytes(new_key.octets[i : i + 4], "big") for i in range(0, len(new_key.octets), 4)]
    sgc = int(new.sgc)
    payloads = [
        pack(
            2,
            3,
            {
                "kenho": new.ken >> 4,
                "krn": new.krn,
                "ro": int(rollover),
                "kct": 0,
                "kt": new.kt,
                "nkho": parts[0],
            },
        ),
        pack(2, 4, {"kenlo": new.ken & 15, "ti": int(new.ti), "nklo": parts[-1]}),
    ]
    if new.ea == "11":
        payloads.append(pack(2, 8, {"sgclo": sgc & 0xFFF, "nkmo2": parts[1]}))
        payloads.append(pack(2, 9, {"sgcho": sgc >> 12, "nkmo1": parts[2]}))
    return KeyChangeSet(tuple(seal(2, payload, old_key) for payload in payloads))
