"""How a meter is heard, frame by frame, and what it told of its load: for the operator, and its days for the household."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from tests.flows.house import START, House, Town
from tests.flows.test_tells import day_of, telling
from tests.web.pages.conftest import SignIn

from duaarah.clock import operations as clock_operations
from duaarah.core.order import Order, OrderKind
from duaarah.headend.operations import place_order
from duaarah.people.models import Customer
from duaarah.registry.models import Sim
from duaarah.sms.models import InboundSms

pytestmark = pytest.mark.slow
EVENING = START.replace(hour=0) + dt.timedelta(days=1, minutes=2)


def address(house: House, query: str = "") -> str:
    return f"/operasi/meter/{house.meter.drn}/komunikasi/{query}"


@pytest.fixture
def told(town: Town) -> House:
    """The household's meter after a day; its third frame never came, and its first came again."""
    house = telling(town, "single-phase-modem")
    Customer.objects.filter(pk=house.meter.customer_id).update(holder=town.houses[0].holder)
    said = day_of(house)
    town.now = EVENING
    clock_operations.move(at=EVENING, rate=1)
    del said[2]
    town.push(house, [*said, said[0]])
    town.run()
    return house


def test_the_page_shows_modem_counters_gaps_and_every_frame(sign_in: SignIn, told: House) -> None:
    Sim.objects.filter(pk=told.pairing.sim_id).update(expires_date=EVENING.date() + dt.timedelta(days=59))
    page = sign_in("pln").get(address(told)).content.decode()
    assert "17 Apr 2026 · <b>soon</b>" in page
    for words in ("-79 dBm", "510-10-0C21-4F10", "1.4.2", "Counters that never came", "Load profile", "Tamper"):
        assert words in page, words
    assert "8 · 88,8 %" in page or "8 · 88.8 %" in page
    assert "<li>3 " in page and "replayed" in page
    # The body as an outline, each type by the standard's name.
    assert "structure (6)" in page and "enum 1" in page and "00 09 19 09 00 ff = 0.9.25.9.0.255" in page
    assert bytes(InboundSms.objects.earliest("id").payload).hex(" ") in page


def test_frames_are_filtered_and_paged(sign_in: SignIn, told: House, monkeypatch: pytest.MonkeyPatch) -> None:
    client = sign_in("dataop")
    assert client.get(address(told, "?jenis=TAMPER")).content.decode().count("<details>") == 1
    assert client.get(address(told, "?jenis=REFUSED")).content.decode().count("<details>") == 1
    assert client.get(address(told, "?jenis=HAMMER")).status_code == 404
    monkeypatch.setattr("duaarah.web.utility.communication.PAGE", 4)
    seen, query = 0, "?"
    while query:
        page = client.get(address(told, query))
        seen += page.content.decode().count("<details>")
        older = re.search(r"href=.([?]sebelum=\d+)", page.content.decode())
        query = older[1] if older else ""
    assert seen == InboundSms.objects.count() == 9


def test_what_goes_to_a_meter_is_never_opened(sign_in: SignIn, town: Town, told: House) -> None:
    order = Order(kind=OrderKind.PUSH_NOW)
    place_order(meter=told.meter, order=order, reason="", driver=town.driver, actor="test", now=town.now)
    town.run()
    page = sign_in("pln").get(address(told, "?arah=ke")).content.decode()
    assert page.count("<details>") == 1 and "Read now" in page and "plain APDU" not in page


def test_the_household_sees_its_days_and_no_other(sign_in: SignIn, told: House) -> None:
    client = sign_in("household")
    home = client.get(f"/rumah/meter/{told.meter.drn}/").content.decode()
    assert "kWh a day" in home and "<title>2026-02-16: 5.1 kWh</title>" in home
    page = client.get(f"/rumah/meter/{told.meter.drn}/pemakaian/").content.decode()
    assert "<title>23:00: 0.330 kWh</title>" in page and "5.1 kWh" in page and "219.0 V" in page
    assert "within 198-231 V" in page
    assert sign_in("fleet").get(f"/rumah/meter/{told.meter.drn}/pemakaian/").status_code == 404
    assert client.get(f"/rumah/meter/{told.meter.drn}/pemakaian/?hari=2026-13-1").status_code == 404
    empty = client.get(f"/rumah/meter/{told.meter.drn}/pemakaian/?bulan=2025-01").content.decode()
    assert "told no day of this month" in empty


def test_the_month_is_a_file(sign_in: SignIn, told: House) -> None:
    answer = sign_in("pln").get(f"/operasi/meter/{told.meter.drn}/pemakaian/?unduh=csv&bulan=2026-02")
    lines = b"".join(answer).decode("utf-8-sig").splitlines()  # type: ignore[arg-type]
    assert lines[0] == "Begin;Seconds;Channel;Value;Unit;Status;Values told"
    assert "2026-02-16T23:00:00+07:00;3600;energy_wh;330;Wh;0;1" in lines
    assert "2026-02-16T00:00:00+07:00;86400;energy_wh;5160;Wh;0;1" in lines
    # 24 intervals of two channels, and seven figures of the day; the frame that never came was no data.
    assert len(lines) == 1 + 48 + 7
