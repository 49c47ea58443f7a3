# SPDX-License-Identifier: Apache-2.0
"""Live parts of pages: polled every two seconds, answered with 304 while nothing has changed."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.template.loader import render_to_string
from django.utils.translation import get_language

from duaarah.clock.queries import now

EVERY_S = 2
SHARED_FOR_S = 1.0


_KEPT: dict[tuple[str, str], tuple[float, str]] = {}
_KEPT_LOCK = threading.Lock()


def shared_text(template: str, make: Callable[[], dict[str, Any]]) -> str:
    """
    A fragment that is the same for everyone who may see it, made at most once a second for each language.

    However many operators look, the database is asked once; nobody sees anything older than a second.
    """
    key = (template, get_language() or "")
    with _KEPT_LOCK:
        at_s, text = _KEPT.get(key, (0.0, ""))
        if time.monotonic() - at_s >= SHARED_FOR_S:
            text = render_to_string(template, {**make(), "now": now()})
            _KEPT[key] = (time.monotonic(), text)
    return text


def fragment(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """A fragment with its ETag, or 304 when the asker has it."""
    return answer(request, render_to_string(template, context, request))


def answer(request: HttpRequest, text: str) -> HttpResponse:
    """A text with its ETag, or 304 when the asker has it."""
    tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:20]}"'
    if request.headers.get("If-None-Match") == tag:
        response: HttpResponse = HttpResponseNotModified()
    else:
        response = HttpResponse(text)
    response["ETag"] = tag
    # Kept by the browser, asked for again each time: that is what makes 304 work.
    response["Cache-Control"] = "private, no-cache"
    return response
