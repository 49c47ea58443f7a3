# SPDX-License-Identifier: Apache-2.0
"""A key rotation over IP: the transfer in one session under the old keys, the proof in another under the new ones."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import connection, transaction

from duaarah.audit import operations as audit
from duaarah.headend.key_models import KeyRotation
from duaarah.headend.models import InvocationCounter
from duaarah.headend.operations.key_rotation import LINE_TRIES_MAX, queue_transfer
from duaarah.headend.operations.lines import LineRefused, hold_line, leave_line
from duaarah.headend.ports import KeyMaker, LineAnswer, Lines
from duaarah.registry.access import pairing_of_meter

COUNTERS = 64
RETRY_S = 60
_ON_LINE = (KeyRotation.State.ORDERED, KeyRotation.State.SENDING, KeyRotation.State.TRANSFERRED)

_DUE = """
SELECT r.id FROM headend_keyrotation r JOIN headend_meterline l ON l.meter_id = r.meter_id
WHERE r.state IN ('ORDERED', 'SENDING', 'TRANSFERRED') AND r.line_tries < %s
    AND (r.line_not_before_at IS NULL OR r.line_not_before_at <= clock_timestamp())
    AND NOT EXISTS (SELECT 1 FROM headend_command c WHERE c.meter_id = r.meter_id
        AND c.kind IN ('ROTATE_KEYS', 'PROVE_KEYS') AND c.state IN ('QUEUED', 'SENT'))
ORDER BY r.id LIMIT 1
"""

_LATER = """
UPDATE headend_keyrotation SET line_tries = line_tries + 1,
    line_not_before_at = clock_timestamp() + %s * power(2, line_tries) * interval '1 second'
WHERE id = %s RETURNING line_tries
"""


def rotate_next_on_line(*, lines: Lines, keys: KeyMaker, now: dt.datetime) -> int:
    """Take the rotation that is due on a line as far as it goes now; 0 when none is due."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [LINE_TRIES_MAX])
        row = cursor.fetchone()
    if row is None:
        return 0
    rotation = KeyRotation.objects.get(pk=row[0])
    try:
        # Unknown, or said to be there: the new keys are tried first, they are what is to be proven.
        proven = rotation.state != KeyRotation.State.ORDERED and _prove(rotation, lines, now)
        if not proven and _transfer(rotation, lines, keys, now):
            _prove(rotation, lines, now)
    except LineRefused:
        pass
    _settle(rotation, now)
    return 1


def _transfer(rotation: KeyRotation, lines: Lines, keys: KeyMaker, now: dt.datetime) -> bool:
    """Bring the keys; whether the meter says that it has them now."""
    with transaction.atomic(durable=True):
        InvocationCounter.objects.select_for_update().get(pk=rotation.meter_id)
        locked = KeyRotation.objects.select_for_update().get(pk=rotation.pk)
        if locked.state not in _ON_LINE:
            return False
        terms = hold_line(meter_id=rotation.meter_id, counters=COUNTERS)
        # Before anything is sent: from here the meter may have either key.
        locked.state = KeyRotation.State.SENDING
        locked.save(update_fields=["state"])
        wrapped, drn = bytes(locked.keys_wrapped), terms.drn
    answer = lines.transfer_keys(terms=terms, keys=keys.transfer(drn=drn, wrapped=wrapped))
    with transaction.atomic(durable=True):
        leave_line(meter_id=rotation.meter_id, terms=terms, window=answer.window, now=now)
        locked = KeyRotation.objects.select_for_update().get(pk=rotation.pk)
        if locked.state != KeyRotation.State.SENDING or answer.outcome == "failed":
            return False
        fine = answer.outcome == "done"
        locked.state = KeyRotation.State.TRANSFERRED if fine else KeyRotation.State.REFUSED
        if not fine:
            locked.result, locked.closed_at = answer.code[:40], now
        locked.save(update_fields=["state", "result", "closed_at"])
        _record(locked, answer, fine, now)
    return fine


def _prove(rotation: KeyRotation, lines: Lines, now: dt.datetime) -> bool:
    """Associate under the new keys: a meter that can do that has used them."""
    with transaction.atomic(durable=True):
        # The counters' row first, as everywhere: whoever puts keys in force holds it.
        InvocationCounter.objects.select_for_update().get(pk=rotation.meter_id)
        if KeyRotation.objects.get(pk=rotation.pk).state not in _ON_LINE:
            return False
        terms = hold_line(meter_id=rotation.meter_id, counters=COUNTERS, rotation=rotation)
    answer = lines.greet(terms=terms)
    proven = answer.outcome == "done"
    with transaction.atomic(durable=True):
        leave_line(
            meter_id=rotation.meter_id,
            terms=terms,
            window=answer.window,
            now=now,
            rotation=rotation if proven else None,
        )
    return proven


def _settle(rotation: KeyRotation, now: dt.datetime) -> None:
    """What is open still is tried later; when the line has failed too often, by SMS."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        locked = KeyRotation.objects.select_for_update().get(pk=rotation.pk)
        if locked.state not in _ON_LINE:
            return
        cursor.execute(_LATER, [RETRY_S, rotation.pk])
        if cursor.fetchone()[0] >= LINE_TRIES_MAX and pairing_of_meter(meter_id=rotation.meter_id, at=now) is not None:
            queue_transfer(locked, now)


def _record(rotation: KeyRotation, answer: LineAnswer, fine: bool, now: dt.datetime) -> None:
    what: dict[str, Any] = {
        "at": now,
        "actor": f"meter:{rotation.meter_id}",
        "verb": "headend.record_key_transfer",
        "subject": f"meter:{rotation.meter_id}",
        "correlation": rotation.correlation,
        "detail": {"rotation": rotation.pk, "bearer": "IP", "result": answer.code},
    }
    if fine:
        audit.record(**what)
    else:
        audit.record_refusal(code=answer.code, **what)
