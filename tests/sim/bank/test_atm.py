"""The ATM's tokens are real, its notifications are signed as the platform checks them, and it does not give up."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from duaarah.core.sts import MeterDecoder, Result, instant_of
from duaarah.sim.bank.atm import ATM, energy_for
from duaarah.sim.bank.notify import PATH, BankError, Channel, Notifier, signature
from duaarah.sim.town.world import CHANNEL, START, make_world
from duaarah.web.api.signing import SignatureRefused, check_signature

WORLD = make_world(7, 50)
METER = WORLD.meters[0]


class Platform(ThreadingHTTPServer):
    """Answers with the statuses it was given, then 202, and keeps what it was sent."""

    def __init__(self, statuses: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses = statuses
        self.taken: list[tuple[str, dict[str, str], bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Platform

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, dict(self.headers), body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 202)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def _bank(statuses: list[int]) -> Iterator[tuple[ATM, Platform]]:
    platform = Platform(statuses)
    thread = threading.Thread(target=platform.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{platform.server_address[1]}"
    notifier = Notifier(Channel(CHANNEL, WORLD.channel_secret, url), sleep=lambda _: None)
    try:
        yield ATM(WORLD, notifier, CHANNEL), platform
    finally:
        notifier.close()
        platform.shutdown()
        platform.server_close()
        thread.join()


def _settle(atm: ATM) -> None:
    until = time.monotonic() + 10
    while atm.pending and time.monotonic() < until:
        time.sleep(0.005)
    assert atm.pending == 0


def _check(headers: dict[str, str], body: bytes) -> None:
    check_signature(
        secret=WORLD.channel_secret,
        timestamp=headers["X-Duaarah-Timestamp"],
        signature=headers["X-Duaarah-Signature"],
        body=body,
        now_s=time.time(),
    )


def test_a_sold_token_is_accepted_by_its_meter_and_by_no_other() -> None:
    with _bank([]) as (atm, platform):
        for meter in WORLD.meters[:8]:
            sale = atm.buy(meter.drn, 50_000, START + timedelta(hours=9))
            entry = MeterDecoder(WORLD.decoder_key(meter)).enter(sale.digits, now_s=0)
            assert (entry.result, entry.energy_wh) == (Result.ACCEPT, sale.energy_wh)
            assert sale.energy_wh >= energy_for(50_000, meter)
            assert instant_of(sale.tid, 2014).isoformat() == "2026-02-16T09:00:00"
            other = next(known for known in WORLD.meters if known.drn != meter.drn and known.sts.ea == meter.sts.ea)
            assert MeterDecoder(WORLD.decoder_key(other)).enter(sale.digits, now_s=0).result is not Result.ACCEPT
        _settle(atm)
        assert len(platform.taken) == 8
        assert {outcome.status for outcome in atm.outcomes.values()} == {202}


def test_the_notification_is_signed_as_the_platform_checks_it() -> None:
    with _bank([]) as (atm, platform):
        sale = atm.buy(METER.drn, 50_000, START)
        _settle(atm)
        path, headers, body = platform.taken[0]
        assert (path, headers["X-Duaarah-Channel"]) == (PATH, CHANNEL)
        _check(headers, body)
        assert json.loads(body) == {
            "notification_id": f"ATM-DEMO-{METER.drn}-{sale.tid}",
            "channel": "ATM-DEMO",
            "drn": METER.drn,
            "idpel": METER.idpel,
            "token": sale.digits,
            "amount_idr": 50_000,
            "energy_wh": sale.energy_wh,
            "sold_at": "2026-02-16T00:00:00+07:00",
            "tid": sale.tid,
        }
        assert sale.digits not in repr(sale)


def test_it_repeats_the_same_words_until_the_platform_answers_for_good() -> None:
    with _bank([503, 500, 202]) as (atm, platform):
        sale = atm.buy(METER.drn, 50_000, START)
        _settle(atm)
        assert len(platform.taken) == 3
        assert {body for _, _, body in platform.taken} == {sale.body}
        for _, headers, body in platform.taken:
            _check(headers, body)
        assert (atm.outcomes[sale.notification_id].status, atm.outcomes[sale.notification_id].attempts) == (202, 3)
    with _bank([422]) as (atm, platform):
        sale = atm.buy(METER.drn, 50_000, START)
        _settle(atm)
        assert len(platform.taken) == 1 and atm.outcomes[sale.notification_id].status == 422


def test_the_latest_can_be_repeated_and_one_can_be_forged() -> None:
    with _bank([202, 200, 401]) as (atm, platform):
        with pytest.raises(BankError, match="Nothing was sold"):
            atm.repeat_latest()
        sale = atm.buy(METER.drn, 50_000, START)
        _settle(atm)
        assert atm.repeat_latest() == sale
        _settle(atm)
        forged = atm.forge(METER.drn, 50_000, START)
        _settle(atm)
        assert [body for _, _, body in platform.taken] == [sale.body, sale.body, forged.body]
        with pytest.raises(SignatureRefused):
            _check(platform.taken[2][1], platform.taken[2][2])
        assert (atm.sold_count, atm.sold_wh, list(atm.sold)) == (1, sale.energy_wh, [sale])


def test_tids_of_a_meter_rise_even_within_a_minute_and_never_take_the_reserved_one() -> None:
    with _bank([]) as (atm, _):
        sales = [atm.buy(METER.drn, 20_000, START) for _ in range(4)]
        tids = [sale.tid for sale in sales]
        assert tids == [tids[0], tids[0] + 2, tids[0] + 3, tids[0] + 4]
        decoder = MeterDecoder(WORLD.decoder_key(METER))
        assert [decoder.enter(sale.digits, now_s=0).result for sale in sales] == [Result.ACCEPT] * 4


def test_the_price_is_the_nominal_less_pbjt_cut_to_a_tenth_of_a_kwh() -> None:
    meter = next(known for known in WORLD.meters if (known.tariff_group, known.contracted_va) == ("R-1", 1300))
    assert energy_for(50_000, meter) == int(Decimal(50_000) / Decimal("1.03") / Decimal("1444.70") * 10) * 100 == 33_600


@pytest.mark.parametrize("nominal_idr", [0, -1, 10, 100_000_001])
def test_a_nominal_that_buys_nothing_is_refused_and_nothing_is_sold(nominal_idr: int) -> None:
    with _bank([]) as (atm, platform):
        with pytest.raises(BankError):
            atm.buy(METER.drn, nominal_idr, START)
        with pytest.raises(BankError, match="no meter"):
            atm.buy("99000000000", 50_000, START)
        assert (atm.sold_count, atm.pending, platform.taken) == (0, 0, [])


def test_a_platform_that_is_not_there_is_tried_again_and_given_up_at_the_limit() -> None:
    notifier = Notifier(Channel(CHANNEL, b"s" * 32, "http://127.0.0.1:1"), sleep=lambda _: None)
    outcome = notifier.deliver(b"{}")
    notifier.close()
    assert (outcome.status, outcome.attempts) == (0, 60)


@pytest.mark.parametrize("url", ["https://127.0.0.1", "127.0.0.1:8000", ""])
def test_a_notify_url_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(BankError, match="notify URL"):
        Notifier(Channel(CHANNEL, b"s" * 32, url))


def test_the_signature_is_over_timestamp_dot_body() -> None:
    assert signature(b"key", "1", b"{}") == "v1=1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224"
    check_signature(secret=b"key", timestamp="1", signature=signature(b"key", "1", b"{}"), body=b"{}", now_s=1)
