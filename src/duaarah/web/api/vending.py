# SPDX-License-Identifier: Apache-2.0
"""
Vending for third parties: a program sells tokens from its channel's deposit, with the semantics of PLN's host.

It answers only the addresses that DUAARAH_VENDING_API names, and nobody where it names none. docs/guides/vending-api.md.
"""

from __future__ import annotations

import datetime as dt
import re
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from ninja import Path, Query, Router

from duaarah.audit import operations as audit
from duaarah.clock.queries import now
from duaarah.registry.access import MeterAmbiguous, MeterUnknown, meter_of_vendor, pairing_of_meter
from duaarah.registry.models import Meter
from duaarah.vending.models import Vend
from duaarah.vending.operations import arrears, obtain_token
from duaarah.vending.operations.policy import WIB
from duaarah.vending.operations.top_up import TopUpRefused, price
from duaarah.vending.operations.vendors import (
    close_unknown,
    replace_token,
    request_free_issue,
    sell,
    vendor_of_key,
)
from duaarah.vending.operations.vendors.messages import message_of, vend_of
from duaarah.vending.operations.vendors.sale import cap_left_wh
from duaarah.vending.vendor_models import VendorKey, VendorMessage
from duaarah.vending.vendor_queries import deposit_sen, sales_of_meter
from duaarah.web.api import vending_words as words
from duaarah.web.api.customer import Refused, bearer
from duaarah.web.api.refusals import record_refused
from duaarah.wiring.keystores import key_store
from duaarah.wiring.token_sources import OwnKeys

REPRINTS_MAX = 10
NOMINAL_SEEN_IDR = 50_000
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
_MESSAGE_ID = re.compile(words.MESSAGE_ID)
_STATUS = {
    "scope_refused": 403,
    "message_unknown": 404,
    "deposit_too_low": 402,
    "wrong_nominal": 422,
    "cap_reached": 422,
    "channel_limit": 422,
    "amount_range": 422,
    "no_person": 422,
}
# What the sum of a refusal of T1 is; the engine's own words are 422.
_CONFLICTS = frozenset(
    {"message_id_reused", "message_closed", "reference_reused", "no_price", "conflict", "pending", "token_still_valid"}
    | {"already_loaded", "already_refunded", "already_replaced", "not_provable", "same_key", "not_same_customer"}
    | {"instalment_taken"}
)
router = Router(tags=["vending"])


def status_of(error: TopUpRefused) -> int:
    """The answer's status; what the engine refuses is 422."""
    return 409 if error.code in _CONFLICTS else _STATUS.get(error.code, 422)


def _is_answered(request: HttpRequest) -> bool:
    if not settings.VENDING_API_PROXY and any(name in request.headers for name in _FORWARDED):
        return False
    try:
        asking = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(asking in network for network in settings.VENDING_API_NETWORKS)


def vendor_key(request: HttpRequest) -> VendorKey:
    """The living key of `Authorization: Bearer dv_...`, from an address that is answered. Raises Refused (404, 401)."""
    if not _is_answered(request):
        raise Refused(404, "not_found", "There is no such address in this API.")
    key = vendor_of_key(bearer(request), now())
    if key is None:
        raise Refused(401, "key_refused", "The vendor's key is missing, wrong or revoked.")
    return key


def key_with(request: HttpRequest, scope: str) -> VendorKey:
    """The request's key. Raises Refused (403) where it has not the scope."""
    key: VendorKey = request.auth  # type: ignore[attr-defined]
    if scope not in key.scopes:
        raise Refused(403, "scope_refused", f"This key has not the scope {scope}.")
    return key


def _meter(drn: str | None, idpel: str | None) -> Meter:
    try:
        return meter_of_vendor(drn=drn, idpel=idpel)
    except MeterUnknown as error:
        raise Refused(404, error.code, "The meter number is not known, or does not belong to this customer.") from error
    except MeterAmbiguous as error:
        raise Refused(409, error.code, "This customer has several meters: name the meter by drn.") from error


def _of_path(message_id: str) -> str:
    if not _MESSAGE_ID.fullmatch(message_id):
        raise Refused(404, "message_unknown", "This message id has asked for nothing.")
    return message_id


def _answer(
    key: VendorKey, message_id: str, *, at: dt.datetime, repeated: bool
) -> tuple[VendorMessage, Vend | None, dict[str, Any]]:
    """A message as it stands now, read anew: whichever of several requests finished it, all say the same."""
    message = message_of(key, message_id)
    assert message is not None
    vend = vend_of(message)
    out = words.sale_out(message, vend, deposit_sen=deposit_sen(key.channel_id), repeated=repeated, now=at)
    return message, vend, out


def _sold(key: VendorKey, message_id: str, *, at: dt.datetime, repeated: bool) -> tuple[int, dict[str, Any]]:
    """201 or 200 with the token, 202 while there is none. Raises Refused (422) when the money went back."""
    _, _, out = _answer(key, message_id, at=at, repeated=repeated)
    if out["status"] == "failed":
        raise Refused(422, "no_token", f"No token could be made ({out['code']}); the money is back in your deposit.")
    if out["status"] in ("pending", "waiting"):
        return 202, out
    return (200 if repeated else 201), out


@router.post(
    "/confirm",
    response=words.ConfirmOut,
    auth=vendor_key,
    openapi_extra={"responses": words.refusals("confirm")},
)
def confirm(request: HttpRequest, given: words.ConfirmIn) -> dict[str, Any]:
    """Who and what a meter is, before money is taken: masked name, tariff, power, what the month still allows."""
    key_with(request, VendorKey.Scope.VEND)
    meter, at = _meter(given.drn, given.idpel), now()
    dues = arrears.due(meter=meter, nominal_idr=NOMINAL_SEEN_IDR, date=at.astimezone(WIB).date(), lock=False)
    return words.confirm_out(
        meter,
        month_left_wh=cap_left_wh(meter, at),
        arrears=bool(dues),
        two_way=pairing_of_meter(meter_id=meter.pk, at=at) is not None,
    )


@router.post("/trial", response=words.TrialOut, auth=vendor_key, openapi_extra={"responses": words.refusals("trial")})
def trial(request: HttpRequest, given: words.TrialIn) -> dict[str, Any]:
    """Every line of what a sale would be now. Nothing is written."""
    key = key_with(request, VendorKey.Scope.VEND)
    meter, at = _meter(given.drn, given.idpel), now()
    try:
        lines = price(meter, given.nominal_idr, at, key.channel)
    except TopUpRefused as error:
        record_refused(f"vendorkey:{key.pk}", error.code, "api.trial")
        raise
    held_sen = deposit_sen(key.channel_id)
    return {
        "drn": meter.drn,
        "energy_wh": lines.energy_wh,
        "lines": words.lines_out(lines, nominal_idr=lines.nominal_idr, admin_idr=lines.admin_idr),
        "two_way": pairing_of_meter(meter_id=meter.pk, at=at) is not None,
        "deposit_sen": held_sen,
        "enough": held_sen >= lines.total_paid_idr * 100 and lines.energy_wh <= cap_left_wh(meter, at),
    }


@router.post(
    "/vend",
    response={201: words.SaleOut, 200: words.SaleOut, 202: words.SaleOut},
    auth=vendor_key,
    openapi_extra={"responses": words.refusals("vend")},
)
def vend(request: HttpRequest, order: words.VendIn) -> tuple[int, dict[str, Any]]:
    """
    Sell a token from your deposit: 201 with the token, 200 when this message id had sold it before, 202 when there is no
    token yet (the money is held: ask by advice, never with a new id).
    """
    key: VendorKey = request.auth  # type: ignore[attr-defined]
    meter, at = _meter(order.drn, order.idpel), now()
    made = sell(
        key=key,
        message_id=order.message_id,
        meter=meter,
        amount_idr=order.nominal_idr,
        token_source=OwnKeys(key_store()),
        now=at,
    )
    return _sold(key, order.message_id, at=at, repeated=made.repeated)


@router.get(
    "/advice/{message_id}",
    response=words.SaleOut,
    auth=vendor_key,
    openapi_extra={"responses": words.refusals("advice")},
)
def look(request: HttpRequest, message_id: Path[str]) -> dict[str, Any]:
    """What became of a message id of yours. Nothing is changed."""
    key, at = key_with(request, VendorKey.Scope.VEND), now()
    if message_of(key, _of_path(message_id)) is None:
        raise Refused(404, "message_unknown", "This message id has asked for nothing.")
    return _answer(key, message_id, at=at, repeated=True)[2]


@router.post(
    "/advice/{message_id}",
    response=words.SaleOut,
    auth=vendor_key,
    openapi_extra={"responses": words.refusals("advice")},
)
def advice(request: HttpRequest, message_id: Path[str]) -> dict[str, Any]:
    """
    What became of a message id, for good: the same token, still pending, or failed with the money back. It never buys.
    An id under which nothing came is closed: a sale that arrives later under it is refused.
    """
    key: VendorKey = request.auth  # type: ignore[attr-defined]
    at = now()
    found = vend_of(close_unknown(key=key, message_id=_of_path(message_id), now=at))
    if found is not None and found.state == Vend.State.PAID:
        # A death may have come before the token: the same request gives the same digits, and nothing is bought.
        obtain_token(vend=found, token_source=OwnKeys(key_store()), now=at)
    return _answer(key, message_id, at=at, repeated=True)[2]


@router.get(
    "/reprint",
    response=list[words.SaleOut],
    auth=vendor_key,
    openapi_extra={"responses": words.refusals("reprint")},
)
def reprint(request: HttpRequest, asked: Query[words.ReprintQuery]) -> list[dict[str, Any]]:
    """Tokens that you sold, again: of one message id, or the last ten of a meter. Others' sales are not shown."""
    key, at, message_id = key_with(request, VendorKey.Scope.VEND), now(), asked.message_id
    if message_id is not None:
        message = message_of(key, message_id)
        if message is None:
            raise Refused(404, "message_unknown", "This message id has asked for nothing.")
        vends = [vend_of(message)]
    else:
        meter = _meter(asked.drn, asked.idpel)
        vends = list(sales_of_meter(channel_id=key.channel_id, meter_id=meter.pk, limit=REPRINTS_MAX))
    found = [one for one in vends if one is not None and getattr(one, "token", None) is not None]
    if message_id is not None and not found:
        raise Refused(404, "no_token", "There is no token under this message id.")
    with transaction.atomic(durable=True):
        audit.record(
            at=at,
            actor=f"vendorkey:{key.pk}",
            verb="vending.reprint",
            subject=f"message:{message_id}" if message_id is not None else f"channel:{key.channel.code}",
            detail={"vends": [one.pk for one in found]},
        )
    held_sen = deposit_sen(key.channel_id)
    answers = []
    for one in found:
        of_it = message_of(key, message_id or (one.payment.reference if one.payment else ""))
        if of_it is not None:
            answers.append(words.sale_out(of_it, one, deposit_sen=held_sen, repeated=True, now=at))
    return answers


@router.post(
    "/free-issue",
    response={202: words.SaleOut, 200: words.SaleOut},
    auth=vendor_key,
    openapi_extra={"responses": words.refusals("free_issue")},
)
def free_issue(request: HttpRequest, order: words.FreeIssueIn) -> tuple[int, dict[str, Any]]:
    """Ask for energy without money. A second person has to agree: 202 until then; send it again, or ask by advice."""
    key: VendorKey = request.auth  # type: ignore[attr-defined]
    at = now()
    _, repeated = request_free_issue(
        key=key,
        message_id=order.message_id,
        meter=_meter(order.drn, order.idpel),
        energy_wh=order.energy_wh,
        reason=order.reason,
        now=at,
    )
    out = _answer(key, order.message_id, at=at, repeated=repeated)[2]
    return (202 if out["status"] in ("waiting", "pending") else 200), out


@router.post(
    "/replacement",
    response={201: words.SaleOut, 200: words.SaleOut, 202: words.SaleOut},
    auth=vendor_key,
    openapi_extra={"responses": words.refusals("replacement")},
)
def replacement(request: HttpRequest, order: words.ReplacementIn) -> tuple[int, dict[str, Any]]:
    """
    Another token in the place of one that its own meter has refused for good: for that meter with another key by now, or
    for another meter of the same customer. No money moves; what cannot be proven dead is not replaced.
    """
    key: VendorKey = request.auth  # type: ignore[attr-defined]
    at, named = now(), order.drn is not None or order.idpel is not None
    made = replace_token(
        key=key,
        message_id=order.message_id,
        replaces=order.replaces,
        meter=_meter(order.drn, order.idpel) if named else None,
        reason=order.reason,
        token_source=OwnKeys(key_store()),
        now=at,
    )
    return _sold(key, order.message_id, at=at, repeated=made.repeated)
