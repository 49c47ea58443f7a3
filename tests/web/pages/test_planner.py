"""Planning: what is full, weak, lossy and unreliable, by numbers that can be counted again, and what comes first."""

from __future__ import annotations

import datetime as dt
import io

import numpy as np
import pytest
from openpyxl import load_workbook
from tests.flows.house import House, Town
from tests.web.pages.conftest import SignIn

from duaarah.analytics.models import DailyLoad, DailyReliability, DailyVoltage, ServedCustomers
from duaarah.analytics.models.losses import DailyLoss
from duaarah.analytics.network_days.planning import MONTH_DAYS, uses
from duaarah.clock.queries import now
from duaarah.registry.models import NetworkNode

pytestmark = pytest.mark.slow
PAGE = "/operasi/perencana/"


class Grid:
    """Two feeders, four transformers, and facts up to yesterday."""

    def __init__(self) -> None:
        self.at, self.date = now(), now().date() - dt.timedelta(days=1)
        self.feeders = [NetworkNode.objects.create(code=f"P-{n}", kind="FEEDER") for n in range(2)]
        self.nodes = [
            NetworkNode.objects.create(code=f"T-{n}", kind="TRANSFORMER", parent=self.feeders[n // 2], rated_va=25_000)
            for n in range(4)
        ]
        self.common = {"meters": 10, "meters_known": 10, "version": 1, "computed_at": self.at}

    def load(self, node: int, used: float, back: int = 0, intervals: int = 960) -> None:
        DailyLoad.objects.create(
            scope="TRANSFORMER", key=str(self.nodes[node].pk), date=self.date - dt.timedelta(days=back), energy_wh=1e5,
            peak_w=25_000 * used, peak_minute=1170, utilisation=used, period_s=900, curve_w=[], duration_w=[],
            intervals=intervals, estimated=0, **self.common,
        )  # fmt: skip

    def volts(self, node: int, phase: str, below: int, back: int = 0, above: int = 0) -> None:
        DailyVoltage.objects.create(
            transformer=self.nodes[node], phase=phase, date=self.date - dt.timedelta(days=back), intervals=960, below=below,
            above=above, low_meters=bool(below), evening_intervals=160, evening_min_v=190, evening_p1_v=191,
            evening_p5_v=193.5 + back / 10, evening_median_v=205, lowest=[], **self.common,
        )  # fmt: skip

    def off(self, feeder: int, customers: int, minutes: int, cause: str) -> None:
        DailyReliability.objects.create(
            scope="FEEDER", scope_id=self.feeders[feeder].pk, date=self.date, cause=cause, ci=customers,
            interrupted_us=customers * minutes * 60 * 10**6, momentary=0, momentary_events=0, excluded_ci=0, excluded_us=0,
            open_ci=0, version=1, computed_at=self.at,
        )  # fmt: skip

    def served(self, scope: str, number: int, customers: int) -> None:
        ServedCustomers.objects.create(
            scope=scope, scope_id=number, date=self.date, served=customers, version=1, counted_at=self.at
        )


def test_a_trend_is_the_line_of_least_squares_and_days_half_heard_are_none(town: Town) -> None:
    grid = Grid()
    rng = np.random.default_rng(5)
    peaks = 0.5 + 0.004 * np.arange(60) + rng.normal(0, 0.02, 60)
    for back, used in enumerate(reversed(peaks)):
        grid.load(0, float(used), back)
        grid.load(1, 0.6 + 0.02 * (-1) ** back, back)
    for back in range(60, 70):
        grid.load(0, 0.01, back, intervals=100)
    for back in range(20):
        grid.load(2, 0.5 + 0.01 * (20 - back), back)
    found = {one.node_id: one for one in uses(grid.date - dt.timedelta(days=90), grid.date)}
    first, flat, short = (found[node.pk] for node in grid.nodes[:3])
    (slope, _start), covariance = np.polyfit(np.arange(60), peaks, 1, cov=True)
    assert first.days == 60 and first.growth_month == pytest.approx(slope * MONTH_DAYS, rel=1e-9)
    # polyfit scales its covariance by the residuals over n - 2, as the standard error is defined.
    assert first.growth_error == pytest.approx(float(covariance[0][0]) ** 0.5 * MONTH_DAYS, rel=1e-6)
    assert first.grows and first.peak == pytest.approx(float(peaks[-30:].max()))
    assert first.months_to_full == pytest.approx((1 - first.peak) / first.growth_month)
    assert not flat.grows and flat.months_to_full is None
    assert short.growth_month is None and not short.grows and short.days == 20


def test_an_empty_network_says_so(sign_in: SignIn, household: House) -> None:
    page = sign_in("pln").get(PAGE).content.decode()
    for words in (
        "Nothing known is over its limit.", "No load of a whole day", "No line end was outside", "No transformer has a verdict",
        "No feeder had an interruption", "No interval data",
    ):  # fmt: skip
        assert words in page, words
    assert sign_in("dataop").get(PAGE).status_code == 403


def test_what_is_furthest_over_its_limit_comes_first(sign_in: SignIn, household: House) -> None:
    grid = Grid()
    for back in range(5):
        grid.load(0, 1.2 - back * 0.1, back)
        grid.load(1, 0.85, back)
        grid.volts(2, "L2", 96, back)  # a tenth of the time: twice the limit
        grid.volts(3, "L1", 0, back)
        DailyLoss.objects.create(
            date=grid.date - dt.timedelta(days=back), node=grid.nodes[3], kind="TRANSFORMER", input_wh=100_000,
            delivered_wh=80_000, technical_wh=4_000, ntl_wh=16_000, ntl_low_wh=15_000, ntl_high_wh=17_000, ntl_noise_wh=0,
            completeness=1, refusal="", source="x", **grid.common,
        )  # fmt: skip
    grid.off(0, 10, 90, "UNPLANNED")
    grid.off(0, 10, 30, "PLANNED")
    grid.off(1, 90, 1, "SUPPLY")
    grid.served("FEEDER", grid.feeders[0].pk, 10)
    grid.served("FEEDER", grid.feeders[1].pk, 90)
    grid.served("UTILITY", 0, 100)
    client = sign_in("pln")
    page = client.get(PAGE).content.decode()
    first = page[page.index('id="h-first"') : page.index('id="h-use"')]
    # Missing energy 15 % against 2; a feeder with 93 % of SAIDI and 10 % of the customers against twice; 10 % against 5; 120.
    order = [first.index(f">{code}</a>") for code in ("T-3", "P-0", "T-2", "T-0")]
    assert order == sorted(order) and ">T-1</a>" not in first
    for words in (
        "7.5 times its limit", "4.7 times its limit", "2.0 times its limit", "1.2 times its limit", "75 to 85 kWh in 5 days",
        "93.0 percent of this year&#x27;s SAIDI with 10.0 percent of the customers; Fault 75 %, Planned work 25 %",
        "10.0 percent of its meters&#x27; time below, on 5 of 5 days, 0.0 percent above; lowest evening 193.5 V (p5)",
        "peak 120 percent of the rating, above it on 2 days of 30",
    ):  # fmt: skip
        assert words in first, words
    assert "1 above their rating" in page and "1 above 80 percent" in page
    ends = b"".join(client.get(f"{PAGE}?tabel=ujung&unduh=csv")).decode("utf-8-sig").splitlines()
    assert ends[1].startswith("T-2;L2;5;5;10,000000;2,400000;0,000000;193,500000;10")
    feeders = b"".join(client.get(f"{PAGE}?tabel=penyulang&unduh=csv")).decode("utf-8-sig").splitlines()
    assert feeders[1].startswith("P-0;12,000000;93,023256;10,000000;20;")
    loads = load_workbook(io.BytesIO(b"".join(client.get(f"{PAGE}?tabel=gardu&unduh=xlsx")))).active
    assert [row[0] for row in loads.values] == ["Transformer", "T-0", "T-1"]
    assert len(b"".join(client.get(f"{PAGE}?tabel=susut&unduh=csv")).splitlines()) == 2
    chart = b"".join(client.get(f"{PAGE}?grafik=pemakaian&bentuk=csv")).decode("utf-8-sig")
    assert "T-0;120\r\nT-1;85\r\n" in chart and "100 %: 100 %" in chart
    assert client.get(f"{PAGE}?grafik=penyulang&bentuk=png").content.startswith(b"\x89PNG")
    assert client.get(f"{PAGE}?tabel=x&unduh=csv").status_code == 404


def test_too_high_is_outside_too(sign_in: SignIn, household: House) -> None:
    grid = Grid()
    grid.volts(0, "L3", 0, above=96)
    grid.volts(0, "L1", 0, above=60)
    grid.volts(1, "L1", 96)  # one low day is chance
    page = sign_in("pln").get(PAGE).content.decode()
    first = page[page.index('id="h-first"') : page.index('id="h-use"')]
    assert (
        "Too high (L1, L3)" in first
        and first.count(">T-0</a>") == 1
        and "2.0 times its limit" in first
        and ">T-1</a>" not in first
    )
