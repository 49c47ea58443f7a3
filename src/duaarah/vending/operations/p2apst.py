# SPDX-License-Identifier: Apache-2.0
"""The rows of purchases from P2APST: each verb is an entry, because a message may leave only after its row is there."""

from __future__ import annotations

import datetime as dt
import uuid
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.vending.models import Vend
from duaarah.vending.p2apst_models import P2APSTTask
from duaarah.vending.p2apst_ports import PurchaseTask, TaskMoved

_WIB = ZoneInfo("Asia/Jakarta")
_ACTOR = "vending"
# One statement claims: whoever comes second, from whatever process, finds the row busy.
_CLAIM = """
UPDATE vending_p2apstask SET busy_until_at = clock_timestamp() + %s * interval '1 second'
WHERE request_id = %s AND (busy_until_at IS NULL OR busy_until_at <= clock_timestamp())
"""


class P2APSTTasks:
    """See vending.p2apst_ports.PurchaseTasks."""

    def claim(self, request_id: uuid.UUID, *, busy_s: int, now: dt.datetime) -> PurchaseTask | None:
        """Entry. None while another caller has it."""
        with transaction.atomic(durable=True):
            vend = Vend.objects.select_related("payment").get(request_id=request_id)
            assert vend.payment is not None  # the constraint vending_payment_iff_ours
            P2APSTTask.objects.bulk_create(
                [
                    P2APSTTask(
                        vend=vend,
                        request_id=request_id,
                        local_time=_local(now),
                        opened_at=now,
                    )
                ],
                ignore_conflicts=True,
            )
            with connection.cursor() as cursor:
                cursor.execute(_CLAIM, [busy_s, request_id])
                if cursor.rowcount == 0:
                    return None
            task = P2APSTTask.objects.get(request_id=request_id)
            if task.state == P2APSTTask.State.OPEN:
                # Nothing refers to this time yet; once a purchase was sent it is part of its reference.
                task.local_time = _local(now)
                task.save(update_fields=["local_time"])
        return PurchaseTask(
            number=task.pk,
            nominal_idr=vend.payment.amount_idr,
            drn=vend.drn,
            local_time=task.local_time,
            purchase=task.purchase,
            advices=task.advices,
            refused=task.code if task.state == P2APSTTask.State.REFUSED else None,
        )

    def sending(self, number: int, *, purchase: str, now: dt.datetime) -> None:
        """Entry: the point of no return. After it nobody sends a 2200 for this request again."""
        with transaction.atomic(durable=True):
            task = _locked(number)
            if task.state != P2APSTTask.State.OPEN:
                raise TaskMoved("A purchase was written down before.")
            task.state, task.purchase, task.sent_at = P2APSTTask.State.SENT, purchase, now
            task.save(update_fields=["state", "purchase", "sent_at"])
            _audit(task, "vending.p2apst_send", now, {"trace": number})

    def unanswered(self, number: int, *, code: str, advices: int) -> None:
        """Entry."""
        with transaction.atomic(durable=True):
            task = _locked(number)
            task.busy_until_at = None
            if task.closed_at is None:
                task.code, task.advices = code, task.advices + advices
            task.save(update_fields=["code", "advices", "busy_until_at"])

    def ended(self, number: int, *, refused: str | None, now: dt.datetime) -> None:
        """Entry. A second end of the same kind changes nothing; another one raises TaskMoved."""
        state = P2APSTTask.State.ISSUED if refused is None else P2APSTTask.State.REFUSED
        with transaction.atomic(durable=True):
            task = _locked(number)
            if task.closed_at is not None:
                if task.state != state:
                    raise TaskMoved("The task has ended another way before.")
                P2APSTTask.objects.filter(pk=number).update(busy_until_at=None)
                return
            task.state, task.code, task.closed_at, task.busy_until_at = state, refused or "0000", now, None
            task.save(update_fields=["state", "code", "closed_at", "busy_until_at"])
            _audit(task, "vending.p2apst_end", now, {"trace": number, "code": task.code})


def _local(now: dt.datetime) -> str:
    return now.astimezone(_WIB).strftime("%Y%m%d%H%M%S")


def _locked(number: int) -> P2APSTTask:
    return P2APSTTask.objects.select_for_update(of=("self",)).select_related("vend").get(pk=number)


def _audit(task: P2APSTTask, verb: str, now: dt.datetime, detail: dict[str, object]) -> None:
    vend = task.vend
    audit.record(
        at=now,
        actor=_ACTOR,
        verb=verb,
        subject=f"meter:{vend.meter_id}",
        correlation=vend.correlation,
        detail={"vend": vend.pk, **detail},
    )
