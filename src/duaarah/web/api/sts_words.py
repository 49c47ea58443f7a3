# SPDX-License-Identifier: Apache-2.0
"""The records of the STS interface: what comes in, what goes out, and its refusals for the document."""

from __future__ import annotations

from typing import Any

from ninja import Schema
from pydantic import ConfigDict, Field

from duaarah.core.sts import Decoded, Explanation, amount_steps, drn_of, instant_of
from duaarah.core.sts.fields import KEY_CHANGE, POWER
from duaarah.core.sts.token import is_currency
from duaarah.vending.operations.sts_content import Order
from duaarah.vending.operations.sts_issue import Address, STSToken

MESSAGE_ID = r"^[0-9A-Za-z._:-]{1,64}$"
_UNITS = {(0, 0): "kWh", (0, 1): "m3", (0, 2): "m3", (0, 3): "min", (2, 0): "W", (2, 6): "W"}
_PLACES = {False: 1, True: 5}
_CLASS1_DIGITS = {0: (9, 2), 1: (7, 4), 2: (9, 2)}


class Addressed(Schema):
    """A meter by `drn` or `pan`; one that is not in the registry also needs `register`, `ea` and `ti`."""

    model_config = ConfigDict(extra="forbid")

    # [0-9], not \d: the validator's \d takes the digits of every script.
    drn: str | None = Field(default=None, pattern=r"^([0-9]{11}|[0-9]{13})$")
    pan: str | None = Field(default=None, pattern=r"^[0-9]{18}$")
    register_: str | None = Field(
        default=None, alias="register", min_length=1, max_length=40, description="Key register"
    )
    ea: str | None = Field(default=None, pattern=r"^(07|11)$")
    ti: str | None = Field(default=None, pattern=r"^[0-9]{2}$", description="Tariff index")


class IssueIn(Addressed):
    """One token. Class 0 takes `amount`, class 2 `amount` (power) or `field`, class 1 `control` and `mfr` and no meter."""

    message_id: str = Field(pattern=MESSAGE_ID, description="Yours: sent again it returns the same token")
    token_class: int = Field(alias="class", strict=True, ge=0, le=2)
    subclass: int = Field(strict=True, ge=0, le=15)
    amount: str | None = Field(default=None, max_length=52, description="Decimal: kWh, m3, min, currency or W")
    field: int | None = Field(default=None, strict=True, ge=0, le=65535, description="The 16 bits as they are")
    control: str | None = Field(default=None, max_length=9, description="Hex digits")
    mfr: str | None = Field(default=None, max_length=4, description="Hex digits")

    def order(self) -> Order:
        """The same for vending."""
        return Order(
            message_id=self.message_id,
            token_class=self.token_class,
            subclass=self.subclass,
            amount=self.amount,
            field=self.field,
            control=self.control.lower() if self.control else self.control,
            mfr=self.mfr.lower() if self.mfr else self.mfr,
            **_address(self),
        )


class DecodeIn(Addressed):
    """20 digits and the meter they are for."""

    token: str = Field(pattern=r"^[0-9]{20}$")

    def order(self) -> Order:
        """The meter, for vending."""
        return Order(message_id="", token_class=0, subclass=0, **_address(self))


def _address(given: Addressed) -> dict[str, Any]:
    return {"drn": given.drn, "pan": given.pan, "register": given.register_, "ea": given.ea, "ti": given.ti}


class TokenOut(Schema):
    """A token and all that decided it; `repeated` says that this message id had it made before."""

    message_id: str
    token: str
    token_class: int = Field(alias="class")
    subclass: int
    drn: str | None
    pan: str | None
    register_: str | None = Field(alias="register")
    tid: int | None
    issued_at: str | None = Field(description="The TID's minute, utility-local (WIB)")
    rnd: int | None
    requested: str | None = Field(description="The amount as asked for")
    encoded: str | None = Field(description="What the token says; never less than requested")
    unit: str | None
    repeated: bool


class DecodedOut(Schema):
    """What the meter would make of the token. Parts of a new key are left out."""

    result: str = Field(description="accept, crc, key_expired, ddtk, range or unsupported")
    token_class: int | None = Field(alias="class")
    subclass: int | None
    drn: str
    tid: int | None
    issued_at: str | None
    amount: str | None
    unit: str | None
    fields: dict[str, int | str]


class StepOut(Schema):
    """Bits `first` down to `last` (of the 66-bit token in stages entry and class, else of the 64-bit data block)."""

    stage: str = Field(description="entry, class, cipher, fields, check or verdict")
    name: str
    first: int | None
    last: int | None
    bits: str
    value: str
    meaning: str


class ExplainedOut(Schema):
    """A token bit by bit. `x` stands for bits of a new key."""

    result: str | None
    token_class: int = Field(alias="class")
    subclass: int | None
    kind: str
    drn: str
    steps: list[StepOut]


class RegisterOut(Schema):
    """Public facts of a key register that your key is bound to."""

    register_id: str
    dkga: str
    sgc: str
    krn: int
    kt: int
    ken: int
    base_date: int


class LimitOut(Schema):
    """A limit that applies to you, and what is used of it in the present period; null is no limit."""

    id: int
    register_: str | None = Field(alias="register")
    organisation: str | None
    unit: str | None
    key: int | None
    period: str
    tokens: int
    tokens_max: int | None
    energy_wh: int
    energy_wh_max: int | None
    value: str
    value_max: str | None


def token_out(token: STSToken) -> dict[str, Any]:
    """The fields of TokenOut."""
    row = token.order
    return {
        "message_id": row.message_id,
        "token": token.digits,
        "class": row.token_class,
        "subclass": row.subclass,
        "drn": drn_of(row.pan) if row.pan else None,
        "pan": row.pan or None,
        "register": row.sts_register or None,
        "tid": row.tid,
        "issued_at": _minute(row.tid, row.base_date),
        "rnd": row.rnd,
        "requested": row.requested or None,
        "encoded": row.encoded or None,
        "unit": _UNITS.get((row.token_class, row.subclass)) if row.encoded else None,
        "repeated": token.repeated,
    }


def decoded_out(decoded: Decoded, to: Address) -> dict[str, Any]:
    """The fields of DecodedOut; a key change shows neither its parts of the new key nor anything computed from them."""
    found = decoded.fields
    steps = amount_steps(found) if found is not None else None
    values: dict[str, int | str] = {}
    if found is not None and found.token_class == 1:
        digits = _CLASS1_DIGITS[found.subclass]
        values = {n: f"{found.values[n]:0{d}x}" for n, d in zip(("control", "mfr"), digits, strict=True)}
    elif found is not None:
        values = {name: value for name, value in found.values.items() if not name.startswith("nk")}
    return {
        "result": decoded.result.value,
        "class": found.token_class if found else None,
        "subclass": found.subclass if found else None,
        "drn": drn_of(to.pan),
        "tid": found.tid if found else None,
        "issued_at": _minute(found.tid, to.keys.base_date) if found else None,
        "amount": None if found is None or steps is None else _amount(found.kind, steps),
        "unit": _UNITS.get(found.kind) if found and found.kind not in KEY_CHANGE else None,
        "fields": values,
    }


def explained_out(found: Explanation, to: Address) -> dict[str, Any]:
    """The fields of ExplainedOut."""
    names = ("stage", "name", "first", "last", "bits", "value", "meaning")
    return {
        "result": found.result.value if found.result else None,
        "class": found.token_class,
        "subclass": found.subclass,
        "kind": found.kind,
        "drn": drn_of(to.pan),
        "steps": [{name: getattr(step, name) for name in names} for step in found.steps],
    }


def _minute(tid: int | None, base_date: int | None) -> str | None:
    if tid is None or base_date is None:
        return None
    return instant_of(tid, base_date).isoformat(timespec="minutes")


def _amount(kind: tuple[int, int], steps: int) -> str:
    if kind in POWER:
        return str(steps)
    places = _PLACES[is_currency(*kind)]
    whole, part = divmod(abs(steps), 10**places)
    return f"{'-' if steps < 0 else ''}{whole}.{part:0{places}d}"


PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "urn:duaarah: and the code"},
        "title": {"type": "string", "description": "A stable code"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A sentence that helps"},
        "limit": {"type": "object", "description": "With limit_reached: which limit, of what, its maximum"},
    },
}
_EVERYWHERE = {
    400: "bad_request",
    401: "key_refused",
    403: "scope_refused, register_refused",
    404: "not_found: the interface does not answer this address",
    503: "keys_unavailable: the order stands, send the same message id again",
}
_ADDRESSED = {
    409: "configuration_conflict",
    422: "the engine's word: pan_luhn, drn_luhn, date_range, ken_expired, unknown_register ...",
}
ISSUE_REFUSALS = {
    **_EVERYWHERE,
    403: "scope_refused, register_refused, limit_missing",
    409: "message_id_reused, configuration_conflict, conflict",
    422: "the engine's word: amount_range, amount_negative, field_range, pan_luhn, drn_luhn, ken_expired, unknown_register ...",
    429: "limit_reached: `limit` says which",
}
FETCH_REFUSALS = {**_EVERYWHERE, 404: "message_unknown; not_found: the interface does not answer this address"}
DECODE_REFUSALS = {**_EVERYWHERE, **_ADDRESSED}
READ_REFUSALS = {status: _EVERYWHERE[status] for status in (401, 404, 503)}
BULK_REFUSALS = {400: "bad_request", 401: "key_refused", 404: _EVERYWHERE[404], 413: "too_many_rows, body_too_large"}


def refusals(codes: dict[int, str]) -> dict[str, Any]:
    """An operation's refusals as the OpenAPI document has them."""
    content = {"application/problem+json": {"schema": PROBLEM}}
    return {"responses": {status: {"description": text, "content": content} for status, text in codes.items()}}
