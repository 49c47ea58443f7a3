# SPDX-License-Identifier: Apache-2.0
"""The API, version 1: problem+json for every refusal (RFC 9457)."""

from __future__ import annotations

import hashlib
import time

from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI, Schema
from ninja.errors import ValidationError
from pydantic import Field

from duaarah.clock.queries import now
from duaarah.vending.models import Channel
from duaarah.vending.operations import Sale, take_notification
from duaarah.vending.operations.notification import NotificationRefused
from duaarah.web.api.signing import SignatureRefused, check_signature
from duaarah.wiring.keystores import key_store, unwrap_channel_secret
from duaarah.wiring.token_sources import OwnKeys

api = NinjaAPI(title="Dua Arah", version="1", docs_url=None, openapi_url="openapi.json", urls_namespace="api-1")

STATUS = {"meter_unknown": 404, "token_not_for_meter": 422, "token_known": 409, "notification_conflict": 409}


class TokenSold(Schema):
    """A token that an ATM or PPOB sold: `drn`, the 20 digits, the nominal, and the channel's own id of this sale."""

    notification_id: str = Field(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")
    channel: str = Field(max_length=20)
    drn: str = Field(pattern=r"^(\d{11}|\d{13})$")
    idpel: str | None = Field(default=None, pattern=r"^\d{12}$")
    token: str = Field(pattern=r"^\d{20}$")
    amount_idr: int = Field(gt=0, le=100_000_000)
    energy_wh: int | None = Field(default=None, gt=0)
    sold_at: str | None = Field(default=None, max_length=40)
    tid: int | None = Field(default=None, ge=0, lt=1 << 24)


class Taken(Schema):
    status: str


def problem(status: int, code: str, detail: str) -> HttpResponse:
    """A refusal in the form of RFC 9457."""
    return JsonResponse(
        {"type": f"urn:duaarah:{code}", "title": code, "status": status, "detail": detail},
        status=status,
        content_type="application/problem+json",
    )


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    fields = sorted({str(item["loc"][-1]) for item in error.errors})
    return problem(400, "bad_request", f"These fields are missing or wrong: {', '.join(fields)}.")


@api.post("/notifications/tokens", response={202: Taken, 200: Taken})
def token_sold(request: HttpRequest, sale: TokenSold) -> tuple[int, dict[str, str]] | HttpResponse:
    """A channel tells that it sold a token; it loads itself. The same notification id may be sent again."""
    try:
        channel = _authentic(request, sale.channel)
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
    except SignatureRefused as error:
        return problem(401, error.code, str(error))
    except NotificationRefused as error:
        return problem(STATUS.get(error.code, 422), error.code, str(error))
    return (200, {"status": "duplicate"}) if repeated else (202, {"status": "accepted"})


def _authentic(request: HttpRequest, channel_code: str) -> Channel:
    """The channel that signed this request. Raises SignatureRefused, without saying whether the channel exists."""
    claimed = request.headers.get("X-Duaarah-Channel", "")
    channel = Channel.objects.filter(code=claimed, active=True, kind=Channel.Kind.ELSEWHERE).first()
    if channel is None or channel.secret_wrapped is None or claimed != channel_code:
        record_unauthentic(claimed, "signature_refused")
        raise SignatureRefused("The signature does not fit the body.")
    try:
        check_signature(
            secret=unwrap_channel_secret(channel.code, bytes(channel.secret_wrapped)),
            timestamp=request.headers.get("X-Duaarah-Timestamp", ""),
            signature=request.headers.get("X-Duaarah-Signature", ""),
            body=request.body,
            now_s=time.time(),
        )
    except SignatureRefused as error:
        record_unauthentic(claimed, error.code)
        raise
    return channel


def record_unauthentic(claimed: str, code: str) -> None:
    """Leave an audit line of a request that nobody authentic made."""
    from django.db import transaction

    from duaarah.audit import operations as audit

    with transaction.atomic(durable=True):
        audit.record_refusal(
            at=now(), actor=f"claimed:{claimed[:20]}", verb="api.token_sold", subject="notification", code=code
        )
