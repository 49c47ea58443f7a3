"""Every page in Chromium as every role that sees it: axe, weight, no sideways scroll; by day and by night, phone and desk."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.browser.conftest import ROOT, chromium

pytestmark = pytest.mark.slow
SIZES = {"phone": (360, 740), "desk": (1280, 900)}
WEIGHT_MAX = 200_000
# Who opens what; `{drn}`, `{token}`, `{batch}` and `{sms}` are found on the way.
PAGES = {
    "": [
        "/",
        "/panggung/tur/",
        "/panggung/kabel/out/{sms}/",
        "/panggung/token/?digits={digits}",
        "/masuk/",
        "/api/v1/",
        "/tidak-ada/",
    ],
    "rumah": [
        *("/rumah/", "/rumah/meter/{drn}/isi/", "/rumah/meter/{drn}/isi/?nominal=50000", "/rumah/token/{token}/"),
        *("/rumah/pengaturan/", "/operasi/", "/rumah/paket/", "/rumah/izin/", "/rumah/meter/{drn}/pemakaian/"),
    ],
    "armada": ["/armada/", "/armada/?urut=sms", "/armada/?cari=tidak", "/armada/isi/{batch}/", "/rumah/pengaturan/"],
    "pln": [
        *("/operasi/", "/operasi/meter/", "/operasi/meter/?cari=99", "/operasi/meter/{drn}/", "/operasi/pesan/"),
        *("/operasi/kunci/", "/operasi/meter/{drn}/kunci/", "/operasi/meter/{drn}/kunci/?register=town-2"),
        *("/operasi/kunci/persetujuan/", "/operasi/meter/{drn}/perintah/?order=relay_open", "/operasi/kiriman/"),
        *("/operasi/kampanye/", "/operasi/kampanye/baru/", "/operasi/laju/", "/operasi/penjual/"),
        *("/operasi/meter/{drn}/komunikasi/", "/operasi/meter/{drn}/pemakaian/", "/operasi/meter/{drn}/profil/"),
        "/operasi/meter/{drn}/mutu/",
        *("/operasi/jaringan/", "/operasi/padam/", "/operasi/padam/rencana/"),
        *(
            "/operasi/keandalan/",
            "/operasi/keandalan/?tahun=2026",
            "/operasi/tmp/",
            "/operasi/tegangan/",
            "/operasi/susut/",
            "/operasi/profil/",
            "/operasi/perencana/",
            "/operasi/laporan/",
            "/operasi/gardu/T-0001/",
            "/operasi/penyulang/F-001/",
        ),
    ],
    "data": [
        *("/operasi/", "/operasi/meter/{drn}/", "/operasi/pesan/", "/operasi/kunci/persetujuan/"),
        *("/data/", "/data/perlu-dilihat/", "/data/pesan/", "/data/pesan/{sms}/"),
        *("/data/jalur/", "/data/jalur/baru/", "/data/jalur/1/", "/data/jalur/usul/{draft}/"),
        *("/data/sim/terima/", "/data/sim/terima/{shipment}/", "/data/gerai/"),
        *("/data/sim/", "/data/sim/8962980000000000015/", "/data/katalog/", "/data/lalu-lintas/"),
        *("/data/paket/", "/data/paket/OPSEL/rekening/", "/data/paket/OPSEL/tagihan/", "/data/rekonsiliasi/"),
        "/data/rekonsiliasi/format/OPSEL/",
    ],
    "seluler": ["/seluler/", "/seluler/lalu-lintas/", "/seluler/sim/", "/seluler/paket/", "/seluler/rekonsiliasi/"],
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = chromium()
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def found(browser: Any, demo: str) -> dict[str, str]:
    """A household's meter and token, a key change that waits for approval, a batch of the fleet owner's, an SMS."""
    context = browser.new_context(locale="id-ID")
    page = context.new_page()
    enter(page, demo, "rumah")
    buy = page.locator("a[href*='/isi/']").first.get_attribute("href")
    token = page.locator("a[href*='/rumah/token/']").first.get_attribute("href")
    page.goto(f"{demo}{token}")
    digits = page.locator("p.mono").inner_text().replace(" ", "")
    enter(page, demo, "pln")
    drn = str(buy).split("/")[3]
    page.goto(f"{demo}/operasi/meter/{drn}/kunci/?register=town-2")
    page.locator("#reason").fill("KRN 2")
    page.locator("button[data-once]").click()
    page.locator("a[href$='/persetujuan/']").first.wait_for()
    enter(page, demo, "data")
    page.goto(f"{demo}/data/pesan/")
    sms = page.locator("main td a[href^='/data/pesan/']:not([href*='masuk'])").first.get_attribute("href")
    page.goto(f"{demo}/data/jalur/1/")
    page.locator("form[action$='/sakelar/'] button").click()
    page.wait_for_url(re.compile("/data/jalur/usul/[0-9]+/"))
    draft = page.url
    page.goto(f"{demo}/data/sim/terima/")
    page.locator("#text").fill(
        "ICCID;MSISDN;IMSI\n8962981111111111119;08110001234;\n8962981111111111111;08110001235;\n"
    )
    page.locator("form[enctype] button").click()
    page.wait_for_url(re.compile("/data/sim/terima/[0-9]+/"))
    shipment = page.url
    enter(page, demo, "armada")
    page.locator("input[name=meter]").first.check()
    page.locator(".pickbar button").click()
    page.locator("button[data-once]").click()
    page.wait_for_url(re.compile("/armada/isi/[0-9a-f-]{36}/"))
    batch = page.url
    context.close()
    return {
        "sms": str(sms).split("/")[-2],
        "drn": drn,
        "digits": digits,
        "token": str(token).split("/")[-2],
        "batch": batch.split("/")[-2],
        "draft": draft.split("/")[-2],
        "shipment": shipment.split("/")[-2],
    }


def enter(page: Any, demo: str, persona: str) -> None:
    page.goto(demo)
    page.locator(f'button[formaction="/panggung/masuk/{persona}/"]').click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("persona", list(PAGES))
def test_axe_finds_nothing_serious_and_nothing_scrolls_sideways(
    browser: Any, demo: str, found: dict[str, str], persona: str, size: str, scheme: str
) -> None:
    source = _axe()
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, locale="id-ID", color_scheme=scheme)
    page = context.new_page()
    if persona:
        enter(page, demo, persona)
    seen = []
    for pattern in PAGES[persona]:
        path = pattern.format(**found)
        page.goto(demo + path)
        page.evaluate(source)
        result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        seen += [
            (path, v["id"], v["nodes"][0]["html"][:120])
            for v in result["violations"]
            if v["impact"] in ("serious", "critical")
        ]
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            seen.append((path, "scrolls sideways", size))
    context.close()
    assert seen == [], json.dumps(seen, indent=1)


@pytest.mark.parametrize("persona", list(PAGES))
def test_a_page_weighs_less_than_200_kb_compressed(
    browser: Any, demo: str, found: dict[str, str], persona: str
) -> None:
    heavy = []
    context = browser.new_context()
    if persona:
        enter(context.new_page(), demo, persona)
    signed_in = context.storage_state()
    context.close()
    for pattern in PAGES[persona]:
        # Each page with an empty cache.
        context = browser.new_context(viewport={"width": 360, "height": 740}, storage_state=signed_in)
        page = context.new_page()
        link = context.new_cdp_session(page)
        link.send("Network.enable")
        # Not only cleared: what the page before has in memory is not loaded again, and would weigh nothing.
        link.send("Network.setCacheDisabled", {"cacheDisabled": True})
        sizes: list[float] = []
        link.on("Network.loadingFinished", lambda event, sizes=sizes: sizes.append(event["encodedDataLength"]))
        page.goto(demo + pattern.format(**found), wait_until="load")
        # The sizes come beside the page, on a busy machine after it.
        for _ in range(20):
            page.wait_for_timeout(100)
            if sum(sizes) > 5_000:
                break
        weight = sum(sizes)
        assert weight > 5_000, f"{pattern}: nothing was measured"
        if weight > WEIGHT_MAX:
            heavy.append((pattern, weight))
        context.close()
    assert heavy == []


def test_the_tour_happens_on_the_chosen_meter(browser: Any, demo: str) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, locale="id-ID")
    page = context.new_page()
    page.goto(demo)
    page.locator("a[href='/panggung/tur/']").click()
    assert page.locator(".stairs").first.locator("li").count() == 7
    assert page.locator(".stairs.three > li").count() == 3 and page.locator(".three > li.lit").count() == 0
    page.locator('form[action$="/low/"] button').click()
    page.locator('form[action$="/answer/"] button').wait_for(timeout=10_000)
    assert re.search(r"ISI 50000 [A-Z]\d[A-Z]", page.locator(".three > li").nth(0).inner_text())
    page.locator('form[action$="/answer/"] button').click()
    page.locator(".three > li.lit").nth(2).wait_for(timeout=10_000)
    page.locator(".three .talk", has_text=re.compile(r"Terisi \d")).wait_for(timeout=10_000)
    assert page.locator("#tour table.rows").is_visible()
    page.locator('form[action$="/again/"] button').click()
    page.locator('form[action$="/low/"] button').wait_for(timeout=10_000)
    context.close()


def _axe() -> str:
    from duaarah.project.node import installed

    modules = installed(ROOT / "tests" / "browser", ROOT / ".cache" / "browser")
    return Path(modules / "axe-core" / "axe.min.js").read_text()
