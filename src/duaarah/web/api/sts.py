# SPDX-License-Identifier: Apache-2.0
"""
The STS interface: tokens for authorised callers of a local network, within limits, once for each message id.

It answers only the addresses that DUAARAH_STS_API names, and nobody where it names none. docs/guides/sts-api.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Path, Router
from pydantic import ValidationError

from duaarah.clock.queries import now
from duaarah.people.models import OperatorKey
from duaarah.people.operator_keys import operator_of_key
from duaarah.vending.operations.sts_errors import STSRefused
from duaarah.vending.operations.sts_issue import decode_sts, explain_sts, fetch_sts, issue_sts
from duaarah.vending.operations.sts_limits import applying, named, used
from duaarah.vending.sts_ports import MachineAway
from duaarah.web.api import sts_words as words
from duaarah.web.api.customer import Refused, bearer
from duaarah.web.api.refusals import record_refused
from duaarah.wiring.keystores import key_store
from duaarah.wiring.token_machine import OwnMachine

ROWS_MAX = 200
NDJSON = "application/x-ndjson"
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
_STATUS = {
    "bad_request": 400,
    "scope_refused": 403,
    "register_refused": 403,
    "limit_missing": 403,
    "message_unknown": 404,
    "message_id_reused": 409,
    "configuration_conflict": 409,
    "conflict": 409,
    "limit_reached": 429,
    "keys_unavailable": 503,
}
router = Router(tags=["sts"])
machine = OwnMachine(lambda: key_store())


def status_of(error: STSRefused) -> int:
    """The answer's status; what the engine refuses is 422."""
    return _STATUS.get(error.code, 422)


def _is_local(request: HttpRequest) -> bool:
    # Behind a proxy every request would seem to come from near by; who really asks is then not known.
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        asking = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(asking in network for network in settings.STS_API_NETWORKS)


def operator_key(request: HttpRequest) -> OperatorKey:
    """The living key of `Authorization: Bearer do_...`, from an address that is answered. Raises Refused (404, 401)."""
    if not _is_local(request):
        raise Refused(404, "not_found", "There is no such address in this API.")
    key = operator_of_key(bearer(request))
    if key is None:
        raise Refused(401, "key_refused", "The operator's key is missing, wrong or revoked.")
    return key


def _key(request: HttpRequest) -> OperatorKey:
    key: OperatorKey = request.auth  # type: ignore[attr-defined]
    return key


@router.post(
    "/issue",
    response={201: words.TokenOut, 200: words.TokenOut},
    auth=operator_key,
    by_alias=True,
    openapi_extra=words.refusals(words.ISSUE_REFUSALS),
)
def issue(request: HttpRequest, order: words.IssueIn) -> tuple[int, dict[str, Any]]:
    """One token: credit (class 0), meter test (class 1), setting (class 2); 200 when this message id had it made before."""
    made = issue_sts(key=_key(request), order=order.order(), machine=machine, now=now())
    return (200 if made.repeated else 201), words.token_out(made)


@router.post(
    "/issue/bulk",
    response={200: list[words.TokenOut]},
    auth=operator_key,
    openapi_extra={
        **words.refusals(words.BULK_REFUSALS),
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/IssueIn"}}},
                NDJSON: {"schema": {"type": "string", "description": "One order a line"}},
            },
        },
    },
)
def issue_bulk(request: HttpRequest) -> HttpResponse:
    """
    Up to 200 orders (64 KiB): an array, or JSON lines (application/x-ndjson). Each row has its own answer, in order:
    a token with `status`, or `error`, `message` and `status` in its place. The whole may be sent again.
    """
    lines = request.content_type == NDJSON
    rows = _rows(request.body, lines)
    if len(rows) > ROWS_MAX:
        raise Refused(413, "too_many_rows", f"At most {ROWS_MAX} rows are taken at once. Nothing was made.")
    answers = [_row(_key(request), row) for row in rows]
    if lines:
        return HttpResponse("".join(json.dumps(one) + "\n" for one in answers), content_type=NDJSON)
    return HttpResponse(json.dumps(answers), content_type="application/json")


@router.get(
    "/tokens/{message_id}",
    response=words.TokenOut,
    auth=operator_key,
    by_alias=True,
    openapi_extra=words.refusals(words.FETCH_REFUSALS),
)
def fetch(request: HttpRequest, message_id: Path[str]) -> dict[str, Any]:
    """The token of an earlier message id of yours."""
    if not re.fullmatch(words.MESSAGE_ID, message_id):
        raise Refused(404, "message_unknown", "This message id has ordered nothing.")
    return words.token_out(fetch_sts(key=_key(request), message_id=message_id, machine=machine, now=now()))


@router.post(
    "/decode",
    response=words.DecodedOut,
    auth=operator_key,
    by_alias=True,
    openapi_extra=words.refusals(words.DECODE_REFUSALS),
)
def decode(request: HttpRequest, given: words.DecodeIn) -> dict[str, Any]:
    """What the meter would make of a token. A token it would refuse is a result, not a refusal."""
    decoded, to = decode_sts(key=_key(request), order=given.order(), digits=given.token, machine=machine, now=now())
    return words.decoded_out(decoded, to)


@router.post(
    "/explain",
    response=words.ExplainedOut,
    auth=operator_key,
    by_alias=True,
    openapi_extra=words.refusals(words.DECODE_REFUSALS),
)
def explain(request: HttpRequest, given: words.DecodeIn) -> dict[str, Any]:
    """A token bit by bit, as the meter reads it, in words for a person. The parts of a new key stay hidden."""
    found, to = explain_sts(key=_key(request), order=given.order(), digits=given.token, machine=machine, now=now())
    return words.explained_out(found, to)


@router.get(
    "/registers",
    response=list[words.RegisterOut],
    auth=operator_key,
    openapi_extra=words.refusals(words.READ_REFUSALS),
)
def registers(request: HttpRequest) -> list[Any]:
    """The key registers that your key is bound to: public facts, never a key."""
    try:
        return [one for one in machine.registers() if one.register_id in _key(request).registers]
    except MachineAway as error:
        raise Refused(503, error.code, str(error)) from error


@router.get(
    "/limits",
    response=list[words.LimitOut],
    auth=operator_key,
    by_alias=True,
    openapi_extra=words.refusals({status: words.READ_REFUSALS[status] for status in (401, 404)}),
)
def limits(request: HttpRequest) -> list[dict[str, Any]]:
    """The limits that apply to you, and what is used of them."""
    return [_limit(limit) for limit in applying(key=_key(request), registers=_key(request).registers)]


def _limit(limit: Any) -> dict[str, Any]:
    usage = used(limit, now())
    return {
        "id": limit.pk,
        **named(limit),
        "tokens": usage.tokens,
        "tokens_max": limit.tokens_max,
        "energy_wh": usage.energy_wh,
        "energy_wh_max": limit.energy_wh_max,
        "value": str(usage.value),
        "value_max": None if limit.value_max is None else str(limit.value_max),
    }


def _rows(body: bytes, lines: bool) -> list[Any]:
    """The orders as they stand; a line that is not JSON is None. Raises Refused (400) where the whole is no array."""
    if lines:
        return [_json(line) for line in body.splitlines() if line.strip()]
    rows = _json(body)
    if not isinstance(rows, list):
        raise Refused(400, "bad_request", "The body is an array of orders, or JSON lines as application/x-ndjson.")
    return rows


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _row(key: OperatorKey, row: Any) -> dict[str, Any]:
    """One row's answer. Every row is an order of its own: what comes before or after does not change it."""
    message_id = row.get("message_id") if isinstance(row, dict) else None
    try:
        order = words.IssueIn.model_validate(row).order()
        made = issue_sts(key=key, order=order, machine=machine, now=now())
    except ValidationError as error:
        record_refused(f"operatorkey:{key.pk}", "bad_request", "api.issue_bulk")
        return _error(message_id, 400, "bad_request", f"These fields are missing or wrong: {_fields(error)}.")
    except STSRefused as error:
        answer = _error(message_id, status_of(error), error.code, str(error))
        return {**answer, "limit": error.limit} if error.limit else answer
    return {"status": 200 if made.repeated else 201, **words.token_out(made)}


def _fields(error: ValidationError) -> str:
    places: Iterable[str] = {str(item["loc"][0]) for item in error.errors() if item["loc"]}
    return ", ".join(sorted(place[:40] for place in places)) or "the whole row"


def _error(message_id: Any, status: int, code: str, message: str) -> dict[str, Any]:
    known = message_id if isinstance(message_id, str) else None
    return {"message_id": known, "status": status, "error": code, "message": message}
