# SPDX-License-Identifier: Apache-2.0
"""
Every SMS text in Bahasa Indonesia and English, in one place: figure first, one GSM 03.38 segment, "Anda", no blame.

A text is data, not code: `render` fills it and refuses what would not fit in one segment. Both languages use the
same placeholders (a test compares them).
"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from duaarah.core.gsm7 import one_segment
from duaarah.messaging.conversation_texts import CONVERSATION_TEXTS
from duaarah.messaging.correction_texts import CORRECTION_TEXTS
from duaarah.messaging.outage_texts import OUTAGE_TEXTS
from duaarah.messaging.price_texts import PRICE_TEXTS
from duaarah.messaging.tmp_texts import TMP_TEXTS

TEXTS: dict[str, dict[str, str]] = {
    "low_credit": {
        "id": "Stroom {kwh} kWh (meter {meter}). Balas: ISI {nominal_plain} {code} utk beli {nominal},"
        " atau beli di ATM/PPOB: terisi sendiri.",
        "en": "{kwh} kWh left (meter {meter}). Reply: ISI {nominal_plain} {code} to buy {nominal},"
        " or buy at any ATM/PPOB: it loads itself.",
    },
    "low_credit_days": {
        "id": "Stroom {kwh} kWh, cukup {days} (meter {meter}). Balas: ISI {nominal_plain} {code} utk beli {nominal},"
        " atau beli di ATM/PPOB: terisi sendiri.",
        "en": "{kwh} kWh left, lasts {days} (meter {meter}). Reply: ISI {nominal_plain} {code} to buy {nominal},"
        " or buy at any ATM/PPOB: it loads itself.",
    },
    "credit_exhausted": {
        "id": "Stroom habis {time}, listrik meter {meter} terputus. Balas: ISI {nominal_plain} {code}"
        " atau beli di ATM/PPOB: nyala sendiri setelah terisi.",
        "en": "Credit ran out at {time}, meter {meter} is off. Reply: ISI {nominal_plain} {code}"
        " or buy at any ATM/PPOB: power returns once loaded.",
    },
    "receipt": {
        "id": "Terisi {kwh} kWh ({nominal}). Saldo {balance} kWh. Token {token}.",
        "en": "Loaded {kwh} kWh ({nominal}). Balance {balance} kWh. Token {token}.",
    },
    "digits_instead": {
        "id": "Meter belum menjawab. Ketik di meter: {token} ({kwh} kWh). Kami coba lagi otomatis.",
        "en": "The meter has not answered yet. Key in at the meter: {token} ({kwh} kWh). We keep trying.",
    },
    "digits_one_way": {
        "id": "Ketik di meter: {token} ({kwh} kWh, {nominal}).",
        "en": "Key in at the meter: {token} ({kwh} kWh, {nominal}).",
    },
    "token_rejected": {
        "id": "Meter {meter} menolak token {kwh} kWh. Uang Anda tidak hilang: petugas kami memeriksanya.",
        "en": "Meter {meter} refused the token of {kwh} kWh. Your money is safe: our staff is looking into it.",
    },
    "refunded": {
        "id": "Pembelian {nominal} batal, tidak ada token. Uang sudah kembali ke dompet Anda.",
        "en": "The purchase of {nominal} was cancelled, no token was made. The money is back in your wallet.",
    },
    "purchase_pending": {
        "id": "Pembelian {nominal} sedang diproses. Token dikirim segera, jangan beli ulang.",
        "en": "Your purchase of {nominal} is in progress. The token follows soon, no need to buy again.",
    },
    "wallet_empty": {
        "id": "Dompet {wallet}, kurang utk {nominal}. Tidak ada yang dibeli. Isi dompet via VA {va},"
        " atau beli token di ATM/PPOB: terisi sendiri.",
        "en": "Wallet {wallet}, not enough for {nominal}. Nothing was bought. Fill it via VA {va},"
        " or buy a token at any ATM/PPOB: it loads itself.",
    },
    "balance": {
        "id": "Saldo {kwh} kWh (meter {meter}), dibaca {time}. Balas BANTUAN utk perintah lain.",
        "en": "Balance {kwh} kWh (meter {meter}), read {time}. Reply BANTUAN for other commands.",
    },
    "balance_days": {
        "id": "Saldo {kwh} kWh, cukup {days} (meter {meter}), dibaca {time}. Balas BANTUAN utk perintah lain.",
        "en": "Balance {kwh} kWh, lasts {days} (meter {meter}), read {time}. Reply BANTUAN for other commands.",
    },
    "balance_unknown": {
        "id": "Meter {meter} belum pernah melapor saldo. Balas BANTUAN utk perintah lain.",
        "en": "Meter {meter} has not reported a balance yet. Reply BANTUAN for other commands.",
    },
    "latest_token": {
        "id": "Token terakhir meter {meter}: {token} ({kwh} kWh, {time}), {state}.",
        "en": "Latest token of meter {meter}: {token} ({kwh} kWh, {time}), {state}.",
    },
    "no_token": {
        "id": "Belum ada token utk meter {meter}. Balas: ISI 50000 <PIN> utk membeli.",
        "en": "There is no token for meter {meter} yet. Reply: ISI 50000 <PIN> to buy one.",
    },
    "help": {
        "id": "SALDO sisa kWh. ISI 50000 <PIN> beli. TOKEN 20 angka. RIWAYAT. KENAPA kWh beda. BATAS 5 peringatan, STOP/MULAI."
        " Banyak lokasi: SALDO BTS014.",
        "en": "SALDO: kWh left. ISI 50000 <PIN>: buy. TOKEN: digits. RIWAYAT: loads. KENAPA: why kWh differ."
        " BATAS 5: warning, STOP/MULAI."
        " Several sites: SALDO BTS014.",
    },
    "not_understood": {
        "id": "Maaf, kami belum mengerti. Coba: SALDO, ISI 50000 <PIN>, TOKEN atau BANTUAN.",
        "en": "Sorry, we did not understand. Try: SALDO, ISI 50000 <PIN>, TOKEN or BANTUAN.",
    },
    "wrong_nominal": {
        "id": "Nominal {given} tidak tersedia, tidak ada yang dibeli. Pilih: {nominals}.",
        "en": "Nominal {given} is not available, nothing was bought. Choose: {nominals}.",
    },
    "nominal_needed": {
        "id": "Tulis nominalnya, mis. ISI 50000 {secret}. Pilihan: {nominals}. Belum ada yang dibeli.",
        "en": "Please add the nominal, e.g. ISI 50000 {secret}. Choose: {nominals}. Nothing was bought.",
    },
    "no_rate": {
        "id": "Harga utk meter {meter} belum tersedia, tidak ada yang dibeli. Hubungi 123.",
        "en": "There is no price for meter {meter} yet, nothing was bought. Please call 123.",
    },
    "pin_needed": {
        "id": "Utk membeli tambah PIN 6 angka Anda: ISI {nominal_plain} <PIN>. Belum ada yang dibeli.",
        "en": "To buy, add your 6-digit PIN: ISI {nominal_plain} <PIN>. Nothing was bought.",
    },
    "code_refused": {
        "id": "Kode salah atau sudah terpakai. Tidak ada yang dibeli. Coba: ISI {nominal_plain} <PIN>.",
        "en": "Wrong or used code. Nothing was bought. Try: ISI {nominal_plain} <PIN>.",
    },
    "pin_refused": {
        "id": "PIN salah, tidak ada yang dibeli. 3 kali salah: terkunci 1 jam. Coba: ISI {nominal_plain} <PIN>.",
        "en": "Wrong PIN, nothing was bought. 3 wrong tries lock it for 1 hour. Try: ISI {nominal_plain} <PIN>.",
    },
    "pin_locked": {
        "id": "PIN terkunci 1 jam karena salah 3 kali. Tidak ada yang dilakukan. Lupa PIN? Hubungi 123.",
        "en": "The PIN is locked for 1 hour after 3 wrong tries. Nothing was done. Forgot it? Call 123.",
    },
    "which_meter": {
        "id": "Anda punya beberapa lokasi. Sebut satu, mis. {example}. Lokasi: {aliases}.",
        "en": "You have several sites. Name one, e.g. {example}. Sites: {aliases}.",
    },
    "meter_unknown": {
        "id": "{given} tidak ada pada nomor ini, tidak ada yang dilakukan. Milik Anda: {aliases}.",
        "en": "{given} is not on this number, nothing was done. Yours: {aliases}.",
    },
    "unknown_sender": {
        "id": "Nomor ini belum dipasangkan dengan meter dua arah. Daftar di gerai atau hubungi 123.",
        "en": "This number is not paired with a two-way meter. Register at a shop or call 123.",
    },
    "faults_used_up_block": {
        "id": "Kuota SMS gangguan meter {meter} bulan ini habis: padam baru dikabari lagi mulai {day}."
        " Peringatan stroom dan token tetap jalan.",
        "en": "Outage SMS of meter {meter} are used up this month: the next ones come from {day} on."
        " Credit warnings and tokens go on.",
    },
    "faults_used_up_borrow": {
        "id": "Kuota SMS gangguan meter {meter} bulan ini habis: SMS padam berikutnya memakai kuota data."
        " Peringatan stroom dan token tetap jalan.",
        "en": "Outage SMS of meter {meter} are used up this month: further ones take from the data SMS."
        " Credit warnings and tokens go on.",
    },
    "faults_used_up_bill": {
        "id": "Kuota SMS gangguan meter {meter} bulan ini habis: SMS padam berikutnya {price} per SMS sampai {day}.",
        "en": "Outage SMS of meter {meter} are used up this month: further ones cost {price} each until {day}.",
    },
    "tokens_used_up_borrow": {
        "id": "Kuota SMS token meter {meter} bulan ini habis. Isi token tetap jalan: memakai kuota lain,"
        " lalu {price} per SMS sampai {day}.",
        "en": "Token SMS of meter {meter} are used up this month. Tokens still load: they take from other SMS,"
        " then {price} each until {day}.",
    },
    "tokens_used_up_bill": {
        "id": "Kuota SMS token meter {meter} bulan ini habis. Isi token tetap jalan: {price} per SMS sampai {day}.",
        "en": "Token SMS of meter {meter} are used up this month. Tokens still load: {price} per SMS until {day}.",
    },
    **CONVERSATION_TEXTS,
    **OUTAGE_TEXTS,
    **PRICE_TEXTS,
    **CORRECTION_TEXTS,
    **TMP_TEXTS,
}

TOKEN_STATES = {
    "PAID": {"id": "diproses", "en": "in progress"},
    "ISSUED": {"id": "menunggu meter", "en": "waiting for the meter"},
    "LOADED": {"id": "sudah terisi", "en": "loaded"},
    "REJECTED": {"id": "ditolak meter", "en": "refused by the meter"},
    "REFUNDED": {"id": "batal", "en": "cancelled"},
}


def render(template: str, language: str, **values: str) -> str:
    """
    One SMS text.

    Raises:
        KeyError: an unknown template, language or a missing value.
        GSM7Error: the text is not one segment of the basic set.
    """
    text = TEXTS[template][language].format(**values)
    one_segment(text)
    return text


def kwh(energy_wh: int, language: str) -> str:
    """`12,4` (id) or `12.4` (en): one decimal, cut (a balance is never shown larger than it is)."""
    whole, tenth = divmod(abs(energy_wh) // 100, 10)
    sign = "-" if energy_wh < 0 and (whole or tenth) else ""
    return f"{sign}{_grouped(whole, language)}{',' if language == 'id' else '.'}{tenth}"


DAYS_SHOWN_MAX = 60


def about_days(days: float, language: str) -> str:
    """`+-3 hari`, `<1 hari`, `>60 hari`: whole days, since no forecast is better than that (English: `+-3 days`)."""
    whole = round(days)
    sign, number = ("<", 1) if days < 1 else (">", DAYS_SHOWN_MAX) if whole > DAYS_SHOWN_MAX else ("+-", whole)
    return f"{sign}{number} {'hari' if language == 'id' else 'day' if number == 1 else 'days'}"


def rupiah(amount_idr: int, language: str) -> str:
    """`Rp50.000` (id) or `Rp50,000` (en)."""
    return f"Rp{_grouped(amount_idr, language)}"


def _grouped(number: int, language: str) -> str:
    text = f"{number:,}"
    return text.replace(",", ".") if language == "id" else text


def token_groups(digits: str) -> str:
    """`1234 5678 9012 3456 7890`."""
    return " ".join(digits[i : i + 4] for i in range(0, 20, 4))


def short_drn(drn: str) -> str:
    """`14...789`: enough to tell one's own meters apart, not enough to be a meter number."""
    return f"{drn[:2]}...{drn[-3:]}"


def local_time(at: dt.datetime, zone: str, language: str) -> str:
    """`23/11 18.40` in the meter's own zone (English: `23/11 18:40`)."""
    local = at.astimezone(ZoneInfo(zone))
    return local.strftime("%d/%m %H.%M" if language == "id" else "%d/%m %H:%M")


def local_day(at: dt.datetime, zone: str) -> str:
    """`23/11` in the meter's own zone."""
    return at.astimezone(ZoneInfo(zone)).strftime("%d/%m")
