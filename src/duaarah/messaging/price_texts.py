# SPDX-License-Identifier: Apache-2.0
"""Why a token holds other energy than the one before; part of `texts.TEXTS`, same rules."""

from __future__ import annotations

PRICE_TEXTS: dict[str, dict[str, str]] = {
    "why_changed": {
        "id": "Meter {meter}: {kwh} kWh ({day}), dulu {was} kWh ({was_day}). Sebab, dlm kWh: {causes}.",
        "en": "Meter {meter}: {kwh} kWh ({day}), before {was} kWh ({was_day}). Why, in kWh: {causes}.",
    },
    "why_nominal": {
        "id": "Meter {meter}: {kwh} kWh utk {nominal} ({day}), dulu {was} kWh utk {was_nominal} ({was_day})."
        " Hanya nominalnya beda; harga dan pajak tetap.",
        "en": "Meter {meter}: {kwh} kWh for {nominal} ({day}), before {was} kWh for {was_nominal} ({was_day})."
        " Only the nominal differs; price and taxes are the same.",
    },
    "why_same": {
        "id": "Meter {meter}: {kwh} kWh utk {nominal} ({day}), sama dgn {was_day}."
        " Tarif, PPJ, PPN, meterai dan angsuran tidak berubah.",
        "en": "Meter {meter}: {kwh} kWh for {nominal} ({day}), the same as {was_day}."
        " Rate, PPJ, PPN, stamp duty and instalment have not changed.",
    },
    "why_first": {
        "id": "Meter {meter}: {kwh} kWh utk {nominal} ({day}). Belum ada token lain utk dibandingkan."
        " Tarif {rate} per kWh.",
        "en": "Meter {meter}: {kwh} kWh for {nominal} ({day}). There is no other token to compare with."
        " Rate {rate} per kWh.",
    },
    "why_unknown": {
        "id": "Token {day} meter {meter} dibeli di tempat lain dan rinciannya tidak ada pada kami."
        " Lihat struknya, atau telepon 123.",
        "en": "The token of {day}, meter {meter}, was bought elsewhere and we do not have its details."
        " See its receipt, or call 123.",
    },
}

# One cause: what was, what is; the energy that it made follows.
CAUSES: dict[str, dict[str, str]] = {
    "nominal": {"id": "nominal {was}->{now}", "en": "nominal {was}->{now}"},
    "admin": {"id": "admin {was}->{now}", "en": "fee {was}->{now}"},
    "stamp": {"id": "meterai {was}->{now}", "en": "stamp {was}->{now}"},
    "instalment": {"id": "angsuran {was}->{now}", "en": "instalment {was}->{now}"},
    "ppj": {"id": "PPJ {was}->{now}", "en": "PPJ {was}->{now}"},
    "ppn": {"id": "PPN {was}->{now}", "en": "PPN {was}->{now}"},
    "rate": {"id": "tarif {was}->{now}/kWh", "en": "rate {was}->{now}/kWh"},
    "discount": {"id": "diskon {was}->{now}", "en": "discount {was}->{now}"},
    "rounding": {"id": "pembulatan", "en": "rounding"},
}
MORE = {"id": "+{number} lain", "en": "+{number} more"}
