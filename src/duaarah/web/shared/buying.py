# SPDX-License-Identifier: Apache-2.0
"""Buying on a page: the price before, one call, a sentence after. A repeated form buys nothing a second time."""

from __future__ import annotations

import datetime as dt
import re

from django.utils.translation import gettext as _

from duaarah.core.tariff import NOMINALS_IDR, QuoteLines
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter, Pairing
from duaarah.vending.models import Channel, Vend
from duaarah.vending.operations import TopUpOutcome, top_up
from duaarah.vending.operations.top_up import (
    NominalRefused,
    NoPrice,
    ReferenceReused,
    TopUpRefused,
    WalletTooLow,
    price,
)
from duaarah.web.shared.templatetags.duaarah import rupiah
from duaarah.wiring.keystores import key_store
from duaarah.wiring.p2apst import token_source
from duaarah.wiring.token_sources import OwnKeys

CHANNEL = "WEB"
OFFERED_IDR = tuple(NOMINALS_IDR)
_REFERENCE = re.compile(r"[0-9a-f-]{36}(?::\d{11,13})?")


class CannotBuy(Exception):
    """Nothing was bought; the message says what to do."""


def nominal_of(text: str | None) -> int:
    """The nominal of a form. Raises CannotBuy."""
    try:
        nominal_idr = int(text or "")
    except ValueError:
        nominal_idr = 0
    if nominal_idr not in NOMINALS_IDR:
        raise CannotBuy(_("Choose one of the nominals. No money has moved."))
    return nominal_idr


def quoted(meter: Meter, nominal_idr: int, now: dt.datetime) -> QuoteLines:
    """What the nominal buys now. Raises CannotBuy."""
    try:
        return price(meter, nominal_idr, now)
    except (NoPrice, NominalRefused) as error:
        raise CannotBuy(_("No price is known for this meter today. No money has moved.")) from error


def purchase(meter: Meter, nominal_idr: int, reference: str, now: dt.datetime) -> TopUpOutcome:
    """One purchase from the holder's wallet, by page or by program. Raises TopUpRefused."""
    # A meter without a modem is bought for as well: its digits go to the customer.
    pairing = pairing_of_meter(meter_id=meter.pk, at=now) or Pairing(meter=meter, phone="")
    return top_up(
        pairing=pairing,
        amount_idr=nominal_idr,
        channel=Channel.objects.get(code=CHANNEL),
        reference=reference,
        token_source=token_source(OwnKeys(key_store())),
        now=now,
    )


def buy(meter: Meter, nominal_idr: int, reference: str, now: dt.datetime) -> Vend:
    """A purchase on a page; `reference` comes from the form. Raises CannotBuy."""
    if not _REFERENCE.fullmatch(reference):
        raise CannotBuy(_("This form is not complete. Open it again; no money has moved."))
    try:
        return purchase(meter, nominal_idr, reference, now).vend
    except WalletTooLow as error:
        words = _("The wallet holds %(wallet)s, that is too little. No money has moved.")
        raise CannotBuy(words % {"wallet": rupiah(error.balance_idr)}) from error
    except ReferenceReused as error:
        raise CannotBuy(_("This form was used for another purchase. Open it again; no money has moved.")) from error
    except TopUpRefused as error:
        raise CannotBuy(_("No price is known for this meter today. No money has moved.")) from error
