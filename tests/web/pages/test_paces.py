"""The pace of a network on its page."""

from __future__ import annotations

import pytest
from tests.flows.house import Town
from tests.web.pages.conftest import SignIn

from duaarah.headend.models import NetworkPace

pytestmark = pytest.mark.slow


def test_a_pace_is_set_changed_and_taken_away(sign_in: SignIn, town: Town) -> None:
    one = sign_in("pln")
    assert "No network has a pace" in one.get("/operasi/laju/").content.decode()

    def post(text: str, cell: str = "") -> str:
        form = {"operator": town.operator.code, "cell": cell, "frames_per_minute": text}
        return one.post("/operasi/laju/", form, follow=True).content.decode()

    assert "The pace is changed." in post("1.200") and "1,200" in post("12", "A7")
    assert list(NetworkPace.objects.order_by("pk").values_list("cell", "frames_per_minute")) == [("", 1200), ("A7", 12)]
    assert "1 to 100,000" in post("many") and "1 to 100,000" in post("0")
    assert "The pace is changed." in post("") and NetworkPace.objects.get().cell == "A7"
    assert one.post("/operasi/laju/", {"operator": "nobody"}).status_code == 404
