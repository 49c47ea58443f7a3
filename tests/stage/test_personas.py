"""The demo's staff: the one who asks and the one who agrees are two, of one house, and stay the same at the next start."""

from __future__ import annotations

import pytest
from django.urls import resolve, reverse

from duaarah.people.models import Login, Membership, Organisation
from duaarah.stage.page import tour
from duaarah.stage.page.personas import PERSONAS, STAFF, make_staff

pytestmark = pytest.mark.slow


def test_the_utility_has_a_second_person_also_in_a_town_from_before(database: str) -> None:
    for code, kind in (("PLN", "UTILITY"), ("DATAOP", "DATA_OPERATOR"), ("OPSEL", "MOBILE_OPERATOR")):
        Organisation.objects.create(code=code, name=code, kind=kind)
    for _ in range(2):
        make_staff()
    Login.objects.get(username="demo-penyelia").delete()
    make_staff()
    utility = Membership.objects.filter(unit__organisation__kind="UTILITY").order_by("login__username")
    assert list(utility.values_list("login__username", "role")) == [
        ("demo-penyelia", "APPROVER"),
        ("demo-perencana", "VIEWER"),
        ("demo-pln", "OPERATOR"),
    ]
    assert Login.objects.count() == Membership.objects.count() == len(STAFF) == 5
    assert {key for key, *_ in STAFF} <= {persona.key for persona in PERSONAS if persona.page}


def test_every_persona_begins_on_a_page_and_every_stop_of_the_tour_is_one() -> None:
    for persona in PERSONAS:
        assert bool(persona.page) != bool(persona.later)
        assert not persona.page or resolve(persona.page).url_name
    assert resolve("/operasi/jaringan/").url_name == "desk-morning"
    known = {persona.key for persona in PERSONAS if persona.page}
    assert tour.UTILITY and {persona for _, _, persona, _ in tour.UTILITY} <= known
    assert all(reverse(name) for _, _, _, name in tour.UTILITY)
