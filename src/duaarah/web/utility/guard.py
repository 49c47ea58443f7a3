# SPDX-License-Identifier: Apache-2.0
"""Who may ask for dangerous deeds, and decide them."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from duaarah.people.models import Login, Membership
from duaarah.web.shared.access import RUNNING, login_of

ROLES = (Membership.Role.OPERATOR, Membership.Role.APPROVER, Membership.Role.ADMIN)


def keeper(request: HttpRequest) -> Login:
    """The one who is signed in. Raises PermissionDenied for those who only look on."""
    login = login_of(request)
    if not login.memberships.filter(unit__organisation__kind__in=RUNNING, role__in=ROLES).exists():
        raise PermissionDenied
    return login
