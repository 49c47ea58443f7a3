"""The stage's mobile operator: each button has its effect at the SMSC, and the panel shows cause and messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.template import Context, Template
from django.test import override_settings
from django.utils import translation

from duaarah.project.catalogues import parse
from duaarah.registry.models import Pairing, Sim
from duaarah.sim.smsc import faults
from duaarah.stage import page
from duaarah.stage.page import mobile
from duaarah.wire.smpp import pdu as p
from tests.messages import ROOT
from tests.sim.smsc.peers import METER, Raw, Running, running, until

ICCID = "8962000000000000001"
THROTTLE = "Refused as too many"
TEMPLATE = Path(str(page.__file__)).parent / "templates/stage/mobile.html"


@pytest.fixture
def smsc(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(mobile, "PLATFORM", "platform")
    with running() as started, override_settings(STAGE_SMSC_PORT=started.control):
        started.ask("sim_stock", request_id="1", sims=[[ICCID, METER]], state="ACTIVE")
        yield started


@pytest.fixture
def peers(smsc: Running) -> tuple[Raw, Raw]:
    return smsc.pair()


PAIRING = Pairing(sim=Sim(iccid=ICCID, msisdn=METER))


def press(name: str) -> str:
    def town(op: str, **fields: object) -> dict[str, Any]:
        pytest.fail("the town is not asked")

    with translation.override("en"):
        return mobile.DEEDS[name].act(town, PAIRING, {})


def shown() -> dict[str, Any]:
    with translation.override("en"):
        found = mobile.panel(PAIRING)
    assert found is not None
    return found


def page_of() -> str:
    with translation.override("en"):
        return Template(TEMPLATE.read_text()).render(Context({"mobile": mobile.panel(PAIRING)}))


def test_throttle_refuses_five_and_shows_how_many_are_left(peers: tuple[Raw, Raw]) -> None:
    platform, _town = peers
    assert press("smsc-padat").startswith("The next 5 SMS are refused")
    for _ in range(2):
        platform.submit()
        assert platform.next().status == p.ESME_RTHROTTLED
    now = shown()
    assert (now["refused"], now["standing"], now["done"]) == (2, {THROTTLE: 3}, {THROTTLE: 2})
    html = page_of()
    assert "still to come: 3" in html and "has happened: 2" in html and "Charging records" not in html


def test_a_lost_response_is_charged_and_stands_in_the_records(peers: tuple[Raw, Raw]) -> None:
    platform, town = peers
    press("smsc-diam")
    platform.submit(b"?")
    assert town.deliver().payload == b"?" and platform.nothing()
    now = shown()
    assert now["done"] == {"Response lost": 1} and now["standing"] == {}
    (record,) = now["records"]
    assert (record["source"], record["destination"], record["kind"], record["price_idr"]) == ("3123", METER, "m2m", 350)
    assert f"3123 → {METER} · m2m · " in page_of()


def test_every_switch_of_the_smsc_has_a_name_in_words_in_both_languages(peers: tuple[Raw, Raw]) -> None:
    assert set(mobile.SWITCHES) == {*faults.CHANCES, *faults.NUMBERS, *faults.WORDS, *faults.TEXTS}
    press("smsc-padat")
    assert "Refused as too many" in page_of() and "throttle" not in page_of()
    assert shown()["standing"] == {THROTTLE: 5}
    words = parse((ROOT / "locale/id/LC_MESSAGES/django.po").read_text(encoding="utf-8"))
    with translation.override("en"):
        named = [str(name) for name in mobile.SWITCHES.values()]
    assert len({words[name] for name in named}) == len(mobile.SWITCHES)
    assert all(words[name] != name for name in named)


def test_unbind_ends_the_platforms_link_alone(smsc: Running, peers: tuple[Raw, Raw]) -> None:
    platform, _town = peers
    assert shown()["bound"]
    press("smsc-lepas")
    asked = platform.next()
    assert asked.command == p.UNBIND
    platform.ack(asked)
    until(lambda: not shown()["bound"], "the link is down")
    assert smsc.ask("stats")["bound"] == ["town"] and "not bound" in page_of()


def test_a_sim_is_barred_and_active_again(smsc: Running) -> None:
    assert press("smsc-sim").startswith("The SIM is barred")
    assert shown()["sim"]["state"] == smsc.ask("sim", sim=ICCID)["state"] == "SUSPENDED"
    assert press("smsc-sim") == "The SIM is active again."
    assert shown()["sim"]["state"] == "ACTIVE"


def test_without_the_built_in_smsc_the_panel_says_so() -> None:
    with override_settings(STAGE_SMSC_PORT=0):
        assert mobile.panel(PAIRING) is None and "does not answer, or the SMSC is not" in page_of()


def test_the_platform_itself_knows_no_such_setting() -> None:
    assert not hasattr(settings, "STAGE_SMSC_PORT")
