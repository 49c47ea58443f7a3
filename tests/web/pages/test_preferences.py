"""The household's preferences: the language of its SMS, and below which credit a meter warns."""

from __future__ import annotations

import pytest
from tests.flows.house import House, Town
from tests.web.pages.conftest import SignIn

from duaarah.headend.models import Command
from duaarah.registry.models import Meter

pytestmark = pytest.mark.slow
PAGE = "/rumah/pengaturan/"


def test_a_threshold_is_ordered_shown_under_way_and_true_when_the_meter_answers(
    sign_in: SignIn, town: Town, household: House
) -> None:
    client = sign_in("household")
    page = client.post(PAGE, {"meter": household.meter.drn, "threshold": "7.5"}, follow=True).content.decode()
    assert "The meter is being told" in page and "7.5 kWh: Waiting for its turn" in page
    assert "warns below 5.0 kWh" in page
    town.run()
    page = client.get(PAGE).content.decode()
    assert "warns below 7.5 kWh" in page and "7.5 kWh: Executed: the meter said so" in page
    assert Meter.objects.get(pk=household.meter.pk).low_credit_threshold_wh == household.sim.threshold_wh == 7_500


@pytest.mark.parametrize("words", ["", "abc", "0", "0,75", "-3", "1e3", "100,5", "NaN", "٣", "5" * 400])
def test_a_wrong_threshold_is_one_sentence_and_no_order(sign_in: SignIn, household: House, words: str) -> None:
    page = sign_in("household").post(PAGE, {"meter": household.meter.drn, "threshold": words}, follow=True)
    assert "Nothing was changed." in page.content.decode()
    assert not Command.objects.exists()


def test_anothers_meter_cannot_be_set(sign_in: SignIn, town: Town, household: House) -> None:
    for drn in (town.houses[1].meter.drn, "99999999999", ""):
        assert sign_in("household").post(PAGE, {"meter": drn, "threshold": "5"}).status_code == 404
    assert not Command.objects.exists()


def test_the_language_of_the_sms_is_chosen(sign_in: SignIn, town: Town, household: House) -> None:
    sign_in("household").post(PAGE, {"language": "en"})
    town.use(household, 1_200)
    town.run()
    assert "kWh left" in town.words_to(household)[-1]
