# SPDX-License-Identifier: Apache-2.0
"""Reading the SMS side."""

from __future__ import annotations

from duaarah.sms.models import Bind


class NoRoute(Exception):
    """No active bind serves this short code."""

    code = "no_route"


def route(*, source: str, bind_name: str = "") -> Bind:
    """
    The bind a segment leaves by: the one that brought the question, else a transmitter of its group, else the first active
    one that owns `source`. A receiver sends nothing.

    Raises:
        NoRoute: no active bind that can send owns the short code.
    """
    owners = Bind.objects.filter(active=True, short_codes__contains=[source]).order_by("id")
    candidates = [bind for bind in owners if bind.kind != Bind.Kind.RX]
    asked = Bind.objects.filter(name=bind_name).first()
    for bind in candidates:
        if bind.name == bind_name:
            return bind
    for bind in candidates:
        if asked is not None and asked.bind_group and bind.bind_group == asked.bind_group:
            return bind
    if not candidates:
        raise NoRoute(f"No active bind serves {source}.")
    return candidates[0]
