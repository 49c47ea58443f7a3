# SPDX-License-Identifier: Apache-2.0
"""T4 for pushes over IP: what is only kept goes by batches, what leads to something goes one by one as over SMS."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence

from django.db import DatabaseError, InterfaceError, transaction

from duaarah.audit import operations as audit
from duaarah.headend.models import InboundFrame, InvocationCounter
from duaarah.headend.operations import AcceptedFrame
from duaarah.headend.operations.frames import KINDS, answered_by
from duaarah.headend.operations.pushes import (
    KEPT_ONLY,
    ReadPush,
    accept_pushes,
    claim_pushes,
    close_pushes,
    give_up_pushes,
    open_pushes,
)
from duaarah.headend.ports import KeyUnwrapper
from duaarah.headend.push_ports import PushReader
from duaarah.notices.forecasts import mark_read
from duaarah.notices.operations import act_on
from duaarah.outages.evidence import note_report
from duaarah.registry.access import pairing_of_meter

LOG = logging.getLogger(__name__)
BATCH_MAX = 200


def take_pushes(
    *, frames: PushReader, keys: KeyUnwrapper, now: dt.datetime, limit: int = BATCH_MAX, lease_s: int = 30
) -> int:
    """
    Claim up to `limit` waiting pushes, read them and act on them; returns how many were claimed.

    A push that nobody foresaw stops neither the others nor the worker: it is tried alone, and again when its lease ends.
    """
    ids = claim_pushes(limit=limit, lease_s=lease_s)
    if not ids:
        return 0
    try:
        alone = take_together(ids=ids, frames=frames, keys=keys, now=now)
    except (DatabaseError, InterfaceError):
        raise
    except Exception:
        LOG.exception("a batch of %d pushes failed; each is tried alone", len(ids))
        alone = ids
    for frame_id in alone:
        try:
            LOG.info("push %d: %s", frame_id, take_push(frame_id=frame_id, frames=frames, keys=keys, now=now))
        except (DatabaseError, InterfaceError):
            raise
        except Exception:
            LOG.exception("push %d failed; it is tried again when its lease ends", frame_id)
    return len(ids)


def take_together(*, ids: Sequence[int], frames: PushReader, keys: KeyUnwrapper, now: dt.datetime) -> list[int]:
    """
    Entry: read these pushes; keep those that lead to nothing else, refuse those that cannot be taken.

    Returns the others: counters, events, and what follows from them commit together, one transaction each.
    """
    with transaction.atomic(durable=True):
        read = open_pushes(ids=ids, frames=frames, keys=keys)
        # What other keys may open takes the meter's counter for itself, and goes alone.
        together = [
            push for push in read if not push.other_keys and (push.report is None or isinstance(push.report, KEPT_ONLY))
        ]
        _settle(accept_pushes(pushes=together, now=now), now)
    done = {push.row.frame_id for push in together}
    return [push.row.frame_id for push in read if push.row.frame_id not in done]


def take_push(*, frame_id: int, frames: PushReader, keys: KeyUnwrapper, now: dt.datetime) -> str:
    """Entry (T4): read one push and act on it; returns the outcome's code. The same again changes nothing."""
    with transaction.atomic(durable=True):
        read = open_pushes(ids=[frame_id], frames=frames, keys=keys, all_keys_at=now)
        if not read:
            return "done_before"
        [(_, _, code)] = _settle(accept_pushes(pushes=read, now=now), now)
        return code


def _settle(pushes: Sequence[ReadPush], now: dt.datetime) -> list[tuple[int, str, str]]:
    outcomes = []
    mark_read(meter_ids=[push.row.meter_id for push in pushes if push.refused is None])
    for push in pushes:
        if push.refused is not None:
            outcomes.append((push.row.frame_id, InboundFrame.State.REFUSED.value, push.refused.code))
            audit.record_refusal(
                at=now,
                actor=f"meter:{push.row.meter_id}",
                verb="headend.accept_pushes",
                subject=f"frame:{push.row.frame_id}",
                code=push.refused.code,
                reason=str(push.refused),
            )
        else:
            outcomes.append((push.row.frame_id, InboundFrame.State.DONE.value, _act(push, now)))
    close_pushes(outcomes=outcomes)
    return outcomes


def _act(push: ReadPush, now: dt.datetime) -> str:
    report = push.report
    assert report is not None
    if isinstance(report, KEPT_ONLY):
        note_report(meter_id=push.row.meter_id, report=report, now=now)
        return KINDS[type(report)].value.lower()
    pairing = pairing_of_meter(meter_id=push.row.meter_id, at=now)
    if pairing is None:
        # Nobody is told and nothing follows; the event stands, and what it says of the grid.
        note_report(meter_id=push.row.meter_id, report=report, now=now)
        return "unpaired"
    key_number = InvocationCounter.objects.values_list("key_number", flat=True).get(pk=push.row.meter_id)
    command_id, correlation, _ = answered_by(push.row.meter_id, report, key_number)
    return act_on(AcceptedFrame(pairing, report, command_id, correlation), now)


def give_up_failed_pushes(*, now: dt.datetime) -> int:
    """Entry: pushes that failed at every attempt become FAILED with an audit line each; how many."""
    with transaction.atomic(durable=True):
        ids = give_up_pushes()
        for frame_id in ids:
            audit.record_refusal(
                at=now, actor="headend", verb="notices.give_up_pushes", subject=f"frame:{frame_id}", code="given_up"
            )
    return len(ids)
