# SPDX-License-Identifier: Apache-2.0
"""Refusals of the API in the form of RFC 9457, whoever makes them: our handlers, the router, or Django itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse

BELOW = "/api/"
CONTENT_TYPE = "application/problem+json"
_SENTENCES = {
    400: ("bad_request", "The request is not understood. Nothing was changed."),
    403: ("forbidden", "This is not open to you. Nothing was changed."),
    404: ("not_found", "There is no such address in this API."),
    405: ("method_not_allowed", "This address does not know the method. Nothing was changed."),
    500: ("internal", "Something broke on our side. Send the same reference again: nothing is bought twice."),
}


def problem(status: int, code: str, detail: str, **more: Any) -> HttpResponse:
    """A refusal: type, title (a stable code), status, detail (a sentence); `more` are members of this kind of refusal."""
    return JsonResponse(
        {"type": f"urn:duaarah:{code}", "title": code, "status": status, "detail": detail, **more},
        status=status,
        content_type=CONTENT_TYPE,
    )


class ApiProblems:
    """Middleware: what Django answers below /api/ in its own form becomes a problem."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        known = _SENTENCES.get(response.status_code)
        if known is None or not request.path.startswith(BELOW) or "json" in response.get("Content-Type", ""):
            return response
        made = problem(response.status_code, *known)
        if allow := response.get("Allow"):
            made["Allow"] = allow
        return made
