# SPDX-License-Identifier: Apache-2.0
"""vending's TokenSource and TokenReader over our own keys."""

from __future__ import annotations

from duaarah.core.sts import (
    KeyConfiguration,
    KeyStore,
    Result,
    STSError,
    UnknownRegister,
    amount_steps,
    decode,
    issue_electricity_credit,
)
from duaarah.vending.ports import (
    Issued,
    KeyTerms,
    Refused,
    TokenFacts,
    TokenNotForMeter,
    TokenRequest,
    Unknown,
)

_WH_PER_STEP = 100
_ELECTRICITY_CREDIT = (0, 0)


def _configuration(keys: KeyTerms) -> KeyConfiguration:
    return KeyConfiguration(
        dkga=keys.dkga,
        ea=keys.ea,
        sgc=keys.sgc,
        ti=keys.ti,
        krn=keys.krn,
        kt=keys.kt,
        ken=keys.ken,
        base_date=keys.base_date,
    )


class OwnKeys:
    """Issues with the registers of a key store. Deterministic, hence idempotent without a memory of its own."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store

    def obtain(self, request: TokenRequest) -> Issued | Refused | Unknown:
        """The token of this request; Refused when the keys or the amount do not allow one."""
        try:
            key = self._store.decoder_key(request.keys.register, _configuration(request.keys), request.pan)
            token = issue_electricity_credit(
                key, energy_wh=request.energy_wh, tid=request.tid, rnd=request.rnd, ken=request.keys.ken
            )
        except (STSError, UnknownRegister) as error:
            return Refused(error.code, str(error))
        return Issued(digits=token.digits, encoded_wh=token.encoded_wh)

    def read(self, *, digits: str, pan: str, keys: KeyTerms) -> TokenFacts:
        """See vending.ports.TokenReader."""
        try:
            key = self._store.decoder_key(keys.register, _configuration(keys), pan)
            decoded = decode(digits, key, kt=keys.kt, ken=keys.ken)
        except (STSError, UnknownRegister) as error:
            raise TokenNotForMeter("These digits are not a token for this meter.") from error
        fields = decoded.fields
        if decoded.result is not Result.ACCEPT or fields is None or fields.kind != _ELECTRICITY_CREDIT:
            raise TokenNotForMeter("These digits are not a credit token for this meter.")
        steps, tid = amount_steps(fields), fields.tid
        if steps is None or tid is None:
            raise TokenNotForMeter("These digits are not a credit token for this meter.")
        return TokenFacts(tid=tid, energy_wh=steps * _WH_PER_STEP)
