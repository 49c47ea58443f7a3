# SPDX-License-Identifier: Apache-2.0
"""The API for account holders' programs: read a meter, list its tokens, buy. A key opens its holder's meters only."""

from __future__ import annotations

import datetime as dt

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from duaarah.clock.queries import now
from duaarah.people.keys import holder_of_key
from duaarah.people.models import APIKey
from duaarah.registry.access import meters_of_holder
from duaarah.registry.models import Meter
from duaarah.vending.models import Vend
from duaarah.vending.operations.top_up import TopUpRefused
from duaarah.vending.queries import amount_idr, vend_with_journey, vends_of_meters
from duaarah.web.shared.buying import purchase
from duaarah.web.shared.supply import reading

TOKENS_MAX = 100
METERS_MAX = 500
router = Router(tags=["customer"])


class Refused(Exception):
    """A request that is refused; `status` and `code` are the answer's."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code = status, code


REFUSALS = {"wallet_too_low": 402, "wrong_nominal": 422, "reference_reused": 409, "no_price": 409}


class MeterOut(Schema):
    """A meter as last reported; `balance_wh` and `balance_at` are null until it has."""

    drn: str
    name: str
    idpel: str | None
    balance_wh: int | None
    balance_at: dt.datetime | None
    supply: str = Field(description="nyala, padam, putus (ordered off), habis or diam")
    low: bool
    threshold_wh: int
    days_left: float | None = Field(description="From now on, an estimate; null when nobody can say")
    days_left_low: float | None = Field(description="Four times of five the credit ends between this")
    days_left_high: float | None = Field(description="and this")
    ends_at: dt.datetime | None


class TokenOut(Schema):
    """A purchase and what became of it; `token` is null until it is made."""

    id: int
    state: str = Field(description="PAID, ISSUED, LOADED, REJECTED or REFUNDED")
    amount_idr: int
    energy_wh: int
    token: str | None
    paid_at: dt.datetime
    closed_at: dt.datetime | None


class TopUpIn(Schema):
    """`reference` is yours: sent again with the same content it returns the same purchase."""

    nominal_idr: int = Field(strict=True, gt=0)
    reference: str = Field(min_length=1, max_length=40, pattern=r"^[\x21-\x7e]+$")


def bearer(request: HttpRequest) -> str:
    """What stands behind `Authorization: Bearer`; empty when nothing does, which is nobody's key."""
    scheme, _, plain = request.headers.get("Authorization", "").partition(" ")
    return plain.strip() if scheme.lower() == "bearer" else ""


def api_key(request: HttpRequest) -> APIKey:
    """The living key of `Authorization: Bearer da_...`. Raises Refused (401)."""
    key = holder_of_key(bearer(request))
    if key is None:
        raise Refused(401, "key_refused", "The API key is missing, wrong or revoked.")
    return key


def _key(request: HttpRequest) -> APIKey:
    key: APIKey = request.auth  # type: ignore[attr-defined]
    return key


def _meter(request: HttpRequest, drn: str) -> Meter:
    meter = meters_of_holder(holder_id=_key(request).holder_id).filter(drn=drn).first()
    if meter is None:
        raise Refused(404, "meter_unknown", "There is no meter of this number among yours.")
    return meter


def _meter_out(meter: Meter) -> MeterOut:
    found = reading(meter, now())
    return MeterOut(
        drn=meter.drn,
        name=found.name,
        idpel=meter.customer.idpel if meter.customer else None,
        balance_wh=found.balance_wh,
        balance_at=found.balance_at,
        supply=found.sign,
        low=found.low,
        threshold_wh=meter.low_credit_threshold_wh,
        days_left=found.days.days if found.days else None,
        days_left_low=found.days.low if found.days else None,
        days_left_high=found.days.high if found.days else None,
        ends_at=found.days.ends_at if found.days else None,
    )


def _token_out(vend: Vend) -> TokenOut:
    token = getattr(vend, "token", None)
    return TokenOut(
        id=vend.pk,
        state=vend.state,
        amount_idr=amount_idr(vend),
        energy_wh=vend.encoded_wh or vend.requested_wh,
        token=token.digits if token is not None else None,
        paid_at=vend.paid_at,
        closed_at=vend.closed_at,
    )


@router.get("/meters", response=list[MeterOut], auth=api_key)
def list_meters(request: HttpRequest) -> list[MeterOut]:
    """Your meters (at most 500)."""
    return [_meter_out(m) for m in meters_of_holder(holder_id=_key(request).holder_id)[:METERS_MAX]]


@router.get("/meters/{drn}", response=MeterOut, auth=api_key)
def read_meter(request: HttpRequest, drn: str) -> MeterOut:
    """One meter as last reported."""
    return _meter_out(_meter(request, drn))


@router.get("/meters/{drn}/tokens", response=list[TokenOut], auth=api_key)
def list_tokens(request: HttpRequest, drn: str) -> list[TokenOut]:
    """Its latest tokens, newest first (at most 100)."""
    return [_token_out(v) for v in vends_of_meters([_meter(request, drn).pk], TOKENS_MAX)]


@router.post("/meters/{drn}/top-ups", response={201: TokenOut, 200: TokenOut}, auth=api_key)
def buy(request: HttpRequest, drn: str, order: TopUpIn) -> tuple[int, TokenOut]:
    """Buy credit from your wallet; 201 the first time, 200 when this reference has bought it before."""
    key, meter = _key(request), _meter(request, drn)
    # The holder's references are his own: another's key with the same words buys something else.
    reference = f"api:{key.holder_id}:{order.reference}"
    try:
        outcome = purchase(meter, order.nominal_idr, reference, now())
    except TopUpRefused as error:
        raise Refused(REFUSALS.get(error.code, 409), error.code, str(error)) from error
    return (200 if outcome.repeated else 201), _token_out(vend_with_journey(outcome.vend.pk))
