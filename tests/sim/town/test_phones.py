"""What customers do when the platform's texts come."""

from __future__ import annotations

from dataclasses import dataclass, field

from duaarah.messaging.texts import TEXTS, render, short_drn, token_groups
from duaarah.sim.town.clock import MINUTE_US, Event, EventQueue
from duaarah.sim.town.phones import Phone
from duaarah.sim.town.plans import Deed, PhoneDeed, from_words, to_words
from duaarah.sim.town.world import TownMeter, make_world

DIGITS = "12345678901234567890"
VALUES = {
    "kwh": "12,4",
    "nominal_plain": "50000",
    "nominal": "Rp50.000",
    "balance": "45,2",
    "token": token_groups(DIGITS),
    "time": "16/02 13.30",
    "wallet": "Rp0",
    "va": "888539900000001",
}


@dataclass
class Street:
    """Notes what customers do."""

    queue: EventQueue = field(default_factory=EventQueue)
    texts: list[tuple[str, str]] = field(default_factory=list)
    atm: list[tuple[str, int]] = field(default_factory=list)
    keyed: list[tuple[str, str, int]] = field(default_factory=list)
    atm_next: bool = False
    phones: list[Phone] = field(default_factory=list)

    def send_text(self, source: str, text: str) -> None:
        self.texts.append((source, text))

    def buy_at_atm(self, drn: str, nominal_idr: int) -> None:
        self.atm.append((drn, nominal_idr))

    def key_in(self, drn: str, digits: str, at_us: int) -> None:
        self.keyed.append((drn, digits, at_us))

    def plan(self, at_us: int, deed: Deed) -> Event:
        assert isinstance(deed, PhoneDeed) and from_words(to_words(deed)) == deed
        return self.queue.put(at_us, lambda now_us: self.phones[0].do(deed, now_us))

    def give_up(self, event: Event) -> None:
        event.cancel()

    def noted(self, phone: Phone, box: str, number: int, message: dict[str, str]) -> None:
        pass

    def prefers_atm(self) -> bool:
        return self.atm_next

    def meter_of_token(self, meters: list[TownMeter], digits: str) -> str | None:
        return meters[0].drn


def _home() -> tuple[Street, Phone, TownMeter]:
    meter = next(meter for meter in make_world(7, 10).meters if meter.site is None)
    street = Street()
    street.phones.append(Phone(meter.holder.phone, [meter], 7, street))
    return street, street.phones[0], meter


def _say(template: str, name: str, *, language: str = "id", code: str = "K7P") -> str:
    return render(template, language, meter=name, code=code, **VALUES)


def test_a_warning_is_answered_exactly_after_2_to_20_minutes_in_both_languages() -> None:
    for language in ("id", "en"):
        for template in ("low_credit", "credit_exhausted"):
            street, phone, meter = _home()
            phone.receive(_say(template, short_drn(meter.drn), language=language), 0)
            due_us = street.queue.next_due_us()
            assert due_us is not None and 2 * MINUTE_US <= due_us <= 20 * MINUTE_US
            assert street.texts == []
            street.queue.run(due_us, 10)
            assert street.texts == [(meter.holder.phone, "ISI 50000 K7P")]
            assert len(phone.inbox) == len(phone.outbox) == 1
            assert street.queue.next_due_us() is None


def test_the_same_customer_takes_the_same_time_in_each_run() -> None:
    dues = set()
    for _ in range(3):
        street, phone, meter = _home()
        phone.receive(_say("low_credit", short_drn(meter.drn)), 0)
        dues.add(street.queue.next_due_us())
    assert len(dues) == 1


def test_a_repeated_warning_is_answered_once_and_a_newer_one_replaces_it() -> None:
    street, phone, meter = _home()
    phone.receive(_say("low_credit", short_drn(meter.drn)), 0)
    phone.receive(_say("low_credit", short_drn(meter.drn)), MINUTE_US)
    phone.receive(_say("credit_exhausted", short_drn(meter.drn), code="B2C"), MINUTE_US)
    street.queue.run(60 * MINUTE_US, 10)
    assert street.texts == [(meter.holder.phone, "ISI 50000 B2C")]


def test_the_third_that_goes_to_the_atm_sends_no_sms() -> None:
    street, phone, meter = _home()
    street.atm_next = True
    phone.receive(_say("low_credit", short_drn(meter.drn)), 0)
    street.queue.run(60 * MINUTE_US, 10)
    assert (street.texts, street.atm) == ([], [(meter.drn, 50_000)])


def test_with_an_empty_wallet_he_goes_to_the_atm_half_an_hour_later() -> None:
    street, phone, meter = _home()
    phone.receive(_say("low_credit", short_drn(meter.drn)), 0)
    street.queue.run(20 * MINUTE_US, 10)
    phone.receive(_say("wallet_empty", short_drn(meter.drn)), 21 * MINUTE_US)
    assert street.queue.next_due_us() == 51 * MINUTE_US
    street.queue.run(51 * MINUTE_US, 10)
    assert street.atm == [(meter.drn, 50_000)]
    phone.receive(_say("wallet_empty", short_drn(meter.drn)), 60 * MINUTE_US)
    assert street.queue.next_due_us() is None


def test_digits_are_keyed_in_after_ten_minutes_unless_a_receipt_came() -> None:
    for language in ("id", "en"):
        street, phone, meter = _home()
        phone.receive(_say("digits_instead", short_drn(meter.drn), language=language), 0)
        street.queue.run(10 * MINUTE_US, 10)
        assert street.keyed == [(meter.drn, DIGITS, 10 * MINUTE_US)]
        street, phone, meter = _home()
        phone.receive(_say("digits_instead", short_drn(meter.drn), language=language), 0)
        phone.receive(_say("receipt", short_drn(meter.drn), language=language), MINUTE_US)
        street.queue.run(10 * MINUTE_US, 10)
        assert street.keyed == []


def test_the_fleet_owner_buys_for_the_site_that_the_text_names() -> None:
    meters = [meter for meter in make_world(7, 100).meters if meter.site]
    street = Street(atm_next=True)
    phone = Phone(meters[0].holder.phone, meters, 7, street)
    street.phones.append(phone)
    for meter, code in zip(meters, ("A1B", "A2B", "A3B", "A4B"), strict=False):
        assert meter.site
        phone.receive(_say("low_credit", meter.site.alias, code=code), 0)
    street.queue.run(20 * MINUTE_US, 10)
    assert sorted(street.atm) == sorted((meter.drn, 50_000) for meter in meters[:4])


def test_other_texts_ask_nothing_of_him() -> None:
    asking = {"low_credit", "credit_exhausted", "digits_instead", "digits_one_way", "wallet_empty"}
    for template in set(TEXTS) - asking:
        street, phone, _ = _home()
        phone.receive(TEXTS[template]["id"], 0)
        assert street.queue.next_due_us() is None, template
