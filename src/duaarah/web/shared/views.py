# SPDX-License-Identifier: Apache-2.0
"""Signing in and out, where each role starts, and pages for what goes wrong."""

from __future__ import annotations

from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from duaarah.people.models import AccountHolder, Login, Organisation
from duaarah.vending.models import Channel

PORTALS: dict[str, str] = {
    Organisation.Kind.UTILITY: "/operasi/",
    Organisation.Kind.DATA_OPERATOR: "/data/",
    Organisation.Kind.MOBILE_OPERATOR: "/seluler/",
}


def start_page(person: Login) -> str:
    """Where a login begins: its organisation's portal, its customers' page or its company's sites."""
    # Who works at a till begins there, whoever owns the shop.
    if Channel.objects.filter(unit__memberships__login=person, kind=Channel.Kind.DEPOSIT).exists():
        return "/gerai/"
    kinds = set(person.memberships.values_list("unit__organisation__kind", flat=True))
    for kind, page in PORTALS.items():
        if kind in kinds:
            return page
    if person.holder is not None:
        return "/armada/" if person.holder.kind == AccountHolder.Kind.COMPANY else "/rumah/"
    return "/masuk/"


def start(request: HttpRequest) -> HttpResponse:
    """`/` outside the demo."""
    return redirect(start_page(request.user) if isinstance(request.user, Login) else "/masuk/")


def sign_in(request: HttpRequest) -> HttpResponse:
    """By user name and password; one sentence for every failure, so that nobody learns which part was wrong."""
    after = request.POST.get("next") or request.GET.get("next") or ""
    wrong = ""
    if request.method == "POST":
        person = authenticate(request, username=request.POST.get("username"), password=request.POST.get("password"))
        if isinstance(person, Login):
            login(request, person)
            fine = url_has_allowed_host_and_scheme(after, {request.get_host()}, request.is_secure())
            return redirect(after if fine and after else start_page(person))
        wrong = _("User name and password do not fit together. Nothing was changed.")
    status = 401 if wrong else 200
    return render(request, "shared/sign_in.html", {"next": after, "wrong": wrong}, status=status)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("/")


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403"""
    words = {"title": _("Not for this role"), "text": _("Your sign-in does not open this page. Nothing was changed.")}
    return render(request, "shared/message.html", words, status=403)


def broken(request: HttpRequest) -> HttpResponse:
    """500. It asks nothing of the database, which may be what broke."""
    words = {
        "title": _("Something broke on our side"),
        "text": _("We have noted it. A purchase is never made twice: look at your tokens, or try again."),
    }
    return HttpResponse(render_to_string("shared/broken.html", words), status=500)


def missing(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404"""
    words = {"title": _("There is nothing here"), "text": _("The page does not exist, or it is not yours.")}
    return render(request, "shared/message.html", words, status=404)
