"""The living town in a real browser, at the width of a phone and of a desk."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.browser.conftest import chromium

pytestmark = pytest.mark.slow
SIZES = {"phone": (360, 740), "desk": (1280, 900)}
PERSONAS = ("rumah", "armada", "pln", "perencana", "penyelia", "data", "gerai", "kru", "123")
SHOW = 10_000  # ms: what the stage promises


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = chromium()
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(params=list(SIZES))
def page(request: pytest.FixtureRequest, browser: Any) -> Iterator[Any]:
    width, height = SIZES[request.param]
    context = browser.new_context(viewport={"width": width, "height": height}, locale="id-ID")
    made = context.new_page()
    errors: list[str] = []
    made.on("console", lambda m: errors.append(m.text) if m.type == "error" and "404" not in m.text else None)
    made.on("pageerror", lambda e: errors.append(str(e)))
    yield made
    context.close()
    assert errors == []


def until(page: Any, holds: Callable[[], bool]) -> None:
    """Polled from here: the pages' policy lets no string be evaluated inside them."""
    for _ in range(SHOW // 100):
        if holds():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it was not seen")


def no_sideways_scroll(page: Any) -> bool:
    fits: bool = page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    return fits


def enter(page: Any, demo: str, persona: str) -> None:
    page.goto(demo)
    page.locator(f'button[formaction="/panggung/masuk/{persona}/"]').click()


@pytest.mark.parametrize("persona", PERSONAS)
def test_one_click_signs_in_or_says_what_will_be_there(page: Any, demo: str, persona: str) -> None:
    enter(page, demo, persona)
    assert page.locator("main").inner_text().strip()
    assert no_sideways_scroll(page)
    if persona in ("gerai", "kru", "123"):
        assert "Menyusul" in page.locator("main").inner_text()


def test_the_low_credit_story_from_the_phone(page: Any, demo: str) -> None:
    page.goto(demo)
    before = page.locator("#s-phone li").count()
    page.locator('button[formaction="/panggung/habiskan/"]').click()
    until(page, lambda: page.locator("#s-phone li").count() > before)
    words = page.locator("#s-phone").inner_text()
    answer = re.findall(r"ISI 50000 [A-Z]\d[A-Z]", words)[-1]
    page.fill("#text", answer)
    page.locator('form[action="/panggung/sms/"] button').click()
    page.locator("#s-phone li", has_text="Terisi").last.wait_for(timeout=SHOW)
    page.locator("#s-story li.lit", has_text="Terisi").wait_for(timeout=SHOW)
    assert page.locator("#s-story li.lit").count() == 6
    page.locator("#s-wire a", has_text="buka").nth(1).click()
    page.locator("#wire-detail h3", has_text="SMPP").first.wait_for(timeout=SHOW)
    assert no_sideways_scroll(page)


def wallet_idr(page: Any) -> int:
    """What the household's page says of its wallet."""
    found = re.search(r"dompet Anda: Rp\s*([\d.]+)", page.locator("main").inner_text())
    assert found is not None
    return int(found[1].replace(".", ""))


def test_a_purchase_on_the_page(page: Any, demo: str) -> None:
    enter(page, demo, "rumah")
    before_idr = wallet_idr(page)
    page.locator('a[href$="nominal=20000"]').click()
    page.locator("button[data-once]").click()
    page.wait_for_url("**/rumah/token/*/")
    page.locator(".life li", has_text="Terisi: kata meter sendiri").wait_for(timeout=SHOW)
    digits = re.search(r"(?:\d{4} ){4}\d{4}", page.locator("main").inner_text())
    page.goto(demo + "/rumah/")
    assert wallet_idr(page) == before_idr - 20_000
    # The receipt carries the same digits; it leaves within the minute.
    until(page, lambda: digits is not None and digits[0] in page.reload().text())


def test_a_fleet_is_filled_in_one_action(page: Any, demo: str) -> None:
    enter(page, demo, "armada")
    boxes = page.locator("input[name=meter]")
    for number in range(2):
        boxes.nth(number).check()
    assert page.locator("[data-pick-count]").inner_text() == "2"
    page.locator(".pickbar button").click()
    assert "Rp 200.000" in page.locator("main").inner_text()
    page.locator("button[data-once]").click()
    page.locator(".hops + .mute", has_text="Terisi: kata meter sendiri").nth(1).wait_for(timeout=SHOW)


# At one width only: a package has four SMS for faults a month, and each cut takes two of them (gasp and return).
@pytest.mark.parametrize("page", ["desk"], indirect=True)
def test_a_cut_feeder_shows_its_last_gasps(page: Any, demo: str) -> None:
    page.goto(demo)
    button = page.locator('button[formaction="/panggung/feeder/"]')
    state = page.locator("#s-net-feeder .chip")
    assert state.inner_text() == "menyala"
    button.click()
    page.locator("#s-net-feeder .chip.padam").wait_for(timeout=SHOW)
    # Not everyone is heard: the radio loses gasps by the seed, some have no SMS for faults left this month.
    page.locator("#s-map circle.padam").nth(9).wait_for(state="attached", timeout=90_000)
    button.click()
    page.locator("#s-net-feeder .chip.nyala").wait_for(timeout=SHOW)
    # Who could not say himself that he is back is lit with his feeder, some business time later.
    for _ in range(3):
        with contextlib.suppress(AssertionError):
            until(page, lambda: page.locator("#s-map circle.padam").count() == 0)
            return
    raise AssertionError("they stay dark")


def test_faster_and_slower_are_shown(page: Any, demo: str) -> None:
    page.goto(demo)
    assert "×10" in page.locator("#s-story").inner_text()
    page.locator('button[formaction="/panggung/cepat/"]').click()
    until(page, lambda: "×60" in page.locator("#s-story").inner_text())
    page.locator('button[formaction="/panggung/lambat/"]').click()
    until(page, lambda: "×10" in page.locator("#s-story").inner_text())
