# SPDX-License-Identifier: Apache-2.0
"""Verbs of the registry: SIMs into stock, into meters and through their states; new prices from a day on."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.people.models import Organisation
from duaarah.registry.models import CatalogueItem, CataloguePrice, Meter, Modem, NumberRange, Pairing, Sim, SimShipment
from duaarah.registry.shipments import judge, parse

PRICE_MAX_IDR = 100_000_000
REASON_MAX = 400
RANGES_MAX = 60
_PREFIX = re.compile(r"628[0-9]{1,6}")
_SHIPMENT_LOCK = 0x53494D
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


def pair(
    *, meter: Meter, sim: Sim, modem: Modem, phone: str, since: dt.datetime, active: bool, actor: str, now: dt.datetime
) -> Pairing:
    """
    Join the caller's transaction: the SIM is in this meter's modem from `since` on, and its state says so.

    `active`: the mobile operator has activated it, so it ends in ACTIVE; else a SIM from the drawer is IN_MODEM.

    Raises:
        SimStateRefused: a SIM that has ended serves no meter.
        IntegrityError: meter, SIM or modem is in another pairing at that time.
        TransactionManagementError: outside a transaction.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A pairing joins the transaction of the deed.")
    sim = Sim.objects.select_for_update().get(pk=sim.pk)
    if sim.state == _S.ENDED:
        raise SimStateRefused("A SIM that has ended serves no meter.")
    before = sim.state
    if sim.state == _S.IN_STOCK:
        sim.state = _S.IN_MODEM
    if active and sim.state == _S.IN_MODEM:
        sim.state = _S.ACTIVE
    if sim.state != before:
        sim.state_at = since
        sim.save(update_fields=["state", "state_at"])
    audit.record(
        at=now,
        actor=actor,
        verb="registry.pair",
        subject=f"sim:{sim.iccid}",
        detail={"from": before, "to": sim.state, "meter": meter.pk},
    )
    return Pairing.objects.create(meter=meter, sim=sim, modem=modem, phone=phone, valid=(since, None))


class ShipmentRefused(Exception):
    """Nothing of this list is taken. `reason`: changed (the stock moved since the look), or nothing_good."""

    code = "sim_shipment_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The shipment is not taken: {reason}.")
        self.reason = reason


class RangesRefused(Exception):
    """These number ranges cannot be: each begins with 628 and is one operator's only. Nothing was changed."""

    code = "number_ranges_refused"


def look_at_shipment(*, operator_id: int, text: str, file_name: str, actor: str, now: dt.datetime) -> SimShipment:
    """
    Entry: keep an operator's list for a look; the same list again is the same shipment. The stock is not touched.

    Raises:
        ListRefused: it cannot be read.
        Organisation.DoesNotExist: no such mobile operator.
    """
    parse(text)
    operator = Organisation.objects.get(pk=operator_id, kind=Organisation.Kind.MOBILE_OPERATOR)
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    with transaction.atomic(durable=True):
        shipment, _ = SimShipment.objects.get_or_create(
            operator=operator,
            digest=digest,
            defaults={"text": text, "file_name": file_name[:80], "asked_by": actor, "asked_at": now},
        )
    return shipment


def receive_shipment(*, shipment_id: int, good_seen: int, actor: str, now: dt.datetime) -> SimShipment:
    """
    Entry: every good row of a looked-at list becomes a SIM in stock, all in one transaction; bad rows stay out.

    `good_seen`: how many good rows were shown. A shipment that was received already is returned as it is.

    Raises:
        ShipmentRefused: other rows are good by now than were shown, or none is. Leaves one audit line.
        SimShipment.DoesNotExist: no such shipment.
    """
    refusal: ShipmentRefused | None = None
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            # One shipment at a time: what is judged free stays free until it is written.
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_SHIPMENT_LOCK])
        shipment = SimShipment.objects.select_for_update(of=("self",)).select_related("operator").get(pk=shipment_id)
        if shipment.state == SimShipment.State.RECEIVED:
            return shipment
        judged = judge(parse(shipment.text), operator_id=shipment.operator_id)
        good = [each.row for each in judged if each.good]
        said = {"operator": shipment.operator.code, "good": len(good), "rows": len(judged)}
        line = {"at": now, "actor": actor, "verb": "registry.receive_shipment", "subject": f"shipment:{shipment.pk}"}
        if len(good) != good_seen or not good:
            refusal = ShipmentRefused("changed" if len(good) != good_seen else "nothing_good")
            audit.record_refusal(**line, code=refusal.code, detail={**said, "seen": good_seen})  # type: ignore[arg-type]
        else:
            Sim.objects.bulk_create(
                [
                    Sim(
                        iccid=row.iccid,
                        msisdn=row.msisdn,
                        imsi=row.imsi,
                        expires_date=row.expires_date,
                        operator=shipment.operator,
                        shipment=shipment,
                        state=_S.IN_STOCK,
                        state_at=now,
                    )
                    for row in good
                ]
            )
            shipment.state, shipment.received_at, shipment.added = SimShipment.State.RECEIVED, now, len(good)
            shipment.save(update_fields=["state", "received_at", "added"])
            audit.record(**line, detail=said)  # type: ignore[arg-type]
    if refusal is not None:
        raise refusal
    return shipment


def set_number_ranges(*, operator_id: int, prefixes: Sequence[str], reason: str, actor: str, now: dt.datetime) -> None:
    """
    Entry: numbers that begin so are this operator's, and no others; an empty list: nobody checks his numbers.

    Raises:
        RangesRefused: no reason, a prefix that is not 628 and 1 to 6 digits, too many, or one of another operator's.
        Organisation.DoesNotExist: no such mobile operator.
    """
    refusal: RangesRefused | None = None
    with transaction.atomic(durable=True):
        operator = Organisation.objects.select_for_update().get(pk=operator_id, kind=Organisation.Kind.MOBILE_OPERATOR)
        own = NumberRange.objects.filter(operator=operator)
        wanted = sorted(set(prefixes))
        said = {"from": sorted(own.values_list("prefix", flat=True)), "to": [p[:12] for p in wanted[:RANGES_MAX]]}
        line = {"at": now, "actor": actor, "verb": "registry.set_number_ranges", "subject": f"operator:{operator.code}"}
        taken = NumberRange.objects.filter(prefix__in=wanted).exclude(operator=operator)
        fits = len(wanted) <= RANGES_MAX and all(map(_PREFIX.fullmatch, wanted)) and not taken.exists()
        if not reason.strip() or len(reason) > REASON_MAX or not fits:
            refusal = RangesRefused("Each range begins with 628 and is one operator's; and say why.")
            audit.record_refusal(**line, code=refusal.code, reason=reason[:REASON_MAX], detail=said)  # type: ignore[arg-type]
        else:
            own.exclude(prefix__in=wanted).delete()
            held = set(own.values_list("prefix", flat=True))
            NumberRange.objects.bulk_create(NumberRange(prefix=p, operator=operator) for p in wanted if p not in held)
            audit.record(**line, reason=reason, detail=said)  # type: ignore[arg-type]
    if refusal is not None:
        raise refusal
