# SPDX-License-Identifier: Apache-2.0
"""
The engine's errors. A token that a meter would not take is a *result* (`Result`), never one of these.

STSError
 +- BadRequest          bad_request      something is missing, of the wrong kind, or contradicts itself
 +- PANLength           pan_length       a PAN is 18 digits
 +- PANLuhn             pan_luhn         the PAN's check digit is wrong
 +- DRNLuhn             drn_luhn         the DRN's check digit is wrong
 +- KeyLength           key_length       the vending key does not fit its DKGA
 +- AmountRange         amount_range     more than the field can say
 +- AmountNegative      amount_negative  negative where only currency may be
 +- FieldRange          field_range      a raw field does not fit its bits
 +- KENExpired          ken_expired      the key may no longer make tokens of this TID
 +- NewKENExpired       new_ken_expired  a key change to a key that is expired itself
 +- DateRange           date_range       the time lies outside the base date's 24-bit TIDs
 +- TokenLength         token_length     a token is 20 digits
 +- TokenRange          token_range      a token is below 2^66
 +- TablesInvalid       tables_invalid   replacement tables of EA07 that are no permutations
"""

from __future__ import annotations


class STSError(Exception):
    """Anything this engine refuses to do. `code` is stable."""

    code = "sts"
    retryable = False


class BadRequest(STSError):
    code = "bad_request"


class PANLength(STSError):
    code = "pan_length"


class PANLuhn(STSError):
    code = "pan_luhn"


class DRNLuhn(STSError):
    code = "drn_luhn"


class KeyLength(STSError):
    code = "key_length"


class AmountRange(STSError):
    code = "amount_range"


class AmountNegative(STSError):
    code = "amount_negative"


class FieldRange(STSError):
    code = "field_range"


class KENExpired(STSError):
    code = "ken_expired"


class NewKENExpired(STSError):
    code = "new_ken_expired"


class DateRange(STSError):
    code = "date_range"


class TokenLength(STSError):
    code = "token_length"


class TokenRange(STSError):
    code = "token_range"


class TablesInvalid(STSError):
    code = "tables_invalid"
