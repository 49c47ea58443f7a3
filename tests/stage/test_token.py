"""The stage explains a token of ours, with the key that it was made with, whatever became of the meter's key."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.utils import translation

from duaarah.core.sts import KeyRegister
from duaarah.stage.page import token as page
from duaarah.stage.page.token import explained
from duaarah.vending.models import KeyChange
from tests.flows.house import House, Town
from tests.flows.test_key_change import NEW_VENDING_KEY, buy, order

pytestmark = pytest.mark.slow


@pytest.fixture
def town(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    made = Town(tmp_path)
    register = KeyRegister(register_id="next", dkga="04", sgc="999901", krn=2, kt=2, ken=255, base_date=2014)
    made.store.add(register, NEW_VENDING_KEY)
    monkeypatch.setattr(page, "key_store", lambda: made.store)
    return made


@pytest.fixture
def house(town: Town) -> House:
    return town.house()


def facts(digits: str, drn: str = "") -> dict[str, tuple[str, str]]:
    with translation.override("en"):
        return {row.label: (row.value, row.meaning) for _, rows in explained(digits, drn).groups for row in rows}


def test_before_and_after_a_key_change_each_token_is_read_with_its_own_key(town: Town, house: House) -> None:
    before = buy(town, house, "before")
    town.run()
    order(town, house)
    town.run()
    after = buy(town, house, "after")
    for vend, name in ((before, "test"), (after, "next")):
        digits = vend.token.digits
        for of in ("", house.meter.drn):
            found = explained(" ".join((digits[:4], digits[4:])), of)
            assert (found.drn, found.key.split(" ")[0]) == (house.meter.drn, name)
        rows = facts(digits)
        assert rows["Token identifier (TID)"][0] == str(vend.tid)
        assert rows["Amount"][0] == "13.4 kWh" == f"{vend.encoded_wh / 1000:.1f} kWh"
        assert rows["Result"] == ("accept", "A meter with this key accepts the token.")


def test_every_word_of_an_explanation_is_translated(town: Town, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    digits = buy(town, house, "before").token.digits
    monkeypatch.setattr(page, "_", lambda words: f"<{words}>")
    found = explained(digits)
    assert found.kind == "<Electricity credit>"
    rows = [row for _, rows in found.groups for row in rows]
    assert [row.value for row in rows if row.label == "<Subclass>"] == ["<Electricity credit>"]
    assert all(row.label.startswith("<") and row.meaning.startswith("<") for row in rows) and len(rows) > 10


def test_a_part_of_a_new_key_is_explained_but_not_shown(town: Town, house: House) -> None:
    order(town, house)
    town.run()
    part = KeyChange.objects.get().parts.get(step="2.4")
    rows = facts(part.digits)
    assert rows["Key expiry number, low half (KENLO)"][0] == "15" and rows["Tariff index (TI)"][0] == "01"
    assert rows["New key, low part (NKLO)"] == ("########", "A part of the new decoder key; it is not shown.")
    assert explained(part.digits).key.startswith("test ")


def test_a_token_of_nobody_is_read_as_far_as_anybody_can(town: Town, house: House) -> None:
    with translation.override("en"):
        unknown = explained("1" * 20)
        assert (unknown.drn, unknown.key, unknown.wrong) == ("", "", "")
        assert [heading for heading, _ in unknown.groups] == [
            "What is keyed in",
            "The class, in the clear",
            "Decrypted",
        ]
        assert facts("1" * 20, house.meter.drn)["Result"][0] == "crc"
        clear = explained("12345678901234567890", house.meter.drn)
        assert (clear.keyless, clear.key) == (True, "") and not unknown.keyless
        assert explained("9" * 20).wrong == explained("12").wrong == explained("x" * 20).wrong
        assert explained("9" * 20).wrong.startswith("A token has 20 digits")
        assert explained("1" * 20, "00000000000").wrong == "There is no meter of this number."
