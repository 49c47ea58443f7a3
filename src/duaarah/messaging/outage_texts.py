# SPDX-License-Identifier: Apache-2.0
"""SMS of outages: off, back, planned, called off. Part of `texts.TEXTS`."""

OUTAGE_TEXTS: dict[str, dict[str, str]] = {
    "outage": {
        "id": "Listrik padam di wilayah Anda sejak {since} (meter {meter}). Bukan karena stroom. Petugas kami menanganinya.",
        "en": "Power outage in your area since {since} (meter {meter}). Not because of credit. Our crew is on it.",
    },
    "outage_credit": {
        "id": "Listrik padam di wilayah Anda sejak {since} (meter {meter}). Bukan karena stroom (saldo {kwh} kWh)."
        " Petugas kami menanganinya.",
        "en": "Power outage in your area since {since} (meter {meter}). Not because of credit ({kwh} kWh left)."
        " Our crew is on it.",
    },
    "outage_until": {
        "id": "Listrik padam di wilayah Anda sejak {since} (meter {meter}). Perkiraan nyala {until}. Bukan karena stroom.",
        "en": "Power outage in your area since {since} (meter {meter}). Expected back {until}. Not because of credit.",
    },
    "outage_until_credit": {
        "id": "Listrik padam di wilayah Anda sejak {since} (meter {meter}). Perkiraan nyala {until}."
        " Bukan karena stroom (saldo {kwh} kWh).",
        "en": "Power outage in your area since {since} (meter {meter}). Expected back {until}."
        " Not because of credit ({kwh} kWh left).",
    },
    "outage_over": {
        "id": "Listrik di wilayah Anda sudah menyala kembali (meter {meter}). Terima kasih atas kesabaran Anda.",
        "en": "Power is back in your area (meter {meter}). Thank you for your patience.",
    },
    "outage_planned": {
        "id": "Pemeliharaan jaringan: listrik meter {meter} padam {begin} sampai {end}. Kami mengabari bila berubah.",
        "en": "Planned work on the grid: meter {meter} will be off {begin} to {end}. We tell you if this changes.",
    },
    "outage_called_off": {
        "id": "Pemeliharaan {begin} batal: listrik meter {meter} tidak dipadamkan.",
        "en": "The planned work of {begin} is called off: meter {meter} stays on.",
    },
}
