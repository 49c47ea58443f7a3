"""Commands: the exact octets of a token for each kind."""

from __future__ import annotations

import pytest

from duaarah.core.intent import IntentError, LoadCredit, MeterRegister, ReadRegisters, SetLowCreditThreshold
from duaarah.core.units import UnitError
from duaarah.drivers import NotOverSms, encode_command, encode_read, profile, register_value

TOKEN = "29054347139309851356"  # IEC 62055-41's worked example
HEAD = "c30181" + "0073" + "0000132800ff" + "01" + "01"
ASCII = HEAD + "0914" + TOKEN.encode().hex()
BCD = HEAD + "090a" + TOKEN


@pytest.mark.parametrize(
    ("kind", "octets", "length"),
    [("single-phase-modem", ASCII, 35), ("three-phase-modem", BCD, 25), ("three-phase-retrofit", ASCII, 35)],
)
def test_a_token_is_an_unconfirmed_action_on_the_token_gateway(kind: str, octets: str, length: int) -> None:
    plain = encode_command(profile(kind), LoadCredit(TOKEN), 0x11)  # the invoke-id has four bits
    assert plain.hex() == octets
    assert len(plain) == length


@pytest.mark.parametrize(
    ("kind", "octets"),
    [
        ("single-phase-modem", "c1014100700000130a00ff0500" + "0500001388"),
        ("three-phase-modem", "c1014100700000130a00ff0500" + "05000001f4"),  # in steps of 10 Wh
        ("three-phase-retrofit", "c101410003000080130bff0200" + "0600001388"),
    ],
)
def test_a_threshold_is_a_confirmed_set_in_the_meters_own_unit(kind: str, octets: str) -> None:
    assert encode_command(profile(kind), SetLowCreditThreshold(5_000), 0x11).hex() == octets


def test_a_threshold_that_the_meter_cannot_hold_exactly_is_refused() -> None:
    with pytest.raises(UnitError):
        encode_command(profile("three-phase-modem"), SetLowCreditThreshold(5_005), 1)
    with pytest.raises(IntentError):
        SetLowCreditThreshold(0)


def test_a_read_is_refused_over_sms_and_made_for_a_connection() -> None:
    known = profile("three-phase-modem")
    with pytest.raises(NotOverSms) as refused:
        encode_command(known, ReadRegisters((MeterRegister.CREDIT_LEFT_WH,)), 1)
    assert refused.value.code == "not_over_sms"
    assert encode_read(known, MeterRegister.CREDIT_LEFT_WH, 1).hex() == "c001c10070" + "0000130a00ff" + "0200"
    assert register_value(known, MeterRegister.CREDIT_LEFT_WH, 123) == 1230
    assert register_value(known, MeterRegister.TOKEN_ENERGY_WH, 123) == 123
