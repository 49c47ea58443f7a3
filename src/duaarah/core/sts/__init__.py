# SPDX-License-Identifier: Apache-2.0
"""
The STS engine (IEC 62055-41): identifiers, amounts, TIDs, decoder keys, tokens of classes 0, 1 and 2, and a meter's side.

Pure: keys, random numbers and times enter as parameters.
"""

from duaarah.core.sts.configuration import KeyConfiguration
from duaarah.core.sts.decode import Decoded, Result, decode, decode_with
from duaarah.core.sts.decoder_key import DecoderKey
from duaarah.core.sts.describe import amount_steps, amount_text
from duaarah.core.sts.dkga import check_vending_key, derive
from duaarah.core.sts.errors import (
    AmountNegative,
    AmountRange,
    BadRequest,
    DateRange,
    DRNLuhn,
    FieldRange,
    KENExpired,
    KeyLength,
    NewKENExpired,
    PANLength,
    PANLuhn,
    STSError,
    TokenLength,
    TokenRange,
)
from duaarah.core.sts.explain import Explanation, Step, explain
from duaarah.core.sts.identifiers import check_drn, check_pan, drn_of, luhn_digit, pan_of
from duaarah.core.sts.issue import CreditToken, issue_electricity_credit, issue_key_change
from duaarah.core.sts.keystore import KeyRegister, KeyStore, UnknownRegister
from duaarah.core.sts.meter import Entry, MeterDecoder
from duaarah.core.sts.tid import check_ken, instant_of, ken_allows, tid_at, tid_not_reserved

__all__ = [
    "AmountNegative",
    "AmountRange",
    "BadRequest",
    "CreditToken",
    "DRNLuhn",
    "DateRange",
    "Decoded",
    "DecoderKey",
    "Entry",
    "Explanation",
    "FieldRange",
    "KENExpired",
    "KeyConfiguration",
    "KeyLength",
    "KeyRegister",
    "KeyStore",
    "MeterDecoder",
    "NewKENExpired",
    "PANLength",
    "PANLuhn",
    "Result",
    "STSError",
    "Step",
    "TokenLength",
    "TokenRange",
    "UnknownRegister",
    "amount_steps",
    "amount_text",
    "check_drn",
    "check_ken",
    "check_pan",
    "check_vending_key",
    "decode",
    "decode_with",
    "derive",
    "drn_of",
    "explain",
    "instant_of",
    "issue_electricity_credit",
    "issue_key_change",
    "ken_allows",
    "luhn_digit",
    "pan_of",
    "tid_at",
    "tid_not_reserved",
]
