# SPDX-License-Identifier: Apache-2.0
"""The records of `duaarah sts batch`: one request in, one answer out. Pure; a missing random number is passed in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any

from duaarah.core.sts.amounts import encode_currency, encode_steps
from duaarah.core.sts.configuration import KeyConfiguration
from duaarah.core.sts.decode import Result, decode
from duaarah.core.sts.decoder_key import DecoderKey
from duaarah.core.sts.describe import amount_steps, amount_text
from duaarah.core.sts.dkga import check_vending_key, derive
from duaarah.core.sts.errors import BadRequest, FieldRange
from duaarah.core.sts.fields import CLEAR_TAMPER, KEY_CHANGE, POWER, TRANSFER_CREDIT, Fields, pack
from duaarah.core.sts.identifiers import check_pan
from duaarah.core.sts.issue import issue_key_change
from duaarah.core.sts.tid import TID_MAX, check_ken, instant_of, tid_at
from duaarah.core.sts.token import extract_class, is_currency, open_token, parse, seal

Record = Mapping[str, Any]
_HEX = frozenset("0123456789abcdefABCDEF")
_CONFIGURATION_KEYS = ("dkga", "ea", "sgc", "ti", "krn", "kt", "ken", "base_date")
_CLASS1_DIGITS = {0: (9, 2), 1: (7, 4), 2: (9, 2)}
_HEX_FIELDS = {"nkho": 8, "nklo": 8, "nkmo1": 8, "nkmo2": 8, "sgclo": 3, "sgcho": 3}


def answer(record: Any, draw_rnd: Callable[[], int]) -> dict[str, Any]:
    """
    Answer one request.

    Raises:
        STSError: any of the engine's errors; the caller writes its code and sentence in the answer's place.
    """
    if not isinstance(record, dict):
        raise BadRequest("A request is one JSON object.")
    operations = {"issue": _issue, "key_change": _key_change, "decode": _decode}
    operation = record.get("op")
    if operation not in operations:
        raise BadRequest("op is issue, key_change or decode.")
    if operation == "issue":
        return _issue(record, draw_rnd)
    return _key_change(record) if operation == "key_change" else _decode(record)


def _text(record: Record, name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise BadRequest(f"{name} is missing or not a string.")
    return value


def _integer(record: Record, name: str, default: int | None = None) -> int:
    value = record.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadRequest(f"{name} is missing or not an integer.")
    return value


def _hex(text: str, name: str) -> str:
    if not text or any(char not in _HEX for char in text):
        raise BadRequest(f"{name} is not hexadecimal.")
    return text


def _configuration(record: Record) -> tuple[KeyConfiguration, str, bytes]:
    configuration = KeyConfiguration(
        dkga=_text(record, "dkga"),
        ea=_text(record, "ea"),
        sgc=_text(record, "sgc"),
        ti=_text(record, "ti"),
        krn=_integer(record, "krn"),
        kt=_integer(record, "kt"),
        ken=_integer(record, "ken"),
        base_date=_integer(record, "base_date"),
    )
    key_hex = _hex(_text(record, "vending_key"), "vending_key")
    # An odd number of digits is a key of the wrong length, said by the same error.
    vending_key = bytes.fromhex(key_hex) if len(key_hex) % 2 == 0 else b""
    check_vending_key(vending_key, configuration.dkga)
    return configuration, check_pan(_text(record, "pan")), vending_key


def _key(record: Record) -> tuple[KeyConfiguration, DecoderKey]:
    configuration, pan, vending_key = _configuration(record)
    return configuration, DecoderKey(configuration.ea, derive(vending_key, configuration, pan))


def _issued_at(record: Record) -> dt.datetime:
    text = _text(record, "issued_at")
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest("issued_at is a time such as 2026-07-11T00:30.") from None
    if at.tzinfo is not None or len(text) < len("2026-07-11T00:30"):
        raise BadRequest("issued_at is naive utility-local time to the minute, without an offset.")
    return at


def _tid(record: Record, configuration: KeyConfiguration) -> int:
    if "tid" in record:
        tid = _integer(record, "tid")
        if not 0 <= tid <= TID_MAX:
            raise FieldRange("A TID has 24 bits.")
        return tid
    return tid_at(_issued_at(record), configuration.base_date)


def _issue(record: Record, draw_rnd: Callable[[], int]) -> dict[str, Any]:
    if "payload48" in record:
        return _issue_raw(record)
    token_class, subclass = _integer(record, "class"), _integer(record, "subclass")
    if token_class == 1:
        return {"token": seal(1, _class1_payload(record, subclass), None), "tid": None}
    if token_class not in (0, 2) or (token_class, subclass) in KEY_CHANGE:
        raise BadRequest("class is 0, 1 or 2; key changes are made by op key_change.")
    configuration, key = _key(record)
    values = _amount(record, token_class, subclass, draw_rnd)
    values["tid"] = tid = _tid(record, configuration)
    payload = pack(token_class, subclass, values)
    check_ken(tid, configuration.ken)
    return {"token": seal(token_class, payload, key), "tid": tid}


def _issue_raw(record: Record) -> dict[str, Any]:
    text = _hex(_text(record, "payload48"), "payload48")
    if len(text) != 12:
        raise BadRequest("payload48 is 12 hexadecimal digits.")
    if _integer(record, "class", 2) != 2:
        raise BadRequest("A whole payload is of class 2.")
    _, key = _key(record)
    return {"token": seal(2, int(text, 16), key), "tid": None}


def _class1_payload(record: Record, subclass: int) -> int:
    if subclass not in _CLASS1_DIGITS:
        raise BadRequest(f"Class 1 subclass {subclass} is not supported.")
    values = {}
    for name, digits in zip(("control", "mfr"), _CLASS1_DIGITS[subclass], strict=True):
        text = _hex(_text(record, name), name)
        if len(text) > digits:
            raise FieldRange(f"{name} has {digits} hexadecimal digits.")
        values[name] = int(text, 16)
    return pack(1, subclass, values)


def _amount(record: Record, token_class: int, subclass: int, draw_rnd: Callable[[], int]) -> dict[str, int]:
    kind = token_class, subclass
    currency = is_currency(*kind)
    if "field" in record and "amount" in record:
        raise BadRequest("Give field or amount, not both.")
    if "amount" in record:
        if kind not in TRANSFER_CREDIT and kind not in POWER:
            raise BadRequest(f"Class {token_class} subclass {subclass} takes field, not amount.")
        steps = _steps(_text(record, "amount"), kind, currency)
        if currency:
            encoded = encode_currency(steps)
            return {"se": encoded.sign_exponent, "field": encoded.amount}
        return {"rnd": _rnd(record, draw_rnd), "field": encode_steps(steps)}
    field = _integer(record, "field", 0 if kind == CLEAR_TAMPER else None)
    if not 0 <= field <= 0xFFFF:
        raise FieldRange("field has 16 bits.")
    if currency:
        return {"se": _integer(record, "se"), "field": field}
    return {"rnd": _rnd(record, draw_rnd), "field": field}


def _rnd(record: Record, draw_rnd: Callable[[], int]) -> int:
    return _integer(record, "rnd") if record.get("rnd") is not None else draw_rnd()


def _steps(text: str, kind: tuple[int, int], currency: bool) -> int:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise BadRequest("amount is a decimal number in a string.") from None
    if not amount.is_finite() or len(text) > 60 or abs(amount.adjusted()) > 60:
        raise BadRequest("amount is a finite decimal number of reasonable length.")
    if kind in POWER and amount != amount.to_integral_value():
        raise BadRequest("A power is whole watts.")
    per_unit = 1 if kind in POWER else 100_000 if currency else 10
    # Up to the next step: the customer never loses; upwards is towards zero for a negative currency amount.
    return int((amount * per_unit).to_integral_value(ROUND_CEILING))


def _key_change(record: Record) -> dict[str, Any]:
    changes = record.get("new")
    if not isinstance(changes, dict):
        raise BadRequest("new is an object with what changes.")
    old_configuration, old_key = _key(record)
    inherited = {name: record.get(name) for name in (*_CONFIGURATION_KEYS, "vending_key", "pan")}
    new_configuration, new_key = _key({**inherited, **changes})
    rollover = _integer(record, "ro", int(new_configuration.base_date != old_configuration.base_date))
    if rollover not in (0, 1):
        raise FieldRange("ro is 0 or 1.")
    now = tid_at(_issued_at(record), new_configuration.base_date) if "issued_at" in record else None
    made = issue_key_change(old_key, new_key, new_configuration, rollover=bool(rollover), new_tid_now=now)
    return {
        "tokens": list(made.tokens),
        "decoder_key_old": old_key.octets.hex(),
        "decoder_key_new": new_key.octets.hex(),
    }


def _decode(record: Record) -> dict[str, Any]:
    token = _text(record, "token")
    token_class, _ = extract_class(parse(token))
    if token_class == 1:
        decoded = decode(token, None)
        return _described(decoded.result, decoded.fields, 2014)
    if token_class == 3:
        return {"result": Result.UNSUPPORTED.value}
    configuration, key = _key(record)
    store = record.get("tid_store")
    if store is not None and (not isinstance(store, list) or any(type(tid) is not int for tid in store)):
        raise BadRequest("tid_store is a list of integers.")
    decoded = decode(
        token,
        key,
        kt=configuration.kt,
        ken=configuration.ken,
        tid_store=store,
        oldest_tid=min(store) if store else None,
    )
    if decoded.fields is None and decoded.result is Result.UNSUPPORTED:
        opened = open_token(token, key)
        return {"result": decoded.result.value, "class": opened.token_class, "subclass": opened.subclass}
    return _described(decoded.result, decoded.fields, configuration.base_date)


def _described(result: Result, fields: Fields | None, base_date: int) -> dict[str, Any]:
    if fields is None:
        return {"result": result.value}
    described: dict[str, Any] = {
        "result": result.value,
        "class": fields.token_class,
        "subclass": fields.subclass,
    }
    if fields.token_class == 1:
        digits = _CLASS1_DIGITS[fields.subclass]
        for name, width in zip(("control", "mfr"), digits, strict=True):
            described[name] = f"{fields.values[name]:0{width}x}"
        return described
    if fields.kind in KEY_CHANGE:
        for name, value in fields.values.items():
            described[name] = f"{value:0{_HEX_FIELDS[name]}x}" if name in _HEX_FIELDS else value
        if "ti" in described:
            described["ti"] = f"{fields.values['ti']:02d}"
        return described
    lead = "se" if "se" in fields.values else "rnd"
    described[lead] = fields.values[lead]
    described["tid"] = fields.values["tid"]
    described["issued_at"] = instant_of(fields.values["tid"], base_date).isoformat(timespec="minutes")
    described["field"] = fields.values["field"]
    described["amount"] = amount_text(fields)
    described["steps"] = amount_steps(fields)
    return described
