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
    "auto_set": {
        "id": "Isi otomatis aktif di meter {meter}: {nominal} bila stroom di bawah {kwh} kWh, plafon {budget} sebulan dari"
        " dompet. Berhenti: AUTO OFF.",
        "en": "Automatic top-up is on for meter {meter}: {nominal} below {kwh} kWh, {budget} a month at most from your"
        " wallet. Stop: AUTO OFF.",
    },
    "auto_now": {
        "id": "Isi otomatis {meter}: {nominal} bila di bawah {at}. Plafon {budget}, sisa bulan ini {left}."
        " Berhenti: AUTO OFF.",
        "en": "Automatic top-up {meter}: {nominal} below {at}. Budget {budget}, left this month {left}. Stop: AUTO OFF.",
    },
    "auto_paused": {
        "id": "Isi otomatis {meter} berhenti sementara: dompet {wallet}, kurang utk {nominal}. Isi dompet via VA {va}:"
        " jalan lagi sendiri.",
        "en": "Automatic top-up {meter} is paused: wallet {wallet}, not enough for {nominal}. Fill it via VA {va}:"
        " it goes on by itself.",
    },
    "auto_none": {
        "id": "Isi otomatis belum aktif di meter {meter}. Mis. AUTO 50000 5 300000 <PIN>: beli Rp50.000 bila di bawah"
        " 5 kWh, paling banyak Rp300.000 sebulan.",
        "en": "No automatic top-up for meter {meter}. E.g. AUTO 50000 5 300000 <PIN>: buys Rp50,000 below 5 kWh,"
        " at most Rp300,000 a month.",
    },
    "auto_off": {
        "id": "Isi otomatis berhenti di meter {meter}. Peringatan stroom tetap dikirim, beli dengan ISI 50000 <PIN>.",
        "en": "Automatic top-up stopped for meter {meter}. Warnings still come, buy with ISI 50000 <PIN>.",
    },
    "auto_of_many": {
        "id": "Meter {meter} ikut aturan isi otomatis utk beberapa lokasi. Ubah atau hentikan di halaman armada.",
        "en": "Meter {meter} is under a rule for several sites. Change or stop it on the fleet page.",
    },
    "auto_how": {
        "id": "Tulis lengkap: AUTO <nominal> <batas kWh> <plafon sebulan> <PIN>, mis. AUTO 50000 5 300000 <PIN>."
        " Tidak ada yang diatur.",
        "en": "Please write: AUTO <nominal> <kWh> <budget a month> <PIN>, e.g. AUTO 50000 5 300000 <PIN>."
        " Nothing was set.",
    },
    "auto_pin": {
        "id": "PIN salah, isi otomatis tidak diatur. 3 kali salah: terkunci 1 jam. Coba: AUTO 50000 5 300000 <PIN>.",
        "en": "Wrong PIN, no automatic top-up was set. 3 wrong tries lock it for 1 hour. Try: AUTO 50000 5 300000 <PIN>.",
    },
    "auto_refused": {
        "id": "Isi otomatis tidak diatur: nominal {nominals}; batas 0,5-1000 kWh; plafon paling sedikit satu nominal.",
        "en": "No automatic top-up was set: nominal {nominals}; 0.5-1000 kWh; a budget of one nominal at least.",
    },
    "auto_wallet": {
        "id": "Isi otomatis {meter} berhenti sementara: dompet {wallet}, kurang utk {nominal}. Isi dompet via VA {va}:"
        " jalan lagi sendiri.",
        "en": "Automatic top-up {meter} is paused: wallet {wallet}, not enough for {nominal}. Fill it via VA {va}:"
        " it goes on by itself.",
    },
    "auto_budget": {
        "id": "Plafon isi otomatis {budget} bulan ini terpakai, meter {meter} tidak diisi lagi. Beli: ISI 50000 <PIN>"
        " atau naikkan plafon dengan AUTO.",
        "en": "The automatic budget of {budget} is used up this month, meter {meter} is not filled. Buy: ISI 50000 <PIN>"
        " or raise it by AUTO.",
    },
    "auto_cap": {
        "id": "Meter {meter} sudah mencapai batas 720 jam ({kwh} kWh sebulan): isi otomatis menunggu bulan depan.",
        "en": "Meter {meter} has reached the 720-hour cap ({kwh} kWh a month): automatic top-up waits for next month.",
    },
    "auto_no_price": {
        "id": "Harga utk meter {meter} belum tersedia: isi otomatis berhenti, tidak ada yang dibeli. Hubungi 123.",
        "en": "There is no price for meter {meter}: automatic top-up has stopped, nothing was bought. Please call 123.",
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
