# SPDX-License-Identifier: Apache-2.0
"""Reading the SMS side."""

from __future__ import annotations

from django.db.models import Case, When

from duaarah.sms.models import Bind


class NoRoute(Exception):
    """No active bind serves this short code, or none can send at all."""

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


def frame_route(*, operator_id: int) -> tuple[Bind, str]:
    """
    How a frame goes to a SIM of this mobile operator: the bind, and the short code it comes from.

    The operator's own bind, else any (operators pass SMS on to each other). The first of a bind's short codes is the one
    that meters are spoken to from.

    Raises:
        NoRoute: no active bind can send.
    """
    senders = Bind.objects.filter(active=True).exclude(kind=Bind.Kind.RX).exclude(short_codes=[])
    found = senders.order_by(Case(When(operator_id=operator_id, then=0), default=1), "id").first()
    if found is None:
        raise NoRoute("No active bind can send to a meter.")
    return found, found.short_codes[0]


def sendable_codes() -> set[str]:
    """Every short code that an active bind can send from."""
    senders = Bind.objects.filter(active=True).exclude(kind=Bind.Kind.RX)
    return {code for codes in senders.values_list("short_codes", flat=True) for code in codes}
