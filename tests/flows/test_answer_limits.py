"""Nobody drains our SMS: limits per phone and meter, strangers, repeats, and the number that only sends."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection

from duaarah.audit.models import AuditRecord
from duaarah.clock.operations import move
from duaarah.core.gsm7 import encode
from duaarah.headend.models import Command
from duaarah.messaging.models import AnswerLimit, Message
from duaarah.sms.models import InboundSms, OutboundSegment, PackageEntry
from duaarah.texting.conversation import answer
from duaarah.vending.models import Payment
from duaarah.workers.links_sql import INBOUND
from tests.flows.house import Town

pytestmark = pytest.mark.slow
STRANGER = "6281299999999"
UNKNOWN = "Nomor ini belum dipasangkan dengan meter dua arah. Daftar di gerai atau hubungi 123."
TOO_MANY = "Terlalu banyak SMS, yang ini tidak diproses. Kami menjawab lagi mulai 16/02 09.00. Darurat: telepon 123."


def limit(subject: str, answers_max: int) -> None:
    AnswerLimit.objects.filter(subject=subject).update(answers_max=answers_max)


def write(town: Town, source: str, words: str, destination: str = "3123") -> int:
    inbound_id = town.arrive(source=source, payload=encode(words), kind="TEXT", data_coding=0)
    InboundSms.objects.filter(pk=inbound_id).update(destination=destination)
    town.run()
    return inbound_id


def test_the_first_rows_are_there(town: Town) -> None:
    assert dict(AnswerLimit.objects.values_list("subject", "answers_max")) == {"PHONE": 60, "STRANGER": 3, "METER": 20}


def test_over_the_limit_one_answer_says_until_when_then_silence_and_no_money_moves(town: Town) -> None:
    house = town.house()
    limit("PHONE", 2)
    for words in ("SALDO", "BANTUAN", "ISI 50000 123456", "ISI 50000 123456", "SALDO"):
        write(town, house.pairing.phone, words)
    assert town.words_to(house)[2:] == [TOO_MANY]
    assert not Payment.objects.exists()
    assert AuditRecord.objects.filter(refused=True, verb="texting.answer", code="too_many").count() == 3
    assert PackageEntry.objects.filter(message_class="CUSTOMER_MO").count() == 5

    town.now += dt.timedelta(hours=1)
    write(town, house.pairing.phone, "BANTUAN")
    assert town.words_to(house)[3].startswith("SALDO sisa kWh")


def test_one_phone_over_its_limit_is_nothing_to_another(town: Town) -> None:
    first, second = town.house(), town.house()
    limit("PHONE", 1)
    for house in (first, first, second):
        write(town, house.pairing.phone, "BANTUAN")
    assert [len(town.words_to(first)), len(town.words_to(second))] == [2, 1]
    assert town.words_to(second)[0].startswith("SALDO sisa kWh")


def test_a_meter_has_its_own_limit(town: Town) -> None:
    house = town.house()
    limit("METER", 1)
    for words in ("SALDO", "ISI 50000 123456", "TOKEN", "BANTUAN"):
        write(town, house.pairing.phone, words)
    assert town.words_to(house)[1] == TOO_MANY
    assert len(town.words_to(house)) == 3 and town.words_to(house)[2].startswith("SALDO sisa kWh")
    assert not Payment.objects.exists()


def test_a_stranger_gets_the_same_words_whatever_he_writes_and_not_for_long(town: Town) -> None:
    house = town.house()
    for words in ("SALDO", f"SALDO {house.meter.drn}", "ISI 50000 123456", "LAPOR padam", "BATAS 8"):
        write(town, STRANGER, words)
    assert town.inbox[STRANGER] == [UNKNOWN, UNKNOWN, UNKNOWN, TOO_MANY]
    assert set(InboundSms.objects.values_list("state", flat=True)) == {"REFUSED"}
    assert PackageEntry.objects.filter(message_class="UNKNOWN_MO", meter=None).count() == 5
    assert sorted(AuditRecord.objects.filter(refused=True).values_list("code", flat=True)) == [
        "too_many", "too_many", "unknown_sender", "unknown_sender", "unknown_sender",
    ]  # fmt: skip


def test_the_same_sms_read_twice_is_answered_once_and_counted_once(town: Town) -> None:
    house = town.house()
    limit("PHONE", 1)
    inbound_id = write(town, house.pairing.phone, "BANTUAN")
    for state in ("DONE", "RECEIVED"):
        InboundSms.objects.filter(pk=inbound_id).update(state=state)
        answer(inbound_id=inbound_id, token_source=town.source, now=town.now)
    town.run()
    assert len(town.words_to(house)) == 1 and Message.objects.get().template == "help"


def test_an_inquiry_to_8123_is_told_the_right_number_once_an_hour_and_not_read(town: Town) -> None:
    house = town.house()
    town.bind.short_codes = ["3123", "8123"]
    town.bind.save()
    for source in (house.pairing.phone, house.pairing.phone, STRANGER):
        write(town, source, "ISI 50000 123456", destination="8123")
    said = "Nomor 8123 hanya utk pemberitahuan, pesan Anda tidak dibaca. Kirim ke 3123. Darurat: 123."
    assert town.words_to(house) == town.inbox[STRANGER] == [said]
    assert not Payment.objects.exists()
    segments = OutboundSegment.objects.values_list("source", "message_class", "meter")
    assert set(segments) == {("8123", "NOTICE", None)}

    town.now += dt.timedelta(hours=1)
    write(town, house.pairing.phone, "SALDO", destination="8123")
    assert town.words_to(house) == [said, said]


def test_an_sms_that_the_network_delivers_twice_buys_once_and_is_answered_once(town: Town) -> None:
    house = town.house()
    move(at=town.now, rate=1, founding=True)
    mo = {
        "bind": town.bind.pk, "kind": "TEXT", "source": house.pairing.phone, "destination": "3123", "data_coding": 0,
        "esm_class": 0, "payload": encode("ISI 50000 123456"), "digest": b"d" * 32, "window": 3600,
        "group": [town.bind.pk], "reference": None, "total": None, "number": None,
    }  # fmt: skip
    for _ in range(2):
        with connection.cursor() as cursor:
            cursor.execute(INBOUND, mo)
    town.run()
    assert InboundSms.objects.filter(kind="TEXT").count() == 1
    assert Payment.objects.count() == 1
    assert [words[:15] for words in town.words_to(house)] == ["Terisi 33,6 kWh"]


@pytest.mark.parametrize(
    "words", ["", "???", "{meter}", "€[]{}^|", "ISI", "ISI ISI ISI", "BATAS BATAS", "BATAS 99999999jt", "IZIN 0 0 0",
              "ISI 99999999 juta", "RIWAYAT 99999999", "STOP STOP", "SALDO " * 30, "ISI -50000 123456"],
)  # fmt: skip
def test_whatever_is_written_one_sms_comes_back_and_nothing_moves(town: Town, words: str) -> None:
    house = town.house()
    write(town, house.pairing.phone, words)
    assert len(town.words_to(house)) == 1
    assert not Payment.objects.exists() and not Command.objects.exists()
