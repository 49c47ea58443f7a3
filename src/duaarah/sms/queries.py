# SPDX-License-Identifier: Apache-2.0
"""Reading the SMS side."""

from __future__ import annotations

from duaarah.sms.models import Bind


class NoRoute(Exception):
    """No active bind serves this short code."""

    code = "no_route"


def route(*, source: str, bind_name: str = "") -> Bind:
    """
    The bind a segment leaves by: the one that brought the question, else the first active one that owns `source`.

    Raises:
        NoRoute: no active bind owns the short code.
    """
    candidates = list(Bind.objects.filter(active=True, short_codes__contains=[source]).order_by("id"))
    for bind in candidates:
        if bind.name == bind_name:
            return bind
    if not candidates:
        raise NoRoute(f"No active bind serves {source}.")
    return candidates[0]
