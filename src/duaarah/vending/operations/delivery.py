# SPDX-License-Identifier: Apache-2.0
"""The meter's own word about a token closes its vend (the heart of T4)."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.core.intent import TokenResult
from duaarah.headend.models import Command
from duaarah.headend.operations import close_command
from duaarah.vending.models import Vend
from duaarah.vending.operations import sql
from duaarah.vending.operations.words import tell_loaded, tell_rejected

LOG = logging.getLogger(__name__)

# "used" after a lost answer means that our first copy was accepted: the token is in the meter, once.
LOADED_RESULTS = frozenset({"accept", "used"})
LOADED_AFTER_REFUND = "loaded_after_refund"


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What a token result did: the vend it belongs to (None: no token of ours), and whether it changed anything."""

    vend_id: int | None
    changed: bool


def record_delivery(*, meter_id: int, report: TokenResult, command_id: int | None, now: dt.datetime) -> Delivery:
    """
    Joining: close command and vend by the meter's answer, queue the one receipt; a repeated answer changes nothing.

    The vend is found by the command that the answer names, or, for a token keyed in by hand, by its TID.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A delivery joins the transaction that read the meter's answer.")
    vend = _find(meter_id, report, command_id)
    if vend is None:
        return Delivery(vend_id=None, changed=False)
    loaded = report.result in LOADED_RESULTS
    if vend.command_id is not None:
        state = Command.State.ACKED if loaded else Command.State.REJECTED
        close_command(command_id=vend.command_id, state=state, result=report.result, now=now)
    if vend.state == Vend.State.REFUNDED:
        return _after_refund(vend, report, now)
    if vend.state == Vend.State.LOADED or (vend.state == Vend.State.REJECTED and not loaded):
        return Delivery(vend_id=vend.pk, changed=False)
    vend.state = Vend.State.LOADED if loaded else Vend.State.REJECTED
    vend.result, vend.closed_at = report.result, now
    with connection.cursor() as cursor:
        cursor.execute(sql.CLOSED, [vend.state, vend.result, now, vend.pk])
    if loaded:
        tell_loaded(vend, vend.token.digits, report.balance_wh, now)
    else:
        tell_rejected(vend, now)
    _audit(vend, report, now)
    LOG.info("vend %d: the meter says %s", vend.pk, report.result, extra={"correlation": vend.correlation})
    return Delivery(vend_id=vend.pk, changed=True)


def _find(meter_id: int, report: TokenResult, command_id: int | None) -> Vend | None:
    vends = Vend.objects.select_for_update(of=("self",)).select_related("token", "payment", "meter__customer__holder")
    if command_id is not None:
        return vends.filter(command_id=command_id).first()
    if report.tid is None:
        return None
    return vends.filter(meter_id=meter_id, tid=report.tid, token__isnull=False).order_by("-base_date").first()


def _after_refund(vend: Vend, report: TokenResult, now: dt.datetime) -> Delivery:
    """Nothing of it can be taken back: energy that was paid back and is in the meter is a loss that a person has to see."""
    fresh = report.result in LOADED_RESULTS and vend.result != LOADED_AFTER_REFUND
    if fresh:
        vend.result = LOADED_AFTER_REFUND
        vend.save(update_fields=["result"])
        audit.record_refusal(
            at=now,
            actor=f"meter:{vend.meter_id}",
            verb="vending.record_delivery",
            subject=f"meter:{vend.meter_id}",
            code=LOADED_AFTER_REFUND,
            correlation=vend.correlation,
            detail={"vend": vend.pk, "result": report.result, "energy_wh": report.energy_wh, "tid": report.tid},
        )
        LOG.error("vend %d was paid back and is loaded all the same", vend.pk, extra={"correlation": vend.correlation})
    return Delivery(vend_id=vend.pk, changed=fresh)


def _audit(vend: Vend, report: TokenResult, now: dt.datetime) -> None:
    write = audit.record if vend.state == Vend.State.LOADED else _refusal
    write(
        at=now,
        actor=f"meter:{vend.meter_id}",
        verb="vending.record_delivery",
        subject=f"meter:{vend.meter_id}",
        correlation=vend.correlation,
        detail={"vend": vend.pk, "result": report.result, "energy_wh": report.energy_wh, "tid": report.tid},
    )


def _refusal(**fields: object) -> None:
    detail = fields["detail"]
    assert isinstance(detail, dict)
    audit.record_refusal(code=str(detail["result"]), **fields)  # type: ignore[arg-type]
