# SPDX-License-Identifier: Apache-2.0
"""Who may open a page. What is not his does not exist for him: 404, never a hint."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect

from duaarah.people.models import AccountHolder, Login, Membership, Organisation
from duaarah.vending.models import Channel

View = Callable[..., HttpResponseBase]
ACTING = (Membership.Role.OPERATOR, Membership.Role.ADMIN)
RUNNING = (Organisation.Kind.UTILITY, Organisation.Kind.DATA_OPERATOR)


def login_of(request: HttpRequest) -> Login:
    """The login of a page that only signed-in people reach."""
    assert isinstance(request.user, Login)
    return request.user


def holder_of(request: HttpRequest) -> AccountHolder:
    """The account holder behind the login. Raises PermissionDenied for a login without one."""
    holder = login_of(request).holder
    if holder is None:
        raise PermissionDenied
    return holder


def signed_in(view: View) -> View:
    """Sends others to the sign-in page, and back afterwards."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect(f"/masuk/?next={request.path}")
        return view(request, *args, **kwargs)

    return guarded


def for_holder(view: View) -> View:
    """For customers: households and companies."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        holder_of(request)
        return view(request, *args, **kwargs)

    return signed_in(guarded)


def offices(login: Login) -> QuerySet[Membership]:
    """Where a login belongs to an organisation itself. Who works in a shop opens its till, not its owner's pages."""
    return login.memberships.exclude(unit__channels__kind=Channel.Kind.DEPOSIT)


def for_operator(view: View) -> View:
    """For members of the utility or the data operator."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not offices(login_of(request)).filter(unit__organisation__kind__in=RUNNING).exists():
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return signed_in(guarded)


def for_kind(kind: str) -> Callable[[View], View]:
    """For members of organisations of one kind: `@for_kind(Organisation.Kind.DATA_OPERATOR)`."""

    def guard(view: View) -> View:
        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not offices(login_of(request)).filter(unit__organisation__kind=kind).exists():
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return signed_in(guarded)

    return guard


def tills_of(login: Login) -> QuerySet[Channel]:
    """The tills where a login works: those of its units and of the units right below them."""
    units = login.memberships.values("unit_id")
    found = Channel.objects.filter(kind=Channel.Kind.DEPOSIT, active=True)
    return found.filter(Q(unit__in=units) | Q(unit__parent__in=units)).select_related("unit").order_by("name")


def own_books(request: HttpRequest, kind: str) -> list[str]:
    """The codes of the organisations of one kind that this login belongs to: whose books it may read."""
    units = offices(login_of(request)).filter(unit__organisation__kind=kind)
    return sorted(set(units.values_list("unit__organisation__code", flat=True)))


def acting(request: HttpRequest, kind: str) -> Login:
    """The login of somebody who may change things for an organisation of this kind. Raises PermissionDenied for others."""
    login = login_of(request)
    if not offices(login).filter(unit__organisation__kind=kind, role__in=ACTING).exists():
        raise PermissionDenied
    return login
