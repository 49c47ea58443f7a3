# SPDX-License-Identifier: Apache-2.0
"""vending's TokenSource, KeyChangeSource and TokenReader over our own keys."""

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
    issue_key_change,
)
from duaarah.vending.ports import (
    Issued,
    KeyChangeRequest,
    KeyChangeTokens,
    KeyTerms,
    Refused,
    TokenFacts,
    TokenNotForMeter,
    TokenRequest,
    Unknown,
)

_WH_PER_STEP = 100
_ELECTRICITY_CREDIT = (0, 0)
_SECTIONS = ("2.3", "2.4", "2.8", "2.9")


def configuration_of_terms(keys: KeyTerms) -> KeyConfiguration:
    """The engine's form of a key configuration. Raises BadRequest."""
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
            key = self._store.decoder_key(request.keys.register, configuration_of_terms(request.keys), request.pan)
            token = issue_electricity_credit(
                key, energy_wh=request.energy_wh, tid=request.tid, rnd=request.rnd, ken=request.keys.ken
            )
        except (STSError, UnknownRegister) as error:
            return Refused(error.code, str(error))
        return Issued(digits=token.digits, encoded_wh=token.encoded_wh)

    def change_key(self, request: KeyChangeRequest) -> KeyChangeTokens | Refused | Unknown:
        """Old and new decoder key both come from the store; the proof is a credit of nothing, made with the new one."""
        old, new = request.old, request.new
        try:
            old_key = self._store.decoder_key(old.register, configuration_of_terms(old), request.pan)
            new_key = self._store.decoder_key(new.register, configuration_of_terms(new), request.pan)
            made = issue_key_change(
                old_key, new_key, configuration_of_terms(new), rollover=request.rollover, new_tid_now=request.proof_tid
            )
            proof = issue_electricity_credit(
                new_key, energy_wh=0, tid=request.proof_tid, rnd=request.proof_rnd, ken=new.ken
            )
        except (STSError, UnknownRegister) as error:
            return Refused(error.code, str(error))
        return KeyChangeTokens(sections=dict(zip(_SECTIONS, made.tokens, strict=False)), proof=proof.digits)

    def read(self, *, digits: str, pan: str, keys: KeyTerms) -> TokenFacts:
        """See vending.ports.TokenReader."""
        try:
            key = self._store.decoder_key(keys.register, configuration_of_terms(keys), pan)
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
