# SPDX-License-Identifier: Apache-2.0
"""The API, version 1: problem+json for every refusal (RFC 9457)."""

from __future__ import annotations

import hashlib
import re
import time

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI, Schema
from ninja.errors import HttpError, ValidationError
from pydantic import Field

from duaarah.clock.queries import now
from duaarah.people.models import APIKey, OperatorKey
from duaarah.vending.models import Channel
from duaarah.vending.operations import Sale, take_notification
from duaarah.vending.operations.notification import NotificationRefused
from duaarah.vending.operations.sts_errors import STSRefused
from duaarah.vending.operations.top_up import TopUpRefused
from duaarah.vending.vendor_models import VendorKey
from duaarah.web.api import customer, sts, vending, vending_statement
from duaarah.web.api.problems import problem
from duaarah.web.api.refusals import record_refused
from duaarah.web.api.signing import SignatureRefused, check_signature
from duaarah.wiring.keystores import key_store, unwrap_channel_secret
from duaarah.wiring.token_sources import OwnKeys

api = NinjaAPI(title="Dua Arah", version="1", docs_url=None, openapi_url="openapi.json", urls_namespace="api-1")

api.add_router("", customer.router)
api.add_router("/sts", sts.router)
api.add_router("/vending", vending.router)
api.add_router("/vending", vending_statement.router)

STATUS = {"meter_unknown": 404, "token_not_for_meter": 422, "token_known": 409, "notification_conflict": 409}
_CHANNEL_CODE = re.compile(r"[0-9A-Za-z._-]{1,20}")


class TokenSold(Schema):
    """A token that an ATM or PPOB sold: `drn`, the 20 digits, the nominal, and the channel's own id of this sale."""

    # [0-9], not \d: the validator's \d takes the digits of every script.
    notification_id: str = Field(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")
    channel: str = Field(max_length=20)
    drn: str = Field(pattern=r"^([0-9]{11}|[0-9]{13})$")
    idpel: str | None = Field(default=None, pattern=r"^[0-9]{12}$")
    token: str = Field(pattern=r"^[0-9]{20}$")
    amount_idr: int = Field(strict=True, gt=0, le=100_000_000)
    energy_wh: int | None = Field(default=None, strict=True, gt=0)
    sold_at: str | None = Field(default=None, max_length=40)
    tid: int | None = Field(default=None, strict=True, ge=0, lt=1 << 24)


class Taken(Schema):
    status: str


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    fields = sorted({str(item["loc"][-1]) for item in error.errors})
    record_refused(_signer(request), "bad_request", _verb(request))
    return problem(400, "bad_request", f"These fields are missing or wrong: {', '.join(fields)}.")


@api.exception_handler(HttpError)
def _unreadable(request: HttpRequest, error: HttpError) -> HttpResponse:
    record_refused(_signer(request), "bad_request", _verb(request))
    return problem(error.status_code, "bad_request", "The body is not JSON.")


@api.exception_handler(RequestDataTooBig)
def _too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    record_refused(_signer(request), "body_too_large", _verb(request))
    return problem(413, "body_too_large", "The body is too large.")


@api.exception_handler(customer.Refused)
def _refused(request: HttpRequest, error: customer.Refused) -> HttpResponse:
    # A refused top-up has left its line already, with the meter and the reference.
    if error.code not in customer.REFUSALS:
        record_refused(_signer(request), error.code, _verb(request))
    return problem(error.status, error.code, str(error))


@api.exception_handler(STSRefused)
def _no_token(request: HttpRequest, error: STSRefused) -> HttpResponse:
    # The verb that refused has left its line.
    more = {"limit": error.limit} if error.limit else {}
    return problem(sts.status_of(error), error.code, str(error), **more)


@api.exception_handler(TopUpRefused)
def _nothing_sold(request: HttpRequest, error: TopUpRefused) -> HttpResponse:
    # The verb that refused has left its line.
    return problem(vending.status_of(error), error.code, str(error))


@api.exception_handler(SignatureRefused)
def _unauthentic(request: HttpRequest, error: SignatureRefused) -> HttpResponse:
    record_refused(_signer(request), error.code, _verb(request))
    return problem(401, error.code, str(error))


def authentic(request: HttpRequest) -> Channel:
    """
    The channel that signed this request, before anything of its body is read.

    Raises:
        SignatureRefused: without saying whether the channel exists.
        RequestDataTooBig: the body is larger than DATA_UPLOAD_MAX_MEMORY_SIZE; nothing of it was read.
    """
    body = request.body
    claimed = _claimed(request)
    channel = Channel.objects.filter(code=claimed, active=True, kind=Channel.Kind.ELSEWHERE).first()
    if channel is None or channel.secret_wrapped is None:
        raise SignatureRefused("The signature does not fit the body.")
    check_signature(
        secret=unwrap_channel_secret(channel.code, bytes(channel.secret_wrapped)),
        timestamp=request.headers.get("X-Duaarah-Timestamp", ""),
        signature=request.headers.get("X-Duaarah-Signature", ""),
        body=body,
        now_s=time.time(),
    )
    return channel


def _claimed(request: HttpRequest) -> str:
    """The channel that the request names, or nothing where that cannot be a channel's code."""
    claimed = request.headers.get("X-Duaarah-Channel", "")
    return claimed if _CHANNEL_CODE.fullmatch(claimed) else ""


def _signer(request: HttpRequest) -> str:
    """Who is refused, for the audit line: the channel or holder that signed, or the name that somebody claimed."""
    known = getattr(request, "auth", None)
    if isinstance(known, APIKey):
        return f"holder:{known.holder_id}"
    if isinstance(known, OperatorKey):
        return f"operatorkey:{known.pk}"
    if isinstance(known, VendorKey):
        return f"vendorkey:{known.pk}"
    return f"channel:{known.code}" if isinstance(known, Channel) else f"claimed:{_claimed(request)}"


def _verb(request: HttpRequest) -> str:
    """What was asked for, by the name of its route."""
    match = request.resolver_match
    return f"api.{match.url_name if match and match.url_name else 'unknown'}"


@api.post("/notifications/tokens", response={202: Taken, 200: Taken}, auth=authentic)
def token_sold(request: HttpRequest, sale: TokenSold) -> tuple[int, dict[str, str]] | HttpResponse:
    """A channel tells that it sold a token; it loads itself. The same notification id may be sent again."""
    channel: Channel = request.auth  # type: ignore[attr-defined]
    if sale.channel != channel.code:
        raise SignatureRefused("The signature is not that of the channel in the body.")
    try:
        _, repeated = take_notification(
            channel=channel,
            sale=Sale(
                notification_id=sale.notification_id,
                digest=hashlib.sha256(request.body).digest(),
                drn=sale.drn,
                idpel=sale.idpel,
                digits=sale.token,
                amount_idr=sale.amount_idr,
            ),
            reader=OwnKeys(key_store()),
            now=now(),
        )
    except NotificationRefused as error:
        return problem(STATUS.get(error.code, 422), error.code, str(error))
    return (200, {"status": "duplicate"}) if repeated else (202, {"status": "accepted"})
