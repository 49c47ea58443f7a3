# SPDX-License-Identifier: Apache-2.0
"""The only way for an interface to obtain a meter. An unknown number learns nothing: every refusal reads the same."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import F, QuerySet

from duaarah.registry.models import Delegation, Meter, Pairing


class MeterUnknown(Exception):
    """No such meter for whoever asks; `aliases` are those that he has."""

    code = "meter_unknown"

    def __init__(self, message: str, aliases: list[str] | None = None) -> None:
        super().__init__(message)
        self.aliases = aliases or []


class MeterAmbiguous(Exception):
    """The phone has several meters and the message names none of them."""

    code = "meter_ambiguous"

    def __init__(self, aliases: list[str]) -> None:
        super().__init__("Several meters belong to this number; name one of them.")
        self.aliases = aliases


def pairings_of_phone(*, phone: str, at: dt.datetime) -> list[Pairing]:
    """The pairings of a canonical phone number that are valid at `at`, oldest first; empty for a stranger."""
    return list(
        Pairing.objects.filter(phone=phone, valid__contains=at)
        .select_related("meter__customer__holder", "meter__site", "sim")
        .order_by("id")
    )


@dataclass(frozen=True)
class Reach:
    """A meter that a phone reaches. `right`: "OWN" for the paired phone, else what was delegated: "READ" or "BUY"."""

    pairing: Pairing
    right: str


def reach_of_phone(*, phone: str, at: dt.datetime) -> list[Reach]:
    """All that a canonical phone reaches at `at`: its own meters, then those delegated to it; empty for a stranger."""
    own = [Reach(pairing, "OWN") for pairing in pairings_of_phone(phone=phone, at=at)]
    given = Delegation.objects.filter(phone=phone, valid__contains=at, holder=F("meter__customer__holder"))
    rights = dict(given.values_list("meter_id", "right"))
    if not rights:
        return own
    pairings = (
        Pairing.objects.filter(meter_id__in=rights, valid__contains=at)
        .exclude(phone=phone)
        .select_related("meter__customer__holder", "meter__site", "sim")
        .order_by("id")
    )
    return own + [Reach(pairing, rights[pairing.meter_id]) for pairing in pairings]


def meter_for_phone(*, phone: str, alias: str | None, at: dt.datetime) -> Reach:
    """
    The meter that a phone's SMS is about, and by what right.

    Raises:
        MeterUnknown: the phone reaches nothing, or the alias is none of its sites, meter or customer numbers.
        MeterAmbiguous: several meters and no alias.
    """
    all_reached = reach_of_phone(phone=phone, at=at)
    reached = [r for r in all_reached if alias is None or _is_called(r.pairing.meter, alias)]
    if not reached:
        raise MeterUnknown("No meter belongs to this number.", [_written(r.pairing) for r in all_reached])
    if len(reached) > 1:
        raise MeterAmbiguous([_written(r.pairing) for r in reached])
    return reached[0]


def _is_called(meter: Meter, name: str) -> bool:
    """Whether somebody who writes this means this meter: its site's alias, its number, or its customer's."""
    site, customer = getattr(meter, "site", None), meter.customer
    return (
        (site is not None and site.alias.casefold() == name.casefold())
        or meter.drn == name
        or (customer is not None and customer.idpel == name)
    )


def meter_for_channel(*, drn: str, idpel: str | None, at: dt.datetime) -> Pairing | None:
    """
    The present pairing of a meter that a payment channel names (None for a meter without two-way service).

    Raises:
        MeterUnknown: no such DRN, or it does not belong to the idpel.
    """
    meter = Meter.objects.select_related("customer").filter(drn=drn).first()
    if meter is None or (idpel and (meter.customer is None or meter.customer.idpel != idpel)):
        raise MeterUnknown("The meter number is not known, or does not belong to this customer.")
    return pairing_of_meter(meter_id=meter.pk, at=at)


def pairing_of_meter(*, meter_id: int, at: dt.datetime) -> Pairing | None:
    """The pairing of a meter at `at`, if it has one."""
    return (
        Pairing.objects.filter(meter_id=meter_id, valid__contains=at)
        .select_related("meter__customer__holder", "meter__site", "sim")
        .first()
    )


def pairing_of_sim(*, msisdn: str, at: dt.datetime) -> Pairing | None:
    """The pairing of the meter whose modem holds this SIM at `at`."""
    return (
        Pairing.objects.filter(sim__msisdn=msisdn, valid__contains=at)
        .select_related("meter__customer__holder", "meter__site", "sim")
        .first()
    )


def _written(pairing: Pairing) -> str:
    """What to write for this meter: its site's alias, else its number."""
    site = getattr(pairing.meter, "site", None)
    return site.alias if site is not None and site.alias else pairing.meter.drn


def meters_of_holder(*, holder_id: int) -> QuerySet[Meter]:
    """A holder's own meters, with what their pages show; others do not exist for him."""
    return (
        Meter.objects.filter(customer__holder_id=holder_id)
        .select_related("customer", "site", "invocation_counter", "supply", "ordered_state", "transformer", "forecast")
        .order_by("pk")
    )
