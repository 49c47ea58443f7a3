# SPDX-License-Identifier: Apache-2.0
"""How a customer is spoken to: in which language, and by which name his meter goes."""

from __future__ import annotations

from duaarah.messaging.texts import short_drn
from duaarah.people.models import Language
from duaarah.registry.models import Pairing, Site


def language_of(pairing: Pairing) -> str:
    """The holder's language; Bahasa Indonesia for a meter without a customer."""
    customer = pairing.meter.customer
    return customer.holder.language if customer is not None else Language.INDONESIAN


def meter_name(pairing: Pairing) -> str:
    """A site by its alias, a home by the ends of its number."""
    site = getattr(pairing.meter, "site", None)
    return site.alias if site is not None and site.kind != Site.Kind.HOME else short_drn(pairing.meter.drn)
