# SPDX-License-Identifier: Apache-2.0
"""An order over the STS interface, and what its token will carry: all but TID and random number (IEC 62055-41, 6.2)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from duaarah.core.sts import BadRequest, FieldRange
from duaarah.core.sts.amounts import decode_currency, decode_steps, encode_currency, encode_steps
from duaarah.core.sts.fields import CLEAR_CREDIT, CLEAR_TAMPER, KEY_CHANGE, LAYOUTS, POWER, TRANSFER_CREDIT, pack
from duaarah.core.sts.token import is_currency

_DECIMAL = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,10})?")
_HEX_DIGITS = {0: (9, 2), 1: (7, 4), 2: (9, 2)}
_CREDIT_REGISTERS = (*range(8), 0xFFFF)
_CURRENCY_PLACES = 5
_CREDIT_PLACES = 1
_WH_PER_STEP = 100


@dataclass(frozen=True, kw_only=True)
class Order:
    """
    One token as a caller asks for it. Class 0 takes `amount` (decimal; kWh, m3, min or base currency), power tokens
    `amount` (W) or `field`, other class 2 `field` (16 bits); class 1 takes `control` and `mfr` (hex) and no meter.
    """

    message_id: str
    token_class: int
    subclass: int
    drn: str | None = None
    pan: str | None = None
    register: str | None = None
    ea: str | None = None
    ti: str | None = None
    amount: str | None = None
    field: int | None = None
    control: str | None = None
    mfr: str | None = None

    @property
    def kind(self) -> tuple[int, int]:
        return self.token_class, self.subclass

    def digest(self) -> bytes:
        """SHA-256 of everything that was asked for: the same message id with another digest is another request."""
        asked = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        return hashlib.sha256(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode()).digest()


@dataclass(frozen=True, kw_only=True)
class Content:
    """Field values; the amount as requested and as encoded (texts in the class's unit); what limits count of it."""

    values: dict[str, int]
    requested: str = ""
    encoded: str = ""
    energy_wh: int = 0
    value: Decimal = Decimal(0)


def content_of(order: Order) -> Content:
    """
    What the token of this order carries.

    Raises:
        BadRequest: no such class and subclass, a key change, or fields that this class does not take.
        AmountNegative, AmountRange, FieldRange: the amount or field does not fit.
    """
    if order.kind in KEY_CHANGE:
        raise BadRequest("Key changes are not made here.")
    if order.kind not in LAYOUTS:
        raise BadRequest(f"Class {order.token_class} subclass {order.subclass} is not supported.")
    if order.token_class == 1:
        return _test(order)
    _refuse(order, "control", "mfr")
    if order.kind in TRANSFER_CREDIT:
        _refuse(order, "field")
        return _currency(order) if is_currency(*order.kind) else _credit(order)
    if order.kind in POWER and order.amount is not None:
        _refuse(order, "field")
        return _power(order)
    _refuse(order, "amount")
    return Content(values={"field": _field(order)})


def payload48_of(order: Order, content: Content, *, tid: int | None, rnd: int | None) -> int:
    """The payload as it is sealed. Raises FieldRange."""
    drawn = {name: value for name, value in (("tid", tid), ("rnd", rnd)) if value is not None}
    return pack(order.token_class, order.subclass, {**content.values, **drawn})


def draws_rnd(order: Order) -> bool:
    """Whether this kind of token has a random number."""
    return any(name == "rnd" for name, _ in LAYOUTS[order.kind])


def _refuse(order: Order, *names: str) -> None:
    for name in names:
        if getattr(order, name) is not None:
            raise BadRequest(f"Class {order.token_class} subclass {order.subclass} does not take {name}.")


def _test(order: Order) -> Content:
    _refuse(order, "drn", "pan", "register", "ea", "ti", "amount", "field")
    values = {}
    for name, digits in zip(("control", "mfr"), _HEX_DIGITS[order.subclass], strict=True):
        text = getattr(order, name)
        if text is None or not re.fullmatch(r"[0-9A-Fa-f]{1,12}", text):
            raise BadRequest(f"{name} is missing or not hexadecimal.")
        if len(text) > digits:
            raise FieldRange(f"{name} has {digits} hexadecimal digits.")
        values[name] = int(text, 16)
    return Content(values=values)


def _field(order: Order) -> int:
    field = 0 if order.kind == CLEAR_TAMPER and order.field is None else order.field
    if field is None:
        raise BadRequest("field is missing.")
    if not 0 <= field <= 0xFFFF or (order.kind == CLEAR_TAMPER and field):
        raise FieldRange("field has 16 bits, and is 0 where a tamper condition is cleared.")
    if order.kind == CLEAR_CREDIT and field not in _CREDIT_REGISTERS:
        raise FieldRange("A credit register is 0 to 7, or 65535 for all of them.")
    return field


def _asked(order: Order) -> Fraction:
    # Not Decimal: its arithmetic rounds to 28 digits, and a currency token carries 36.
    if order.amount is None or not _DECIMAL.fullmatch(order.amount):
        raise BadRequest("amount is a decimal number in a string, such as 25.6.")
    return Fraction(order.amount)


def _steps(asked: Fraction, places: int) -> int:
    # Up to the next step: the customer never loses; upwards is towards zero for a negative currency amount.
    return math.ceil(asked * 10**places)


def _text(steps: int, places: int) -> str:
    whole, part = divmod(abs(steps), 10**places)
    return f"{'-' if steps < 0 else ''}{whole}.{part:0{places}d}"


def _credit(order: Order) -> Content:
    field = encode_steps(_steps(_asked(order), _CREDIT_PLACES))
    steps = decode_steps(field)
    return Content(
        values={"field": field},
        requested=order.amount or "",
        encoded=_text(steps, _CREDIT_PLACES),
        energy_wh=steps * _WH_PER_STEP if order.kind == (0, 0) else 0,
    )


def _currency(order: Order) -> Content:
    made = encode_currency(_steps(_asked(order), _CURRENCY_PLACES))
    steps = decode_currency(made.sign_exponent, made.amount)
    return Content(
        values={"se": made.sign_exponent, "field": made.amount},
        requested=order.amount or "",
        encoded=_text(steps, _CURRENCY_PLACES),
        value=Decimal(_text(abs(steps), _CURRENCY_PLACES)),
    )


def _power(order: Order) -> Content:
    asked = _asked(order)
    if asked.denominator != 1:
        raise BadRequest("A power is whole watts.")
    field = encode_steps(int(asked))
    return Content(values={"field": field}, requested=order.amount or "", encoded=str(decode_steps(field)))
