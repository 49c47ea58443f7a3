# SPDX-License-Identifier: Apache-2.0
"""vending's TokenSource, KeyChangeSource and TokenReader over our own keys."""

from __future__ import annotations

import logging

from duaarah.core.sts import (
    KeyConfiguration,
    KeyStore,
    Result,
    STSError,
    UnknownRegister,
    amount_steps,
    decode,
    instant_of,
    issue_electricity_credit,
    issue_key_change,
    issuing_key,
)
from duaarah.keystore import ModuleError
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

LOG = logging.getLogger(__name__)
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
        """
        The token of this request; Refused when the keys or the amount do not allow one, Unknown while the security
        module is away or refuses its PIN: that is for an operator to mend, not a reason to give the money back.
        """
        keys = request.keys
        try:
            at = instant_of(request.tid, keys.base_date)
            key = issuing_key(self._store, keys.register, configuration_of_terms(keys), request.pan, at)
            token = issue_electricity_credit(
                key, energy_wh=request.energy_wh, tid=request.tid, rnd=request.rnd, ken=keys.ken
            )
        except (STSError, UnknownRegister) as error:
            return Refused(error.code, str(error))
        except ModuleError as error:
            LOG.error("no token for now, %s: %s", error.code, error)
            return Unknown(str(error))
        return Issued(digits=token.digits, encoded_wh=token.encoded_wh)

    def change_key(self, request: KeyChangeRequest) -> KeyChangeTokens | Refused | Unknown:
        """Old and new decoder key both come from the store; the proof is a credit of nothing, made like any other credit."""
        old, new = request.old, request.new
        proof = self.obtain(
            TokenRequest(
                request_id=request.request_id,
                pan=request.pan,
                keys=new,
                tid=request.proof_tid,
                rnd=request.proof_rnd,
                energy_wh=0,
            )
        )
        if not isinstance(proof, Issued):
            return proof
        try:
            old_key = self._store.decoder_key(old.register, configuration_of_terms(old), request.pan)
            new_key = self._store.decoder_key(new.register, configuration_of_terms(new), request.pan)
            made = issue_key_change(
                old_key,
                new_key,
                configuration_of_terms(new),
                rollover=request.rollover,
                new_tid_now=request.proof_tid,
            )
        except (STSError, UnknownRegister) as error:
            return Refused(error.code, str(error))
        except ModuleError as error:
            LOG.error("no key change for now, %s: %s", error.code, error)
            return Unknown(str(error))
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
