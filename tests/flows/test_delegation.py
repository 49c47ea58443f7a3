"""The holder lets another phone read or buy for a while, by SMS with his PIN, and takes it back."""

from __future__ import annotations

import datetime as dt

import pytest

from duaarah.audit.models import AuditRecord
from duaarah.core.gsm7 import encode
from duaarah.headend.models import Command
from duaarah.messaging.texts import short_drn
from duaarah.people.models import AccountHolder, Customer
from duaarah.registry.models import Delegation
from duaarah.vending.models import Payment, Vend, Wallet
from tests.flows.house import House, Town

pytestmark = pytest.mark.slow
OTHER = "6281299990001"


def say(town: Town, source: str, words: str) -> str:
    town.arrive(source=source, payload=encode(words), kind="TEXT", data_coding=0)
    town.run()
    return town.inbox[source][-1]


@pytest.fixture
def house(town: Town) -> House:
    return town.house()


def test_a_delegated_phone_reads_but_neither_buys_nor_sets(town: Town, house: House) -> None:
    name = short_drn(house.meter.drn)
    given = say(town, house.pairing.phone, "IZIN 081299990001 BACA 30 123456")
    assert given == f"Nomor ...001 boleh BACA utk meter {name} selama 30 hari. Cabut: IZIN <nomor HP> HAPUS <PIN>."
    assert say(town, OTHER, "SALDO") == f"Meter {name} belum pernah melapor saldo. Balas BANTUAN utk perintah lain."
    for words in ("ISI 50000 123456", "BATAS 8", "STOP", "IZIN 081299990002 BELI 123456"):
        assert "tidak punya izin" in say(town, OTHER, words)
    assert not Payment.objects.exists() and not Command.objects.exists() and Delegation.objects.count() == 1
    assert AuditRecord.objects.filter(refused=True, code="no_right").count() == 4


def test_one_with_the_right_to_buy_buys_with_the_pin_and_the_holder_gets_the_receipt(town: Town, house: House) -> None:
    name = short_drn(house.meter.drn)
    say(town, house.pairing.phone, "IZIN 081299990001 BELI 123456")
    assert say(town, OTHER, "ISI 50000").startswith("Utk membeli tambah PIN 6 angka Anda")
    assert say(town, OTHER, "ISI 50000 123456") == (
        f"Terbeli Rp50.000 utk meter {name}. Bukti dan token dikirim ke nomor pemiliknya."
    )
    assert Vend.objects.get().state == "LOADED" and Wallet.objects.get().balance_sen == 15_000_000
    assert town.words_to(house)[-1].startswith("Terisi 33,6 kWh")


def test_it_ends_in_time_by_word_and_with_the_holder(town: Town, house: House) -> None:
    stranger = "Nomor ini belum dipasangkan"
    say(town, house.pairing.phone, "IZIN 081299990001 BACA 1 123456")
    town.now += dt.timedelta(days=1)
    assert say(town, OTHER, "SALDO").startswith(stranger)
    say(town, house.pairing.phone, "IZIN 081299990001 BELI 123456")
    assert say(town, OTHER, "BANTUAN").startswith("SALDO sisa")
    assert say(town, house.pairing.phone, "IZIN 081299990001 HAPUS 123456").startswith("Nomor ...001 tidak punya izin")
    # The next hour: what he wrote before counts against a stranger's limit too.
    town.now += dt.timedelta(hours=1)
    assert say(town, OTHER, "SALDO").startswith(stranger)
    say(town, house.pairing.phone, "IZIN 081299990001 BACA 123456")
    new = AccountHolder.objects.create(name="Contoh 900", kind="HOUSEHOLD", language="id")
    Customer.objects.filter(pk=house.meter.customer_id).update(holder=new)
    assert say(town, OTHER, "SALDO").startswith(stranger)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("IZIN 081299990001 BACA", "Beri izin: IZIN"),
        ("IZIN", "Beri izin: IZIN"),
        ("IZIN 081299990001 BACA 999999", "PIN salah. Izin tidak diubah."),
        ("IZIN 081299990001 BACA 400 123456", "Izin tidak diberikan"),
        ("IZIN 081299990001 BACA 0 123456", "Izin tidak diberikan"),
        ("IZIN 081200000001 BACA 123456", "Izin tidak diberikan"),
    ],
)
def test_what_gives_nothing(town: Town, house: House, words: str, said: str) -> None:
    assert say(town, house.pairing.phone, words).startswith(said)
    assert not Delegation.objects.exists()
