"""A meter's address and what was read of it, on its page."""

from __future__ import annotations

import datetime as dt

import pytest
from tests.flows.house import House, Town
from tests.web.pages.conftest import SignIn

from duaarah.headend.models import Command, MeterReach, MeterRead
from duaarah.web.utility.reads import figure, label


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        *(("voltage_l1_mv", 220_400, "220,4 V"), ("credit_left_wh", 6_005, "6,005 kWh"), ("power_w", 350, "350 W")),
        *(("power_factor_permille", 980, "0,98"), ("current_l1_ma", -1_590, "-1,59 A"), ("tokens_accepted", 7, "7")),
    ],
)
def test_figures(name: str, value: int, shown: str) -> None:
    assert figure(name, value, ",") == shown


@pytest.mark.slow
def test_the_address_is_kept_and_the_meter_read(sign_in: SignIn, town: Town, household: House) -> None:
    assert label("voltage_l2_mv").endswith(" L2")
    one, drn = sign_in("pln"), household.meter.drn
    there, page = f"/operasi/meter/{drn}/alamat/", f"/operasi/meter/{drn}/"
    assert "?order=read_meter" not in one.get(page).content.decode()
    no_address = one.get(page + "perintah/?order=read_meter").content.decode()
    assert "has no address on the network" in no_address and "Send the order" not in no_address
    form = {"host": "10.1.2.3", "port": "4059", "sms_tries": "1", "wakes": "yes"}
    for wrong in ({"port": "0"}, {"sms_tries": "9"}, {"host": "a b"}, {"port": "x"}):
        assert "Nothing was changed" in one.post(there, {**form, **wrong}, follow=True).content.decode()
    assert MeterReach.objects.count() == 0
    assert "The address is kept." in one.post(there, form, follow=True).content.decode()
    assert MeterReach.objects.values_list("host", "port", "wakes", "sms_tries").get() == ("10.1.2.3", 4059, True, 1)
    assert "?order=read_meter" in one.get(page).content.decode()
    one.post(page + "perintah/", {"order": "read_meter"})
    span = {"from_at": "2026-02-16T00:00", "to_at": "2026-02-16T06:00"}
    assert (
        "16.02.2026 00:00 - 16.02.2026 06:00"
        in one.get(page + "perintah/", {"order": "read_profile", **span}).content.decode()
    )
    backwards = {"order": "read_profile", "from_at": span["to_at"], "to_at": span["from_at"]}
    assert "outside what can be ordered" in one.get(page + "perintah/", backwards, follow=True).content.decode()
    command = Command.objects.get()
    rows = [[dt.datetime(2026, 2, 16, 1, 0, tzinfo=dt.UTC).isoformat(), {"energy_import_wh": 1_250}]]
    MeterRead.objects.create(
        meter=household.meter, command=command, read_at=town.now, values={"voltage_l1_mv": 220_400}, rows=rows
    )
    shown = one.get(page).content.decode()
    assert "220.4 V" in shown and "Voltage L1" in shown and "1.25 kWh" in shown and "08:00 WIB" in shown
