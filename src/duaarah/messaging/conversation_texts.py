# SPDX-License-Identifier: Apache-2.0
"""The answers of the SMS conversation beyond buying and balance; part of `texts.TEXTS`, same rules."""

from __future__ import annotations

CONVERSATION_TEXTS: dict[str, dict[str, str]] = {
    "did_you_mean": {
        "id": "Maksud Anda {verbs}? Belum ada yang dilakukan. Kirim lagi, atau BANTUAN utk semua perintah.",
        "en": "Did you mean {verbs}? Nothing was done. Please send it again, or BANTUAN for all commands.",
    },
    "history": {
        "id": "Terisi di meter {meter}: {loads}.",
        "en": "Loaded at meter {meter}: {loads}.",
    },
    "history_empty": {
        "id": "Belum ada token yang terisi di meter {meter}. Balas TOKEN utk token terakhir.",
        "en": "No token has been loaded at meter {meter} yet. Reply TOKEN for the latest token.",
    },
    "threshold_now": {
        "id": "Meter {meter} memberi tahu saat sisa {kwh} kWh. Ubah: BATAS 8 (0,5 sampai 100 kWh).",
        "en": "Meter {meter} warns at {kwh} kWh left. Change it: BATAS 8 (0.5 to 100 kWh).",
    },
    "threshold_now_silent": {
        "id": "Batas meter {meter} {kwh} kWh, tetapi peringatannya berhenti. Balas MULAI utk memulai lagi."
        " Ubah: BATAS 8 (0,5 sampai 100 kWh).",
        "en": "Limit of meter {meter}: {kwh} kWh, but its warnings are stopped. Reply MULAI to get them."
        " Change it: BATAS 8 (0.5 to 100 kWh).",
    },
    "threshold_range": {
        "id": "Batas {given} tidak bisa, tidak ada yang diubah. Pilih 0,5 sampai 100 kWh per 0,5, mis. BATAS 2,5.",
        "en": "{given} is not possible, nothing was changed. Choose 0.5 to 100 kWh in steps of 0.5, e.g. BATAS 2.5.",
    },
    "threshold_set": {
        "id": "Batas baru {kwh} kWh, sudah dijawab meter {meter}. Anda diberi tahu saat stroom di bawahnya.",
        "en": "New limit {kwh} kWh, confirmed by meter {meter}. You are told when the credit falls below it.",
    },
    "threshold_set_silent": {
        "id": "Batas baru {kwh} kWh, sudah dijawab meter {meter}. Peringatannya masih berhenti: balas MULAI utk memulai"
        " lagi.",
        "en": "New limit {kwh} kWh, confirmed by meter {meter}. Its warnings are still stopped: reply MULAI to get them.",
    },
    "threshold_refused": {
        "id": "Meter {meter} menolak batas {kwh} kWh. Batas lama tetap {was} kWh.",
        "en": "Meter {meter} refused the limit of {kwh} kWh. The old one stays: {was} kWh.",
    },
    "threshold_unanswered": {
        "id": "Meter {meter} belum menjawab batas {kwh} kWh. Menurut catatan kami masih {was} kWh. Coba lagi: BATAS.",
        "en": "Meter {meter} did not answer the limit of {kwh} kWh. Our record still says {was} kWh. Try BATAS again.",
    },
    "warnings_off": {
        "id": "Peringatan stroom menipis berhenti utk {meter}. Bukti isi ulang dan stroom habis tetap dikirim."
        " Balas MULAI utk memulai lagi.",
        "en": "Low-credit warnings stopped for {meter}. Receipts and out-of-credit notices still come."
        " Reply MULAI to undo.",
    },
    "warnings_on": {
        "id": "Peringatan stroom menipis aktif lagi utk {meter}. Balas STOP utk menghentikan.",
        "en": "Low-credit warnings are on again for {meter}. Reply STOP to stop them.",
    },
    "not_yet_load": {
        "id": "BEBAN belum tersedia lewat SMS. Yang sudah bisa: SALDO utk sisa kWh, RIWAYAT utk isi ulang terakhir.",
        "en": "BEBAN is not available by SMS yet. What works: SALDO for the kWh left, RIWAYAT for the latest loads.",
    },
    "not_yet_auto": {
        "id": "Isi otomatis belum tersedia, tidak ada yang diatur. Beli dengan ISI 50000 <PIN>,"
        " atur peringatan dengan BATAS 5.",
        "en": "Automatic top-up is not available yet, nothing was set. Buy with ISI 50000 <PIN>,"
        " set the warning with BATAS 5.",
    },
    "not_yet_report": {
        "id": "Laporan lewat SMS belum tersedia, pesan Anda TIDAK dicatat. Gangguan atau bahaya: telepon 123.",
        "en": "Reports by SMS are not available yet, yours was NOT recorded. Fault or danger: please call 123.",
    },
    "not_yet_status": {
        "id": "Status laporan belum tersedia lewat SMS. Silakan telepon 123 dengan nomor laporan Anda.",
        "en": "The state of a report is not available by SMS yet. Please call 123 with your report's number.",
    },
    "not_yet_shop": {
        "id": "Daftar gerai belum tersedia lewat SMS. Token bisa dibeli di ATM/PPOB atau dengan ISI 50000 <PIN>.",
        "en": "The list of shops is not available by SMS yet. Buy tokens at any ATM/PPOB or by ISI 50000 <PIN>.",
    },
    "other_number": {
        "id": "Nomor {here} hanya utk pemberitahuan, pesan Anda tidak dibaca. Kirim ke {number}. Darurat: 123.",
        "en": "{here} is for notices only, your message was not read. Send it to {number}. Emergency: 123.",
    },
    "too_many": {
        "id": "Terlalu banyak SMS, yang ini tidak diproses. Kami menjawab lagi mulai {time}. Darurat: telepon 123.",
        "en": "Too many SMS, this one was not processed. We answer again from {time}. Emergency: call 123.",
    },
    "permit_how": {
        "id": "Beri izin: IZIN <nomor HP> BACA <PIN> atau IZIN <nomor HP> BELI 30 <PIN> (hari)."
        " Cabut: IZIN <nomor HP> HAPUS <PIN>. Belum ada yang diubah.",
        "en": "To permit: IZIN <phone> BACA <PIN> (read) or IZIN <phone> BELI 30 <PIN> (buy, days)."
        " To end: IZIN <phone> HAPUS <PIN>. Nothing was changed.",
    },
    "permit_pin": {
        "id": "PIN salah. Izin tidak diubah. Coba: IZIN <nomor HP> BACA <PIN>.",
        "en": "Wrong PIN. No permission was changed. Try: IZIN <phone> BACA <PIN>.",
    },
    "permit_refused": {
        "id": "Izin tidak diberikan: paling lama 365 hari, paling banyak 5 nomor lain per meter.",
        "en": "No permission was given: 365 days at most, 5 other numbers a meter at most.",
    },
    "permit_given": {
        "id": "Nomor {phone} boleh {verb} utk meter {meter} selama {days} hari. Cabut: IZIN <nomor HP> HAPUS <PIN>.",
        "en": "Number {phone} has the right {verb} on meter {meter} for {days} days. To end: IZIN <phone> HAPUS <PIN>.",
    },
    "permit_ended": {
        "id": "Nomor {phone} tidak punya izin lagi utk meter {meter}.",
        "en": "Number {phone} has no right on meter {meter} any more.",
    },
    "no_right": {
        "id": "Nomor ini tidak punya izin {verb} utk meter {meter}, tidak ada yang dilakukan. Minta pemiliknya.",
        "en": "This number may not use {verb} for meter {meter}, nothing was done. Ask its owner.",
    },
    "bought_for": {
        "id": "Terbeli {nominal} utk meter {meter}. Bukti dan token dikirim ke nomor pemiliknya.",
        "en": "Bought {nominal} for meter {meter}. Receipt and token go to the owner's number.",
    },
}
