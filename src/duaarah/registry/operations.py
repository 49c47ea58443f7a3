# SPDX-License-Identifier: Apache-2.0
"""Verbs of the registry: a SIM's state, and new prices from a day on."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from django.db import transaction

from duaarah.audit import operations as audit
from duaarah.registry.models import CatalogueItem, CataloguePrice, Pairing, Sim

PRICE_MAX_IDR = 100_000_000
REASON_MAX = 400
_WIB = ZoneInfo("Asia/Jakarta")
_S = Sim.State
# What may follow what. A SIM is made active in its modem, never in the drawer; what has ended stays ended.
NEXT: dict[str, tuple[str, ...]] = {
    _S.IN_STOCK: (_S.IN_MODEM, _S.ENDED),
    _S.IN_MODEM: (_S.ACTIVE, _S.IN_STOCK, _S.ENDED),
    _S.ACTIVE: (_S.SUSPENDED, _S.ENDED),
    _S.SUSPENDED: (_S.ACTIVE, _S.ENDED),
    _S.ENDED: (),
}


class SimStateRefused(Exception):
    """This SIM cannot go into that state. Nothing was changed."""

    code = "sim_state_refused"


class PriceRefused(Exception):
    """This price cannot be set. Nothing was changed."""

    code = "price_refused"


def change_sim_state(*, sim_id: int, state: str, reason: str, actor: str, now: dt.datetime) -> Sim:
    """
    Entry: write down that a SIM is now in another state; an audit line says who and why.

    Raises:
        SimStateRefused: that state does not follow, the SIM still serves a meter (for ENDED), or no reason is given.
        Sim.DoesNotExist: no such SIM.
    """
    refusal: SimStateRefused | None = None
    with transaction.atomic(durable=True):
        sim = Sim.objects.select_for_update().get(pk=sim_id)
        said = {"from": sim.state, "to": state[:10]}
        line = {"at": now, "actor": actor, "verb": "registry.change_sim_state", "subject": f"sim:{sim.iccid}"}
        try:
            _check_state(sim, state, reason, now)
        except SimStateRefused as error:
            refusal = error
            audit.record_refusal(**line, code=error.code, reason=reason[:REASON_MAX], detail=said)  # type: ignore[arg-type]
        else:
            sim.state, sim.state_at = state, now
            sim.save(update_fields=["state", "state_at"])
            audit.record(**line, reason=reason, detail=said)  # type: ignore[arg-type]
    if refusal is not None:
        raise refusal
    return sim


def _check_state(sim: Sim, state: str, reason: str, now: dt.datetime) -> None:
    if not reason.strip() or len(reason) > REASON_MAX:
        raise SimStateRefused("Say why, in at most 400 letters.")
    if state not in NEXT[sim.state]:
        raise SimStateRefused("This state does not follow the one the SIM has.")
    if state == _S.ENDED and Pairing.objects.filter(sim=sim, valid__contains=now).exists():
        raise SimStateRefused("The SIM still serves a meter: end its pairing first.")


def set_price(
    *, item_id: int, amount_idr: int, valid_from_date: dt.date, reason: str, actor: str, now: dt.datetime
) -> CataloguePrice:
    """
    Entry: a new price of an item from a coming WIB day on. The past and today are never changed.

    Raises:
        PriceRefused: the day is not in the future, the amount is not 1 to PRICE_MAX_IDR, or no reason is given.
        CatalogueItem.DoesNotExist: no such item.
    """
    refusal: PriceRefused | None = None
    with transaction.atomic(durable=True):
        # The lock orders two prices for one day: the one committed later holds.
        item = CatalogueItem.objects.select_for_update().get(pk=item_id)
        said = {"amount_idr": amount_idr, "valid_from_date": valid_from_date.isoformat()}
        line = {"at": now, "actor": actor, "verb": "registry.set_price", "subject": f"catalogue:{item.code}"}
        try:
            _check_price(amount_idr, valid_from_date, reason, now)
        except PriceRefused as error:
            refusal = error
            audit.record_refusal(**line, code=error.code, reason=reason[:REASON_MAX], detail=said)  # type: ignore[arg-type]
        else:
            price = CataloguePrice.objects.create(
                item=item, amount_idr=amount_idr, valid_from_date=valid_from_date, set_at=now, set_by=actor
            )
            audit.record(**line, reason=reason, detail=said)  # type: ignore[arg-type]
    if refusal is not None:
        raise refusal
    return price


def _check_price(amount_idr: int, valid_from_date: dt.date, reason: str, now: dt.datetime) -> None:
    if not reason.strip() or len(reason) > REASON_MAX:
        raise PriceRefused("Say why, in at most 400 letters.")
    if not 1 <= amount_idr <= PRICE_MAX_IDR:
        raise PriceRefused("A price is 1 to 100,000,000 rupiah.")
    if valid_from_date <= now.astimezone(_WIB).date():
        raise PriceRefused("A price begins tomorrow at the earliest: the past is not changed.")
