# SPDX-License-Identifier: Apache-2.0
"""SMS texts for a purchase that was taken back before it was loaded; see texts.py."""

from __future__ import annotations

CORRECTION_TEXTS: dict[str, dict[str, str]] = {
    "taken_back": {
        "id": "Pembelian {nominal} utk meter {meter} dibatalkan sebelum terisi. Uang {total} sudah kembali. Tidak ada token.",
        "en": "The purchase of {nominal} for meter {meter} was taken back before it loaded. {total} is back. There is no token.",
    },
    "moved": {
        "id": "Pembelian {nominal} dipindah dari meter {old} ke meter {meter}: {kwh} kWh. Token meter lama batal.",
        "en": "Your purchase of {nominal} was moved from meter {old} to meter {meter}: {kwh} kWh. The old one is void.",
    },
    "not_moved": {
        "id": "Pembelian {nominal} belum bisa dipindah ke meter {meter}. Uang {total} sudah kembali; silakan beli lagi.",
        "en": "The purchase of {nominal} could not be moved to meter {meter}. {total} is back; please buy again.",
    },
}
