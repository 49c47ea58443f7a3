# SPDX-License-Identifier: Apache-2.0
"""Live parts of pages: polled every two seconds, answered with 304 while nothing has changed."""

from __future__ import annotations

import hashlib
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.template.loader import render_to_string

EVERY_S = 2


def fragment(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """A fragment with its ETag, or 304 when the asker has it."""
    text = render_to_string(template, context, request)
    tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:20]}"'
    if request.headers.get("If-None-Match") == tag:
        response: HttpResponse = HttpResponseNotModified()
    else:
        response = HttpResponse(text)
    response["ETag"] = tag
    # Kept by the browser, asked for again each time: that is what makes 304 work.
    response["Cache-Control"] = "private, no-cache"
    return response
