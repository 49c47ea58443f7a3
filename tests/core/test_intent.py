"""The vocabulary refuses what cannot exist, and keeps digits out of sight."""

from __future__ import annotations

import pytest

from duaarah.core.intent import TOKEN_RESULTS, IntentError, LoadCredit, MeterRegister, ReadRegisters, TokenResult
from duaarah.core.sts import Result


def test_a_token_stays_out_of_the_repr() -> None:
    assert repr(LoadCredit("12345678901234567890")) == "LoadCredit()"


@pytest.mark.parametrize("token", ["", "1234567890123456789", "1234567890123456789x", "١" * 20, " 2345678901234567890"])
def test_other_digits_are_refused(token: str) -> None:
    with pytest.raises(IntentError):
        LoadCredit(token)


def test_a_read_names_each_register_once() -> None:
    with pytest.raises(IntentError):
        ReadRegisters(())
    with pytest.raises(IntentError):
        ReadRegisters((MeterRegister.CREDIT_LEFT_WH, MeterRegister.CREDIT_LEFT_WH))


def test_the_results_are_those_of_the_engine() -> None:
    assert set(TOKEN_RESULTS) == {result.value for result in Result}
    with pytest.raises(IntentError):
        TokenResult(1, "maybe", None, 0, 0)
