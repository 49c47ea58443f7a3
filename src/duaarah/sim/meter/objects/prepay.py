# SPDX-License-Identifier: Apache-2.0
"""Prepayment: Account (111), Credit (112), Charge (113), Token gateway (115). Amounts are steps of energy."""

from __future__ import annotations

from duaarah.core.obis import TOKEN_CREDIT, TOKEN_GATEWAY, Obis
from duaarah.core.sts import Entry
from duaarah.sim.meter.meter import SimMeter
from duaarah.sim.meter.models import CREDIT_CLASS, TOKEN_GATEWAY_CLASS
from duaarah.sim.meter.objects.base import Attribute, CosemObject, array, computed, constant, enum, i32, u8, u16, u32
from duaarah.sim.meter.objects.plain import ENERGY_IMPORT, Clock, register
from duaarah.sim.meter.reporting import plan_told
from duaarah.wire.dlms import apdu
from duaarah.wire.dlms.axdr import Data, Tag, octets, structure

ACCOUNT, CHARGE = Obis(0, 0, 19, 0, 0), Obis(0, 0, 19, 20, 0)
EXECUTED, FORMAT_FAILED, AUTHENTICATION_FAILED, VALIDATION_FAILED = 3, 4, 5, 6
_NEVER = octets(bytes.fromhex("ffffffffffffffffff800000"))
_WH = 30


def objects(meter: SimMeter, clock: Clock) -> list[CosemObject]:
    """The four families of this meter, and its maker's own registers where it has them."""
    return [_account(meter), _charge(), *_credit(meter, clock), TokenGateway(meter, clock).cosem(), _plan(meter, clock)]


def _steps(meter: SimMeter, energy_wh: int) -> Data:
    # A fraction of a step is not shown: the display never promises more than the register holds.
    return i32(energy_wh // meter.model.energy_step_wh)


def _threshold(meter: SimMeter, clock: Clock) -> Attribute:
    class_id, obis, number = meter.model.threshold

    def write(value: Data) -> int:
        return meter.write(apdu.SetRequest(0, class_id, obis, number, value), clock.now())

    def read() -> Data:
        return Data(meter.model.threshold_tag, meter.threshold_wh // meter.model.energy_step_wh)

    return Attribute(read, write)


def _credit(meter: SimMeter, clock: Clock) -> list[CosemObject]:
    """Class 112 (token credit), and the retrofit modem's registers instead of it."""
    if meter.model.credit_class != CREDIT_CLASS:
        left = register(meter.model.credit_obis, computed(lambda: _steps(meter, meter.credit_wh)), 0, _WH)
        return [left, register(meter.model.threshold[1], _threshold(meter, clock), 0, _WH)]
    return [
        CosemObject(
            112,
            0,
            TOKEN_CREDIT,
            {
                2: computed(lambda: _steps(meter, meter.credit_wh)),
                3: constant(enum(0)),
                4: constant(u8(1)),
                5: _threshold(meter, clock),
                6: constant(i32(0)),
                7: constant(Data(Tag.BIT_STRING, "00100000")),
                8: computed(lambda: enum(2 if meter.credit_wh else 4)),
                9: constant(i32(0)),
                10: constant(i32(0)),
                11: constant(_NEVER),
            },
        )
    ]


def _plan(meter: SimMeter, clock: Clock) -> CosemObject:
    """The reporting plan, where the maker has it; null-data when the meter has none."""
    class_id, obis, number = meter.model.plan

    def write(value: Data) -> int:
        return meter.write(apdu.SetRequest(0, class_id, obis, number, value), clock.now())

    def read() -> Data:
        if meter.plan is None:
            return Data(Tag.NULL, None)
        return plan_told(meter.plan, as_octets=meter.model.plan_as_octets)

    return CosemObject(class_id, 0, obis, {number: Attribute(read, write)})


def _account(meter: SimMeter) -> CosemObject:
    """Class 111: prepayment, active; what is left and when it warns."""
    names = array([octets(TOKEN_CREDIT.to_octets())])
    return CosemObject(
        111,
        0,
        ACCOUNT,
        {
            2: constant(structure(enum(2), enum(2))),
            3: constant(u8(1)),
            4: computed(lambda: Data(Tag.BIT_STRING, "10000000" if meter.credit_wh else "01000000")),
            5: computed(lambda: _steps(meter, meter.credit_wh)),
            6: constant(i32(0)),
            7: constant(i32(0)),
            8: constant(i32(0)),
            9: constant(names),
            10: constant(array([octets(CHARGE.to_octets())])),
            11: constant(array([])),
            12: constant(array([structure(octets(TOKEN_CREDIT.to_octets()), u8(100))])),
            13: constant(_NEVER),
            14: constant(_NEVER),
            15: constant(structure(Data(Tag.UTF8_STRING, "Wh"), Data(Tag.INTEGER, 0), enum(1))),
            16: computed(lambda: _steps(meter, meter.threshold_wh)),
            17: constant(i32(0)),
            18: constant(u16(0)),
            19: constant(i32(0)),
        },
    )


def _charge() -> CosemObject:
    """Class 113: one step of credit for one step of energy."""
    scaling = structure(Data(Tag.INTEGER, 0), Data(Tag.INTEGER, 0))
    commodity = structure(u16(3), octets(ENERGY_IMPORT.to_octets()), Data(Tag.INTEGER, 2))
    unit = structure(scaling, commodity, array([structure(octets(b""), Data(Tag.LONG, 1))]))
    return CosemObject(
        113,
        0,
        CHARGE,
        {
            2: constant(i32(0)),
            3: constant(enum(0)),
            4: constant(u8(1)),
            5: constant(unit),
            6: constant(unit),
            7: constant(_NEVER),
            8: constant(u32(0)),
            9: constant(Data(Tag.BIT_STRING, "00")),
            10: constant(_NEVER),
            11: constant(i32(0)),
            12: constant(i32(0)),
            13: constant(u16(0)),
        },
    )


class TokenGateway:
    """Class 115: method 1 enters a token; attribute 6 says what became of it (code, the maker's result number)."""

    def __init__(self, meter: SimMeter, clock: Clock) -> None:
        self._meter, self._clock = meter, clock
        self._token, self._at = b"", _NEVER
        self._status = structure(enum(0), Data(Tag.BIT_STRING, ""))

    def enter(self, parameter: Data | None) -> tuple[int, Data | None]:
        """Judge a token as the keypad does. Refused by the decoder: other-reason, and the reason in attribute 6."""
        if parameter is None or parameter.tag is not Tag.OCTET_STRING:
            return apdu.TYPE_UNMATCHED, None
        raw: bytes = parameter.value
        digits = raw.hex() if self._meter.model.bcd_tokens and len(raw) == 10 else raw.decode("latin-1")
        self._token, self._at = raw, self._clock.read()
        if len(digits) != 20 or not (digits.isascii() and digits.isdigit()):
            self._status = structure(enum(FORMAT_FAILED), Data(Tag.BIT_STRING, ""))
            return apdu.TYPE_UNMATCHED, None
        entry = self._meter.enter_token(digits, self._clock.now())
        self._status = self._said(entry)
        return (apdu.SUCCESS if entry.result.value == "accept" else apdu.OTHER_REASON), None

    def _said(self, entry: Entry) -> Data:
        codes = {"accept": EXECUTED, "crc": AUTHENTICATION_FAILED, "ddtk": AUTHENTICATION_FAILED}
        number = self._meter.model.result_number(entry.result.value)
        code = codes.get(entry.result.value, VALIDATION_FAILED)
        return structure(enum(code), Data(Tag.BIT_STRING, format(number, "08b")))

    def cosem(self) -> CosemObject:
        """The object."""
        return CosemObject(
            TOKEN_GATEWAY_CLASS,
            0,
            TOKEN_GATEWAY,
            {
                2: computed(lambda: octets(self._token)),
                3: computed(lambda: self._at),
                4: constant(array([])),
                5: constant(enum(0)),
                6: computed(lambda: self._status),
            },
            {1: self.enter},
        )
