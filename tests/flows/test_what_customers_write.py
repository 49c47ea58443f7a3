"""
SMS as customers really write them: typing errors, sums, aliases, wrong PINs, a friend's phone, the wrong number.

One town, one database: each row is one SMS and the whole text of its one answer (up to `~`, where digits of a token follow).
"""

from __future__ import annotations

import pytest

from duaarah.core.gsm7 import encode, septets
from duaarah.messaging.models import AnswerLimit, Message
from duaarah.people.models import AccountHolder, Customer
from duaarah.registry.models import Pairing, Site
from duaarah.sms.models import InboundSms, PackageEntry
from duaarah.vending.models import Payment
from tests.flows.house import House, Town

pytestmark = pytest.mark.slow
STRANGER, FRIEND = "6281299999999", "6281299990001"
NO_BALANCE = "Meter 99...010 belum pernah melapor saldo. Balas BANTUAN utk perintah lain."
NOT_UNDERSTOOD = "Maaf, kami belum mengerti. Coba: SALDO, ISI 50000 <PIN>, TOKEN atau BANTUAN."
NOMINALS = "20rb, 50rb, 100rb, 200rb, 250rb, 500rb, 1jt"
NOMINAL_NEEDED = f"Tulis nominalnya, mis. ISI 50000 <PIN>. Pilihan: {NOMINALS}. Belum ada yang dibeli."
ADD_PIN = "Utk membeli tambah PIN 6 angka Anda: ISI 50000 <PIN>. Belum ada yang dibeli."
BOUGHT = "Terisi 33,6 kWh (Rp50.000). Saldo {} kWh. Token ~"
DID_YOU_MEAN = "Maksud Anda {}? Belum ada yang dilakukan. Kirim lagi, atau BANTUAN utk semua perintah."
HELP = (
    "SALDO sisa kWh. ISI 50000 <PIN> beli. TOKEN 20 angka. RIWAYAT. KENAPA kWh beda. BATAS 5 peringatan, STOP/MULAI."
    " Banyak lokasi: SALDO BTS014."
)
STOPPED = (
    "Peringatan stroom menipis berhenti utk {}. Bukti isi ulang dan stroom habis tetap dikirim."
    " Balas MULAI utk memulai lagi."
)
WHICH = "Anda punya beberapa lokasi. Sebut satu, mis. {}. Lokasi: BTS014, BTS022."
NO_RIGHT = "Nomor ini tidak punya izin {} utk meter 99...010, tidak ada yang dilakukan. Minta pemiliknya."
UNPAIRED = "Nomor ini belum dipasangkan dengan meter dua arah. Daftar di gerai atau hubungi 123."
LOCKED = "The PIN is locked for 1 hour after 3 wrong tries. Nothing was done. Forgot it? Call 123."
NO_REPORT = "Laporan lewat SMS belum tersedia, pesan Anda TIDAK dicatat. Gangguan atau bahaya: telepon 123."

READS = [
    ("SALDO", NO_BALANCE),
    ("saldo?", NO_BALANCE),
    ("Cek saldo dong", NO_BALANCE),
    ("selamat pagi, saldo saya berapa ya", NO_BALANCE),
    ("SLADO", NO_BALANCE),
    ("cek slado", NO_BALANCE),
    ("sisa token", NO_BALANCE),
    ("saldo 99000000010", NO_BALANCE),
    ("saldo 535110000001", NO_BALANCE),
    ("SALDO \N{THUMBS UP SIGN}", NO_BALANCE),
    ("SALDO 123456", NO_BALANCE),
    ("saldo 99000000028", "99000000028 tidak ada pada nomor ini, tidak ada yang dilakukan. Milik Anda: 99000000010."),
    ("SALDO BTS999", "BTS999 tidak ada pada nomor ini, tidak ada yang dilakukan. Milik Anda: 99000000010."),
    ("token", "Belum ada token utk meter 99...010. Balas: ISI 50000 <PIN> utk membeli."),
    ("halo", NOT_UNDERSTOOD),
    ("terima kasih", NOT_UNDERSTOOD),
    ("info", HELP),
    ("tolong bantuan", HELP),
    ("TOKE", DID_YOU_MEAN.format("TOKEN / GERAI")),
    ("mati lampu dari tadi pagi", NO_REPORT),
    ("listrik mati", NO_REPORT),
    ("lapor kabel putus di jalan", NO_REPORT),
]
BUYS = [
    ("ISI", NOMINAL_NEEDED),
    ("ISI 123456", NOMINAL_NEEDED),
    ("isi k7p", NOMINAL_NEEDED.replace("<PIN>", "K7P")),
    ("isi 50rb", ADD_PIN),
    ("isi 50rb 1234", ADD_PIN),
    ("isi 50rb 654321", "PIN salah, tidak ada yang dibeli. 3 kali salah: terkunci 1 jam. Coba: ISI 50000 <PIN>."),
    ("ISI 50000 K7P", "Kode salah atau sudah terpakai. Tidak ada yang dibeli. Coba: ISI 50000 <PIN>."),
    ("isi 75rb 123456", f"Nominal 75rb tidak tersedia, tidak ada yang dibeli. Pilih: {NOMINALS}."),
    ("isi 50", f"Nominal 50 tidak tersedia, tidak ada yang dibeli. Pilih: {NOMINALS}."),
    ("beli 5 6 7", NOT_UNDERSTOOD),
    ("BELU 50rb", DID_YOU_MEAN.format("ISI")),
    ("50000 123456", DID_YOU_MEAN.format("ISI")),
    ("50rb k7p", DID_YOU_MEAN.format("ISI")),
    ("isi token 50rb 123456", BOUGHT.format("39,6")),
    ("ISI#50000#123456", BOUGHT.format("73,2")),
    ("beli pulsa listrik 50.000 123456", BOUGHT.format("106,8")),
    ("ISI50000 123456", BOUGHT.format("140,4")),
    ("isi 50 000 pin 123456", BOUGHT.format("174,0")),
    ("isi rp.50.000,- 123456", BOUGHT.format("207,6")),
    ("tolong isi 50rbu ya 123456", BOUGHT.format("241,2")),
    ("BELU 50rb 123456", BOUGHT.format("274,8")),
    ("isi 1jt 123456", "Dompet Rp600.000, kurang utk Rp1.000.000. Tidak ada yang dibeli. Isi dompet via VA 888535110000001,"
     " atau beli token di ATM/PPOB: terisi sendiri."),
    ("minta token terakhir", "Token terakhir meter 99...010: ~"),
    ("riwayat isi 1", "Terisi di meter 99...010: 16/02 Rp50.000 33,6 kWh."),
]  # fmt: skip
SETS = [
    ("ubah batas 8", "Batas baru 8,0 kWh, sudah dijawab meter 99...010. Anda diberi tahu saat stroom di bawahnya."),
    ("BATAS 2,5 123456", "Batas baru 2,5 kWh, sudah dijawab meter 99...010. Anda diberi tahu saat stroom di bawahnya."),
    ("BATAS 123456", "Meter 99...010 memberi tahu saat sisa 2,5 kWh. Ubah: BATAS 8 (0,5 sampai 100 kWh)."),
    ("batas 0,7", "Batas 0,7 tidak bisa, tidak ada yang diubah. Pilih 0,5 sampai 100 kWh per 0,5, mis. BATAS 2,5."),
    ("stop peringatan", STOPPED.format("99...010")),
    ("batas", "Batas meter 99...010 2,5 kWh, tetapi peringatannya berhenti. Balas MULAI utk memulai lagi."
     " Ubah: BATAS 8 (0,5 sampai 100 kWh)."),
    ("batas 6", "Batas baru 6,0 kWh, sudah dijawab meter 99...010. Peringatannya masih berhenti: balas MULAI utk memulai lagi."),
    ("mulai mulai", "Peringatan stroom menipis aktif lagi utk 99...010. Balas STOP utk menghentikan."),
    ("UNREG", STOPPED.format("99...010")),
    ("izin 081299990001 beli 111111", "PIN salah. Izin tidak diubah. Coba: IZIN <nomor HP> BACA <PIN>."),
    ("izin 081299990001 beli 400 123456",
     "Izin tidak diberikan: paling lama 365 hari, paling banyak 5 nomor lain per meter."),
    ("izin 081299990001 beli 30 123456",
     "Nomor ...001 boleh BELI utk meter 99...010 selama 30 hari. Cabut: IZIN <nomor HP> HAPUS <PIN>."),
]  # fmt: skip
FRIENDS = [
    ("saldo", "Saldo 274,8 kWh (meter 99...010), dibaca 16/02 08.00. Balas BANTUAN utk perintah lain."),
    ("isi 50rb", ADD_PIN),
    ("isi 50rb 123456", "Terbeli Rp50.000 utk meter 99...010. Bukti dan token dikirim ke nomor pemiliknya."),
    ("batas 5", NO_RIGHT.format("BATAS")),
    ("stop", NO_RIGHT.format("STOP")),
    ("izin 081299990002 baca 123456", NO_RIGHT.format("IZIN")),
]
SITES = [
    ("saldo", WHICH.format("SALDO BTS014")),
    ("isi 100rb 123456", WHICH.format("ISI BTS014 100000 <PIN>")),
    ("batas 2,5", WHICH.format("BATAS BTS014 2,5")),
    (
        "isi bts999 100000 123456",
        "BTS999 tidak ada pada nomor ini, tidak ada yang dilakukan. Milik Anda: BTS014, BTS022.",
    ),
    ("isi bts022 100000 123456", "Terisi 67,2 kWh (Rp100.000). Saldo 73,2 kWh. Token ~"),
    ("ISI*BTS022*100000*123456", "Terisi 67,2 kWh (Rp100.000). Saldo 140,4 kWh. Token ~"),
    ("stop bts014", STOPPED.format("BTS014")),
    ("stop", STOPPED.format("BTS014, BTS022")),
]
ENGLISH = [
    ("BALANCE", "Meter 99...044 has not reported a balance yet. Reply BANTUAN for other commands."),
    ("buy", f"Please add the nominal, e.g. ISI 50000 <PIN>. Choose: {NOMINALS}. Nothing was bought."),
    ("buy 50k", "To buy, add your 6-digit PIN: ISI 50000 <PIN>. Nothing was bought."),
    ("STOP", "Low-credit warnings stopped for 99...044. Receipts and out-of-credit notices still come. Reply MULAI to undo."),
    ("limit", "Limit of meter 99...044: 5.0 kWh, but its warnings are stopped. Reply MULAI to get them."
     " Change it: BATAS 8 (0.5 to 100 kWh)."),
    ("limit 6", "New limit 6.0 kWh, confirmed by meter 99...044. Its warnings are still stopped: reply MULAI to get them."),
    ("buy XYZ1 50k 123456", "XYZ1 is not on this number, nothing was done. Yours: 99000000044."),
    ("buy 50k 111111", "Wrong PIN, nothing was bought. 3 wrong tries lock it for 1 hour. Try: ISI 50000 <PIN>."),
    ("buy 50k 222222", "Wrong PIN, nothing was bought. 3 wrong tries lock it for 1 hour. Try: ISI 50000 <PIN>."),
    ("buy 50k 333333", LOCKED),
    ("buy 50k 123456", LOCKED),
    ("izin 081299990003 baca 123456", LOCKED),
]  # fmt: skip
STRANGERS = [("saldo", UNPAIRED), ("saldo 99000000010", UNPAIRED), ("isi 50000 123456", UNPAIRED)]


def send(town: Town, source: str, words: str, to: str = "3123") -> str:
    """The answer to one SMS; empty when none came."""
    before = len(town.inbox.get(source, []))
    basic = words.isascii()
    payload = encode(words) if basic else words.encode("utf-16-be")
    row = town.arrive(source=source, payload=payload, kind="TEXT", data_coding=0 if basic else 8)
    InboundSms.objects.filter(pk=row).update(destination=to)
    town.run()
    said = town.inbox.get(source, [])[before:]
    assert len(said) <= 1 and all(septets(text) <= 160 for text in said), (words, said)
    return said[0] if said else ""


def play(town: Town, source: str, rows: list[tuple[str, str]]) -> None:
    heard = []
    for words, expected in rows:
        said = send(town, source, words)
        beginning = expected.removesuffix("~")
        shown = expected if beginning != expected and said.startswith(beginning) else said
        heard.append((words, shown))
    assert heard == rows


def two_sites(town: Town) -> House:
    first, second = town.house(), town.house()
    for house, alias in ((first, "BTS014"), (second, "BTS022")):
        Pairing.objects.filter(pk=house.pairing.pk).update(phone=first.pairing.phone)
        Customer.objects.filter(pk=house.meter.customer_id).update(holder=first.holder)
        Site.objects.create(holder=first.holder, meter=house.meter, alias=alias, name=alias, kind="BTS")
    return first


def test_what_customers_write_and_the_whole_of_what_we_answer(town: Town) -> None:
    town.bind.short_codes = ["3123", "8123"]
    town.bind.save()
    # The limits of answers are another test's.
    AnswerLimit.objects.update(answers_max=1_000)
    home, sites, english = town.house(wallet_idr=1_000_000), two_sites(town), town.house()
    AccountHolder.objects.filter(pk=english.holder.pk).update(language="en")
    phone = home.pairing.phone

    play(town, phone, READS)
    assert not Payment.objects.exists()
    play(town, phone, BUYS)
    assert Payment.objects.count() == 8
    play(town, phone, SETS)
    play(town, FRIEND, FRIENDS)
    assert Payment.objects.count() == 9 and town.words_to(home)[-1].startswith(
        "Terisi 33,6 kWh (Rp50.000). Saldo 308,4"
    )
    play(town, phone, [("izin 081299990001 hapus 123456", "Nomor ...001 tidak punya izin lagi utk meter 99...010.")])
    play(town, FRIEND, [("saldo", UNPAIRED)])
    play(town, sites.pairing.phone, SITES)
    play(town, english.pairing.phone, ENGLISH)
    play(town, STRANGER, STRANGERS)
    assert Payment.objects.count() == 11

    notices_only = "Nomor 8123 hanya utk pemberitahuan, pesan Anda tidak dibaca. Kirim ke 3123. Darurat: 123."
    assert [send(town, phone, "isi 50000 123456", to="8123") for _ in range(2)] == [notices_only, ""]
    assert send(town, STRANGER, "stop", to="8123") == notices_only
    assert Payment.objects.count() == 11

    # No answer repeats a PIN, and what is not built yet is no fault report.
    assert not [text for text in Message.objects.values_list("text", flat=True) if "123456" in text or "654321" in text]
    assert not PackageEntry.objects.filter(message_class="FAULT_MO").exists()
