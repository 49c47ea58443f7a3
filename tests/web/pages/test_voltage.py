# SPDX-License-Identifier: Apache-2.0
"""Line ends: the map along the tree, the worst first, filters, the file that holds all, one transformer's month."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re

import pytest
from tests.flows.house import House, Town
from tests.web.pages.conftest import SignIn

from duaarah.analytics.models import DailyVoltage
from duaarah.clock.queries import now
from duaarah.people.models import Organisation, Unit
from duaarah.registry.models import Meter, NetworkNode

pytestmark = pytest.mark.slow
PAGE = "/operasi/tegangan/"


class Ends:
    """Two feeders of two units; the second one's transformers have low ends."""

    def __init__(self) -> None:
        pln, _ = Organisation.objects.get_or_create(code="pln", defaults={"name": "pln", "kind": "UTILITY"})
        self.units = [Unit.objects.create(organisation=pln, code=f"U{n}", name=f"Unit {n}") for n in (1, 2)]
        self.station = NetworkNode.objects.create(code="GI-1", kind="SUBSTATION")
        self.feeders = [
            NetworkNode.objects.create(code=f"P-{n}", kind="FEEDER", parent=self.station, unit=self.units[n])
            for n in range(2)
        ]
        self.nodes = [
            NetworkNode.objects.create(code=f"T-{n}", kind="TRANSFORMER", parent=self.feeders[n // 2]) for n in range(4)
        ]
        self.date = now().date() - dt.timedelta(days=1)

    def fact(self, node: int, phase: str, p5: float | None, *, below: int = 0, back: int = 0, meter: int = 0) -> None:
        date = self.date - dt.timedelta(days=back)
        least = None if p5 is None else p5 - 2
        at = dt.datetime.combine(date, dt.time(12, 30), dt.UTC).isoformat()
        low = [{"meter_id": meter, "v_min": least, "at": at, "below": below, "intervals": 16}] if meter else []
        DailyVoltage.objects.create(
            date=date, transformer=self.nodes[node], phase=phase, meters=5, meters_known=6, intervals=480, below=below,
            above=0, low_meters=bool(below), evening_intervals=80, evening_min_v=least, evening_p1_v=p5,
            evening_p5_v=p5, evening_median_v=p5 and p5 + 12, lowest=low, version=1, computed_at=now(),
        )  # fmt: skip


def listed(page: str) -> list[str]:
    """The transformers of the table of phases, in its order."""
    table = page[page.index('id="h-rows"') :]
    return re.findall(r"tegangan/\d+/\?hari=[-\d]+\">(T-\d)</a>", table)


def test_where_the_ends_are_low_is_seen_first(sign_in: SignIn, town: Town, household: House) -> None:
    ends, own = Ends(), household.meter
    ends.fact(0, "L1", 214.0)
    ends.fact(1, "L2", 205.5, below=3)
    ends.fact(2, "L1", 192.4, below=96, meter=own.pk)
    ends.fact(3, "L3", None)
    for back in range(1, 30):
        ends.fact(2, "L1", 200.0 - back / 10, below=int(back > 20), back=back, meter=own.pk)
    client = sign_in("pln")
    page = client.get(PAGE).content.decode()
    assert listed(page) == ["T-2", "T-1", "T-0", "T-3"]
    for words in (
        "2 of 4 phases were below",
        "192.4",
        "190.4",
        "20.0",
        own.drn,
        "1/1 low",
        "1/3 low",
        "at times",
        "19:30",
    ):
        assert words in page, words
    # The feeder with the lowest end stands first in the map, its tick outside the band.
    assert page.index(">P-1</a>") < page.index(">P-0</a>") and 'class="out"' in page
    assert listed(client.get(f"{PAGE}?unit={ends.units[0].pk}").content.decode()) == ["T-1", "T-0"]
    assert listed(client.get(f"{PAGE}?penyulang={ends.feeders[1].pk}&urut=lama").content.decode()) == ["T-2", "T-3"]
    month = client.get(f"{PAGE}{ends.nodes[2].pk}/").content.decode()
    for words in ("below the limit on 10 of 30 days", own.drn, "190.4", "30 of 30 days are told, by 83 percent"):
        assert words in month, words
    drawn = client.get(f"{PAGE}{ends.nodes[2].pk}/?grafik=tegangan-l1&bentuk=png")
    assert drawn.status_code == 200 and drawn["Content-Type"] == "image/png"


def test_the_file_holds_every_phase_and_refusals_are_404(sign_in: SignIn, town: Town, household: House) -> None:
    ends, client = Ends(), sign_in("pln")
    assert "No voltage of a whole day" in client.get(PAGE).content.decode()
    for number in range(70):
        ends.fact(number % 4, chr(65 + number // 4), 200.0 + number)
    page = client.get(PAGE).content.decode()
    assert len(listed(page)) == 60 and "The first 60 of 70" in page
    body = b"".join(client.get(f"{PAGE}?unduh=csv").streaming_content).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(body), delimiter=";"))
    assert len(rows) == 71 and rows[1][3:8] == ["T-0", "A", "200,000000", "200,000000", "198,000000"]
    for form, kind in (("unduh=xlsx", "spreadsheetml"), ("unduh=pdf", "pdf"), ("grafik=ujung&bentuk=png", "png")):
        file = client.get(f"{PAGE}?{form}")
        assert file.status_code == 200 and kind in file["Content-Type"], form
    drawn = b"".join(client.get(f"{PAGE}?grafik=ujung&bentuk=csv").streaming_content).decode()
    assert "\r\n0;200\r\n" in drawn and "\r\n0,5;234,5\r\n" in drawn and "\r\n1;269\r\n" in drawn
    assert "Nothing was told of the voltage" in client.get(f"{PAGE}?hari=2020-01-01").content.decode()
    for wrong in ("hari=x", "unit=99999", "penyulang=-1", "urut=x", f"penyulang={ends.nodes[0].pk}", "hari=9999-12-31"):
        assert client.get(f"{PAGE}?{wrong}").status_code == 404, wrong
    assert client.get(f"{PAGE}{ends.feeders[0].pk}/").status_code == 404
    assert Meter.objects.count() == 3
