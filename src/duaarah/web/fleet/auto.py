# SPDX-License-Identifier: Apache-2.0
"""Automatic top-up of a fleet: one rule for many sites, one budget over all of them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from duaarah.web.shared import auto
from duaarah.web.shared.access import for_holder

PORTAL = auto.Portal("fleet", "fleet/nav.html")


@for_holder
def listing(request: HttpRequest) -> HttpResponse:
    """Rules and what they bought."""
    return auto.listing(request, PORTAL)


@for_holder
def new(request: HttpRequest) -> HttpResponse:
    """A rule that is not yet."""
    return auto.edit(request, PORTAL)


@for_holder
def edit(request: HttpRequest, rule_id: int) -> HttpResponse:
    """A rule set anew."""
    return auto.edit(request, PORTAL, rule_id)


@require_POST
@for_holder
def stop(request: HttpRequest, rule_id: int) -> HttpResponse:
    """Off."""
    return auto.stop(request, PORTAL, rule_id)


@require_POST
@for_holder
def decide(request: HttpRequest, request_id: int) -> HttpResponse:
    """The second person's word."""
    return auto.decide(request, PORTAL, request_id)
