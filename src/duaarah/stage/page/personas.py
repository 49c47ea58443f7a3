# SPDX-License-Identifier: Apache-2.0
"""Who one can be in the demo, made with the town; those whose pages come later say what will be there."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from duaarah.people.models import AccountHolder, Login, Membership, Organisation, Unit


@dataclass(frozen=True)
class Persona:
    """One click: `key` in the address, `name` on the button, `page` where it begins; without a page, what will come."""

    key: str
    name: object
    page: str = ""
    later: object = ""


PERSONAS = (
    Persona("rumah", _("Household"), "/rumah/"),
    Persona("armada", _("Fleet owner"), "/armada/"),
    Persona("pln", _("PLN operator"), "/operasi/jaringan/"),
    Persona("perencana", _("PLN planner"), "/operasi/perencana/"),
    Persona("penyelia", _("PLN supervisor"), "/operasi/kunci/persetujuan/"),
    Persona("data", _("Data operator"), "/data/"),
    Persona("seluler", _("Mobile operator"), "/seluler/"),
    Persona("gerai", _("Shop (gerai)"), later=_("Selling modem and SIM, pairing them with a meter, first token.")),
    Persona(
        "kru", _("Field crew"), later=_("Work orders on a phone: connect, change a modem, confirm that a meter talks.")
    ),
    Persona(
        "123",
        _("Contact centre 123"),
        later=_("Complaints with their states, and the meter's own story beside the call."),
    ),
)


# The supervisor is the second person of dangerous orders, so that one visitor can play both; the planner only looks.
STAFF = (
    ("pln", "PLN", "PLN", Membership.Role.OPERATOR),
    ("perencana", "PLN", "Perencana PLN", Membership.Role.VIEWER),
    ("penyelia", "PLN", "Penyelia PLN", Membership.Role.APPROVER),
    ("data", "DATAOP", "DATAOP", Membership.Role.OPERATOR),
    ("seluler", "OPSEL", "OPSEL", Membership.Role.OPERATOR),
)


def make_logins(household: AccountHolder, fleet: AccountHolder) -> None:
    """The demo's logins. They have no password: the stage signs in, and only in a demo."""
    for key, holder in (("rumah", household), ("armada", fleet)):
        Login.objects.create_user(f"demo-{key}", display_name=holder.name, holder=holder)
    make_staff()


def make_staff() -> None:
    """The logins of the operators; a town saved before one of them was known gets it when it is taken up."""
    for key, code, name, role in STAFF:
        unit, _made = Unit.objects.get_or_create(
            organisation=Organisation.objects.get(code=code), code=code, defaults={"name": code}
        )
        login = Login.objects.filter(username=f"demo-{key}").first()
        if login is None:
            login = Login.objects.create_user(f"demo-{key}", display_name=name)
        Membership.objects.get_or_create(login=login, unit=unit, role=role)
