# SPDX-License-Identifier: Apache-2.0
"""The records of vending for third parties: what comes in, what goes out, and its refusals for the document."""

from __future__ import annotations

import datetime as dt
from typing import Any

from ninja import Schema
from pydantic import ConfigDict, Field

from duaarah.registry.models import Meter
from duaarah.vending.models import Vend
from duaarah.vending.vendor_models import FreeIssue, VendorMessage
from duaarah.web.api.sts_words import PROBLEM

MESSAGE_ID = r"^[0-9A-Za-z._-]{1,40}$"
# [0-9], not \d: the validator's \d takes the digits of every script.
DRN = r"^([0-9]{11}|[0-9]{13})$"
IDPEL = r"^[0-9]{12}$"
NAME_SHOWN = 2
LINES_MAX = 500
_VEND: dict[str, Any] = {"message_id": "till3-000123", "drn": "99000000010", "nominal_idr": 100_000}
_FREE_ISSUE: dict[str, Any] = {
    "message_id": "till3-000125",
    "drn": "99000000010",
    "energy_wh": 10_000,
    "reason": "Two days off",
}
_REPLACEMENT: dict[str, Any] = {
    "message_id": "till3-000126",
    "replaces": "till3-000123",
    "reason": "Its meter cannot read it",
}
_RESULTS = {
    Vend.State.PAID: "pending",
    Vend.State.ISSUED: "sold",
    Vend.State.LOADED: "sold",
    Vend.State.REJECTED: "sold",
    Vend.State.REFUNDED: "failed",
}
_METER_SAYS = {Vend.State.LOADED: "loaded", Vend.State.REJECTED: "refused", Vend.State.ISSUED: "waiting"}


class Named(Schema):
    """A meter by `drn`, or by `idpel` where the customer has one meter only; both have to fit."""

    model_config = ConfigDict(extra="forbid")

    drn: str | None = Field(default=None, pattern=DRN, description="Meter number")
    idpel: str | None = Field(default=None, pattern=IDPEL, description="PLN's customer id")


class ConfirmIn(Named):
    """Which meter."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"idpel": "535110000001"}})


class TrialIn(Named):
    """Which meter, and the nominal in rupiah."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"drn": "99000000010", "nominal_idr": 100_000}}
    )

    nominal_idr: int = Field(strict=True, gt=0, le=100_000_000)


class VendIn(TrialIn):
    """A sale. The fee of your channel comes on top of the nominal."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": _VEND},
    )

    message_id: str = Field(pattern=MESSAGE_ID, description="Yours: sent again it is the same sale")


class FreeIssueIn(Named):
    """Energy to be given without money. A second person has to agree."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _FREE_ISSUE})

    message_id: str = Field(pattern=MESSAGE_ID)
    energy_wh: int = Field(strict=True, gt=0, le=1_000_000_000, description="A multiple of 100")
    reason: str = Field(min_length=3, max_length=200)


class ReplacementIn(Named):
    """Another token in the place of one that its meter can never take; `drn` or `idpel` name the new meter, if it is one."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _REPLACEMENT})

    message_id: str = Field(pattern=MESSAGE_ID)
    replaces: str = Field(pattern=MESSAGE_ID, description="The message id of the sale")
    reason: str = Field(min_length=3, max_length=200)


class ReprintQuery(Schema):
    """A message id, or a meter."""

    message_id: str | None = Field(default=None, pattern=MESSAGE_ID)
    drn: str | None = Field(default=None, pattern=DRN)
    idpel: str | None = Field(default=None, pattern=IDPEL)


class StatementQuery(Schema):
    """Days in WIB, both within; `after` is the `next` of the part before."""

    from_date: dt.date = Field(alias="from")
    to_date: dt.date = Field(alias="to")
    after: str = Field(default="", max_length=80)
    limit: int = Field(default=100, ge=1, le=LINES_MAX)


class ConfirmOut(Schema):
    """The meter, before money is taken."""

    drn: str
    idpel: str | None
    name: str | None = Field(description="Masked")
    tariff: str
    contracted_va: int
    month_left_wh: int = Field(description="What may still be bought this month: 720 hours less what was bought")
    arrears: bool = Field(description="An instalment is taken with the next sale; `trial` says how much")
    two_way: bool = Field(description="A token loads itself")


class LinesOut(Schema):
    """Every line of a price; `_sen` is 1/100 rupiah. stroom + ppj + ppn + stamp + instalment = the nominal."""

    nominal_idr: int
    admin_idr: int
    total_idr: int = Field(description="What your deposit pays: the nominal and the fee")
    rate_idr_per_kwh: str
    stroom_sen: int
    ppj_sen: int
    ppn_sen: int
    stamp_sen: int
    instalment_sen: int
    rounding_sen: int = Field(description="What the rounding of energy to 0.1 kWh is worth; in no line")


class TrialOut(Schema):
    """What a sale would be now. Nothing was written."""

    drn: str
    energy_wh: int
    lines: LinesOut
    two_way: bool
    deposit_sen: int
    enough: bool = Field(description="Whether your deposit and the month's limit allow it now")


class SaleOut(Schema):
    """A sale, a free issue or a replacement, and what became of it."""

    message_id: str
    kind: str = Field(description="vend, free_issue, replacement or closed")
    status: str = Field(
        description="sold, pending (the money is held: ask by advice), waiting (for a second person) or failed"
    )
    drn: str | None
    token: str | None = Field(description="The 20 digits")
    energy_wh: int | None
    lines: LinesOut | None
    loads_itself: bool = Field(description="The token is on its way to the meter by itself")
    meter_says: str | None = Field(description="waiting, loaded or refused; null for a meter that does not talk")
    code: str | None = Field(description="Why it failed")
    replaces: str | None = Field(description="The message id of the token that this one stands for")
    replaced_by: str | None
    paid_at: dt.datetime | None
    deposit_sen: int
    repeated: bool


class LineOut(Schema):
    """A booking on your deposit; what comes in is positive."""

    at: dt.datetime
    kind: str = Field(description="DEPOSIT_FILLED, PAYMENT_TAKEN, REFUND ...")
    reference: str = Field(description="Your message id, or the reference of the deposit")
    drn: str | None
    nominal_idr: int | None
    admin_idr: int | None
    commission_idr: int | None = Field(description="Yours, of the fee")
    energy_wh: int | None
    amount_sen: int
    balance_sen: int


class StatementOut(Schema):
    """Your deposit over days (WIB). opening + the sum of all lines = closing; `next` is the cursor of the next part."""

    from_date: dt.date = Field(alias="from")
    to_date: dt.date = Field(alias="to")
    opening_sen: int
    closing_sen: int
    lines: list[LineOut]
    next: str | None


def masked(name: str) -> str:
    """A name as a counter may show it: the first two letters of each word."""
    return " ".join(word[:NAME_SHOWN] + "*" * max(len(word) - NAME_SHOWN, 0) for word in name.split())


def lines_out(lines: Any, *, nominal_idr: int, admin_idr: int) -> dict[str, Any]:
    """The fields of LinesOut from a quote, stored or fresh."""
    names = ("stroom_sen", "ppj_sen", "ppn_sen", "stamp_sen", "instalment_sen", "rounding_sen")
    return {
        "nominal_idr": nominal_idr,
        "admin_idr": admin_idr,
        "total_idr": nominal_idr + admin_idr,
        "rate_idr_per_kwh": f"{lines.rate_idr_per_kwh:.2f}",
        **{name: getattr(lines, name) for name in names},
    }


def sale_out(
    message: VendorMessage, vend: Vend | None, *, deposit_sen: int, repeated: bool, now: dt.datetime
) -> dict[str, Any]:
    """The fields of SaleOut; `vend` with its token, quote and meter."""
    out = {
        "message_id": message.message_id,
        "kind": message.kind.lower(),
        "status": "failed",
        "drn": None,
        "token": None,
        "energy_wh": None,
        "lines": None,
        "loads_itself": False,
        "meter_says": None,
        "code": "nothing_sold" if message.kind == VendorMessage.Kind.CLOSED else None,
        "replaces": _replaces(message),
        "replaced_by": None,
        "paid_at": None,
        "deposit_sen": deposit_sen,
        "repeated": repeated,
    }
    if message.kind == VendorMessage.Kind.FREE_ISSUE:
        out |= _free_issue(message.free_issue, now)
    return out if vend is None else out | _vend_out(vend)


def _vend_out(vend: Vend) -> dict[str, Any]:
    token, paid = getattr(vend, "token", None), vend.payment
    assert paid is not None
    replacement = getattr(vend, "replacement", None)
    return {
        "status": _RESULTS[Vend.State(vend.state)],
        "drn": vend.drn,
        "token": token.digits if token is not None else None,
        "energy_wh": vend.encoded_wh or vend.requested_wh,
        "lines": lines_out(paid.quote, nominal_idr=paid.amount_idr, admin_idr=paid.admin_idr),
        "loads_itself": vend.command_id is not None,
        "meter_says": _METER_SAYS.get(Vend.State(vend.state)) if vend.command_id is not None else None,
        "code": vend.result if vend.state in (Vend.State.REFUNDED, Vend.State.REJECTED) else None,
        "replaced_by": replacement.message.message_id if replacement is not None else None,
        "paid_at": vend.paid_at,
    }


def _free_issue(row: FreeIssue, now: dt.datetime) -> dict[str, Any]:
    status, code = "waiting", None
    if row.state == FreeIssue.State.FAILED:
        status, code = "failed", row.result
    elif row.state in (FreeIssue.State.AGREED, FreeIssue.State.MADE):
        status = "pending"
    elif row.approval is not None and row.approval.state == "REFUSED":
        status, code = "failed", "approval_refused"
    elif row.approval is not None and row.approval.expires_at <= now:
        status, code = "failed", "approval_expired"
    return {"status": status, "code": code, "drn": row.meter.drn, "energy_wh": row.energy_wh}


def _replaces(message: VendorMessage) -> str | None:
    if message.kind != VendorMessage.Kind.REPLACEMENT:
        return None
    paid = message.replacement.old.payment
    return paid.reference if paid is not None else None


def confirm_out(meter: Meter, *, month_left_wh: int, arrears: bool, two_way: bool) -> dict[str, Any]:
    """The fields of ConfirmOut."""
    customer = meter.customer
    return {
        "drn": meter.drn,
        "idpel": customer.idpel if customer else None,
        "name": masked(customer.name) if customer else None,
        "tariff": meter.tariff_group,
        "contracted_va": meter.contracted_va,
        "month_left_wh": month_left_wh,
        "arrears": arrears,
        "two_way": two_way,
    }


_EVERYWHERE = {
    400: "bad_request",
    401: "key_refused",
    403: "scope_refused",
    404: "meter_unknown; not_found: the interface does not answer this address",
}
_PRICED = {409: "no_price", 422: "wrong_nominal, channel_limit"}
REFUSALS: dict[str, dict[int, str]] = {
    "confirm": {**_EVERYWHERE, 409: "meter_ambiguous: name the meter by drn"},
    "trial": {**_EVERYWHERE, **_PRICED},
    "vend": {
        **_EVERYWHERE,
        402: "deposit_too_low",
        409: "message_id_reused, message_closed, no_price",
        413: "body_too_large",
        422: "wrong_nominal, cap_reached, channel_limit; no_token: none could be made, the money is back",
    },
    "advice": {**_EVERYWHERE, 404: "message_unknown"},
    "reprint": {**_EVERYWHERE, 404: "message_unknown, meter_unknown, no_token"},
    "free_issue": {
        **_EVERYWHERE,
        409: "message_id_reused, message_closed, no_price",
        422: "amount_range, no_person",
    },
    "replacement": {
        **_EVERYWHERE,
        404: "message_unknown, meter_unknown",
        409: "message_id_reused, pending, token_still_valid, already_loaded, already_refunded, already_replaced,"
        " not_provable, same_key, not_same_customer, instalment_taken, conflict",
    },
    "statement": {401: "key_refused", 403: "scope_refused", 400: "bad_request", 404: "not_found"},
}


def refusals(of: str) -> dict[int, dict[str, Any]]:
    """An operation's refusals as the OpenAPI document has them, with one as an example."""
    found: dict[int, dict[str, Any]] = {}
    for status, text in sorted(REFUSALS[of].items()):
        code = text.partition(",")[0].partition(":")[0].partition(";")[0]
        example = {"type": f"urn:duaarah:{code}", "title": code, "status": status, "detail": "A sentence that helps."}
        content = {"application/problem+json": {"schema": PROBLEM, "example": example}}
        found[status] = {"description": text, "content": content}
    return found
