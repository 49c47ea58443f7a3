"""A customer texts: thresholds, history, silence, and what is not built yet; each answer read as he would read it."""

from __future__ import annotations

import datetime as dt

import pytest

from duaarah.audit.models import AuditRecord
from duaarah.headend.models import Command
from duaarah.headend.operations import end_leases
from duaarah.messaging.models import Message
from duaarah.messaging.texts import short_drn
from duaarah.notices.askers import tell_unanswered
from duaarah.notices.models import OptOut, ReplyCode, SettingAsk
from duaarah.registry.models import Meter, Pairing, Site
from duaarah.sms.models import InboundSms, PackageEntry
from duaarah.texting import conversation
from duaarah.texting.conversation import answer
from duaarah.texting.grammar import Verb
from duaarah.texting.reply import Reply
from duaarah.texting.verbs import NOT_YET
from duaarah.vending.models import Payment, Vend
from duaarah.vending.operations import top_up
from tests.flows.house import House, Town

pytestmark = pytest.mark.slow


def ask(town: Town, house: House, words: str) -> list[str]:
    """Send one SMS, turn the cranks; returns what came back."""
    before = len(town.words_to(house))
    town.text(house, words)
    town.run()
    return town.words_to(house)[before:]


def held_wh(house: House) -> int:
    return Meter.objects.get(pk=house.meter.pk).low_credit_threshold_wh


def buy(town: Town, house: House, amount_idr: int, reference: str) -> None:
    top_up(
        pairing=house.pairing,
        amount_idr=amount_idr,
        channel=town.channel,
        reference=reference,
        token_source=town.source,
        now=town.now,
    )
    town.run()


# -- BATAS ----------------------------------------------------------------------------------------------------------


def test_batas_is_answered_when_the_meter_has_answered_and_not_before(town: Town) -> None:
    house = town.house()
    town.text(house, "batas 8 kwh")
    town.run(to_meters=False)
    assert town.words_to(house) == [] and held_wh(house) == 5_000

    town.end_leases_now()
    end_leases(now=town.now, backoff_s=0)
    town.run()

    name = short_drn(house.meter.drn)
    assert town.words_to(house) == [
        f"Batas baru 8,0 kWh, sudah dijawab meter {name}. Anda diberi tahu saat stroom di bawahnya."
    ]
    assert held_wh(house) == house.sim.threshold_wh == 8_000
    assert SettingAsk.objects.get().told_at == town.now
    assert AuditRecord.objects.get(verb="notices.order_threshold").actor == f"phone:...{house.pairing.phone[-3:]}"


def test_a_repeat_after_a_crash_orders_once(town: Town) -> None:
    house = town.house()
    town.text(house, "BATAS 8")
    (inbound,) = InboundSms.objects.all()
    answer(inbound_id=inbound.pk, token_source=town.source, now=town.now)
    # The process died after the order and before its SMS was closed.
    InboundSms.objects.filter(pk=inbound.pk).update(state="RECEIVED")
    answer(inbound_id=inbound.pk, token_source=town.source, now=town.now)
    town.run()
    assert Command.objects.count() == 1
    assert len(town.words_to(house)) == 1


def test_a_meter_that_refuses_a_threshold_is_quoted(town: Town) -> None:
    house = town.house()
    model = house.sim.model
    house.sim.model = type(model)(**{
        name: getattr(model, name) for name in model.__slots__ if name != "threshold"
    }, threshold=(1, model.credit_obis, 1))  # fmt: skip
    name = short_drn(house.meter.drn)
    assert ask(town, house, "BATAS 2,5") == [f"Meter {name} menolak batas 2,5 kWh. Batas lama tetap 5,0 kWh."]
    assert held_wh(house) == 5_000


def test_a_meter_that_never_answers_is_admitted_once(town: Town) -> None:
    house = town.house()
    town.text(house, "BATAS 8")
    town.run(to_meters=False)
    assert tell_unanswered(now=town.now) == 0
    town.now += dt.timedelta(days=7)
    end_leases(now=town.now, backoff_s=0)
    assert [tell_unanswered(now=town.now) for _ in range(2)] == [1, 0]
    town.run()
    name = short_drn(house.meter.drn)
    assert town.words_to(house) == [
        f"Meter {name} belum menjawab batas 8,0 kWh. Menurut catatan kami masih 5,0 kWh. Coba lagi: BATAS."
    ]


def test_a_newer_order_speaks_for_an_older_one(town: Town) -> None:
    house = town.house()
    town.text(house, "BATAS 8")
    town.text(house, "BATAS 9")
    town.run()
    assert tell_unanswered(now=town.now) == 1
    town.run()
    assert [words[:19] for words in town.words_to(house)] == ["Batas baru 9,0 kWh,"]


@pytest.mark.parametrize("given", ["0,7", "1.500", "0", "200"])
def test_a_threshold_out_of_range_changes_nothing(town: Town, given: str) -> None:
    house = town.house()
    assert ask(town, house, f"BATAS {given}") == [
        f"Batas {given} tidak bisa, tidak ada yang diubah. Pilih 0,5 sampai 100 kWh per 0,5, mis. BATAS 2,5."
    ]
    assert not Command.objects.exists() and not SettingAsk.objects.exists() and held_wh(house) == 5_000
    assert AuditRecord.objects.get(refused=True).code == "threshold_range"


def test_batas_alone_tells_the_present_one(town: Town) -> None:
    house = town.house()
    name = short_drn(house.meter.drn)
    assert ask(town, house, "BATAS") == [
        f"Meter {name} memberi tahu saat sisa 5,0 kWh. Ubah: BATAS 8 (0,5 sampai 100 kWh)."
    ]


# -- RIWAYAT --------------------------------------------------------------------------------------------------------


def test_riwayat_tells_the_latest_loads_newest_first(town: Town) -> None:
    house = town.house()
    name = short_drn(house.meter.drn)
    assert ask(town, house, "RIWAYAT") == [
        f"Belum ada token yang terisi di meter {name}. Balas TOKEN utk token terakhir."
    ]
    buy(town, house, 50_000, "a")
    town.now += dt.timedelta(days=1)
    buy(town, house, 20_000, "b")
    second = Vend.objects.latest("pk").encoded_wh
    assert second is not None
    tenths = second // 100
    latest = f"17/02 Rp20.000 {tenths // 10},{tenths % 10} kWh"
    assert ask(town, house, "riwayat") == [f"Terisi di meter {name}: {latest}; 16/02 Rp50.000 33,6 kWh."]
    assert ask(town, house, "riwayat 1") == [f"Terisi di meter {name}: {latest}."]


def test_another_customers_history_is_not_told(town: Town) -> None:
    mine, other = town.house(), town.house()
    buy(town, other, 50_000, "a")
    (words,) = ask(town, mine, f"RIWAYAT {other.meter.drn}")
    assert (
        words == f"{other.meter.drn} tidak ada pada nomor ini, tidak ada yang dilakukan. Milik Anda: {mine.meter.drn}."
    )
    # No meter at all gets the same words: nothing is learned.
    (words,) = ask(town, mine, "RIWAYAT 99999999999")
    assert words == f"99999999999 tidak ada pada nomor ini, tidak ada yang dilakukan. Milik Anda: {mine.meter.drn}."


# -- STOP and MULAI -------------------------------------------------------------------------------------------------


def test_stop_silences_the_low_credit_warning_never_the_receipt_and_mulai_undoes_it(town: Town) -> None:
    house = town.house()
    name = short_drn(house.meter.drn)
    stopped = (
        f"Peringatan stroom menipis berhenti utk {name}. Bukti isi ulang dan stroom habis tetap dikirim."
        " Balas MULAI utk memulai lagi."
    )
    assert ask(town, house, "STOP") == [stopped] == ask(town, house, "stop")
    assert OptOut.objects.count() == 1

    town.use(house, 1_200)
    town.run()
    assert len(town.words_to(house)) == 2 and not ReplyCode.objects.exists()
    buy(town, house, 50_000, "a")
    assert town.words_to(house)[-1].startswith("Terisi 33,6 kWh")
    town.use(house, 40_000)
    town.run()
    assert town.words_to(house)[-1].startswith("Stroom habis")

    assert ask(town, house, "MULAI") == [
        f"Peringatan stroom menipis aktif lagi utk {name}. Balas STOP utk menghentikan."
    ]
    assert not OptOut.objects.exists()
    assert AuditRecord.objects.filter(verb="notices.stop_warnings").count() == 1
    assert AuditRecord.objects.filter(verb="notices.start_warnings").count() == 1


def test_batas_after_stop_does_not_promise_a_warning(town: Town) -> None:
    house = town.house()
    name = short_drn(house.meter.drn)
    ask(town, house, "STOP")
    silent = (
        f"Batas baru 8,0 kWh, sudah dijawab meter {name}. Peringatannya masih berhenti: balas MULAI utk memulai lagi."
    )
    assert ask(town, house, "BATAS 8") == [silent]
    assert held_wh(house) == 8_000
    assert ask(town, house, "BATAS") == [
        f"Batas meter {name} 8,0 kWh, tetapi peringatannya berhenti. Balas MULAI utk memulai lagi."
        " Ubah: BATAS 8 (0,5 sampai 100 kWh)."
    ]
    ask(town, house, "MULAI")
    assert ask(town, house, "BATAS") == [
        f"Meter {name} memberi tahu saat sisa 8,0 kWh. Ubah: BATAS 8 (0,5 sampai 100 kWh)."
    ]


def test_stop_of_one_site_leaves_the_others(town: Town) -> None:
    first, second = town.house(), town.house()
    for house, alias in ((first, "BTS014"), (second, "BTS022")):
        Pairing.objects.filter(pk=house.pairing.pk).update(phone=first.pairing.phone)
        Site.objects.create(holder=first.holder, meter=house.meter, alias=alias, name=alias, kind="BTS")
    ask(town, first, "STOP BTS014")
    assert list(OptOut.objects.values_list("meter_id", flat=True)) == [first.meter.pk]
    (words,) = ask(town, first, "STOP")
    assert words.startswith("Peringatan stroom menipis berhenti utk BTS014, BTS022.")
    assert OptOut.objects.count() == 2


# -- Not yet, and unsure --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("BEBAN", "BEBAN belum tersedia lewat SMS."),
        ("AUTO 50000 5 200000", "Tulis lengkap: AUTO <nominal> <batas kWh> <plafon sebulan> <PIN>"),
        ("LAPOR lampu padam", "Laporan lewat SMS belum tersedia, pesan Anda TIDAK dicatat."),
        ("STATUS 12", "Status laporan belum tersedia lewat SMS."),
        ("GERAI", "Daftar gerai belum tersedia lewat SMS."),
        ("TOKE", "Maksud Anda TOKEN / GERAI? Belum ada yang dilakukan."),
        ("BELU 50rb", "Maksud Anda ISI? Belum ada yang dilakukan."),
    ],
)
def test_what_is_not_done_is_said_and_nothing_moves(town: Town, words: str, said: str) -> None:
    house = town.house()
    (reply,) = ask(town, house, words)
    assert reply.startswith(said)
    assert not Payment.objects.exists() and not Command.objects.exists()


def test_the_class_of_a_fault_report_follows_the_table_when_it_is_built(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = town.house()
    for words in ("LAPOR padam", "STATUS 12"):
        ask(town, house, words)
    assert set(PackageEntry.objects.filter(inbound__kind="TEXT").values_list("message_class", flat=True)) == {
        "CUSTOMER_MO"
    }
    built = dict(NOT_YET)
    monkeypatch.setattr(conversation, "NOT_YET", {Verb.LOAD: built[Verb.LOAD]})
    reply = Reply("help", {}, "help")
    monkeypatch.setattr(conversation, "_reply", lambda *given: (reply, house.pairing))
    for words in ("LAPOR padam", "STATUS 12", "BEBAN", "SALDO", "apa"):
        ask(town, house, words)
    booked = PackageEntry.objects.filter(inbound__kind="TEXT").order_by("id").values_list("message_class", flat=True)
    assert list(booked[2:]) == ["FAULT_MO", "FAULT_MO", "CUSTOMER_MO", "CUSTOMER_MO", "CUSTOMER_MO"]


def test_these_verbs_still_say_that_they_are_not_built() -> None:
    assert set(NOT_YET) == {Verb.LOAD, Verb.REPORT, Verb.STATUS, Verb.SHOP}


def test_a_typing_error_with_a_pin_buys_and_no_message_repeats_the_pin(town: Town) -> None:
    house = town.house()
    ask(town, house, "BELU 50rb 123456")
    assert Vend.objects.get().state == "LOADED"
    ask(town, house, "ISI 123456")
    assert not [text for text in Message.objects.values_list("text", flat=True) if "123456" in text]
