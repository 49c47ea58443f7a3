"""The living town on a server that is not ours: Debian's PostgreSQL 15. The low-credit story, and a purchase on the page."""

from __future__ import annotations

import http.cookiejar
import re
import shutil
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.flows.debian_postgres import server
from tests.flows.test_living import Demo, check_books, settled, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    folder = Path(tempfile.mkdtemp(prefix="duaarah-external-"))
    folder.chmod(0o755)
    with server() as url:
        made = Demo(folder, url=url)
        try:
            yield made
            assert made.end() == 0
        finally:
            made.process.kill()
    shutil.rmtree(folder, ignore_errors=True)


class Visitor:
    """A browser without scripts: cookies, forms, redirects."""

    def __init__(self, demo: Demo) -> None:
        self._root = f"http://127.0.0.1:{demo.where['web_port']}"
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        self.url = ""

    def get(self, path: str) -> str:
        answer = self._opener.open(self._root + path, timeout=20)
        self.url = answer.url
        text: str = answer.read().decode()
        return text

    def post(self, path: str, page: str, **fields: str) -> str:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token is not None
        body = urllib.parse.urlencode({"csrfmiddlewaretoken": token[1], **fields}).encode()
        answer = self._opener.open(self._root + path, data=body, timeout=20)
        self.url = answer.url
        text: str = answer.read().decode()
        return text


def test_it_is_debians_server(demo: Demo) -> None:
    ((version,),) = demo.rows("SELECT version()")
    assert version.startswith("PostgreSQL 15.") and not (demo.folder / "postgres").exists()


def test_the_low_credit_story(demo: Demo) -> None:
    row = "SELECT m.drn, p.phone FROM registry_meter m JOIN registry_pairing p ON p.meter_id = m.id"
    drn, phone = demo.rows(f"{row} JOIN vending_wallet w ON w.holder_id = (SELECT holder_id FROM people_customer c"
                           " WHERE c.id = m.customer_id) WHERE w.balance_sen > 6000000 LIMIT 1")[0]  # fmt: skip
    inbox = lambda: [m["text"] for m in demo.town("phone", msisdn=phone)["inbox"]]  # noqa: E731
    before = demo.town("meter", drn=drn)["token_energy_wh"]
    demo.town("use_up", drn=drn)
    until("the warning", lambda: any("ISI 50000" in text for text in inbox()))
    answer = re.findall(r"ISI 50000 [A-Z]\d[A-Z]", " ".join(inbox()))[-1]
    demo.town("send", **{"from": phone, "text": answer})
    until("the receipt", lambda: any("Terisi" in text or "Loaded" in text for text in inbox()))
    until("the meter", lambda: demo.town("meter", drn=drn)["token_energy_wh"] > before)


def test_a_purchase_on_the_page(demo: Demo) -> None:
    visitor = Visitor(demo)
    home = visitor.post("/panggung/masuk/rumah/", visitor.get("/"))
    assert visitor.url.endswith("/rumah/")
    link = re.search(r'href="(/rumah/meter/\d+/isi/)\?nominal=20000"', home)
    assert link is not None
    page = visitor.get(f"{link[1]}?nominal=20000")
    reference = re.search(r'name="reference" value="([^"]+)"', page)
    assert reference is not None
    count = demo.rows("SELECT count(*) FROM vending_payment")[0][0]
    for _ in range(2):
        visitor.post(link[1], page, nominal="20000", reference=reference[1])
    life = urllib.parse.urlsplit(visitor.url).path
    assert demo.rows("SELECT count(*) FROM vending_payment") == [(count + 1,)]
    until("loaded", lambda: "kata meter sendiri" in visitor.get(life))
    until("all is settled", lambda: settled(demo))
    check_books(demo)


def test_a_database_that_is_somebody_elses_is_left_alone() -> None:
    folder = Path(tempfile.mkdtemp(prefix="duaarah-external-"))
    folder.chmod(0o755)
    try:
        with server() as url:
            first = Demo(folder, url=url)
            assert first.end() == 0
            shutil.rmtree(first.folder)
            with pytest.raises(AssertionError, match="not empty"):
                Demo(folder, url=url)
            with psycopg.connect(url) as connection:
                assert connection.execute("SELECT count(*) > 50 FROM vending_vend").fetchone() == (True,)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
