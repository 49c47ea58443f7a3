# SPDX-License-Identifier: Apache-2.0
"""Under which keys and counters a frame leaves, and by which keys one that came is read, also while keys are changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection

from duaarah.audit import operations as audit
from duaarah.core.replay import ReplayWindow
from duaarah.headend.key_models import OPEN, KeyRotation
from duaarah.headend.models import Command, InvocationCounter
from duaarah.headend.ports import Driver, FrameRefused, KeyUnwrapper, OpenedFrame
from duaarah.registry.models import Meter

# A frame that was sealed before the change may come so much later.
OLD_KEYS_READ_S = 7 * 24 * 3600
_BEGIN_OCTETS = 12
_KEY_KINDS = (Command.Kind.ROTATE_KEYS, Command.Kind.PROVE_KEYS)


@dataclass(frozen=True)
class SealTerms:
    """What one frame to a meter is sealed with. `new_keys_wrapped`: set when the frame carries them to the meter."""

    keys_wrapped: bytes
    key_number: int
    counter: int
    new_keys_wrapped: bytes | None = None

    @property
    def carries_keys(self) -> bool:
        """Whether this frame is the transfer itself."""
        return self.new_keys_wrapped is not None


# Read after the counters' rows are locked: keys and counter belong together, a former snapshot may tear them apart.
_TERMS = """
SELECT k.meter_id, m.dlms_keys_wrapped, k.key_number, r.id, r.state, r.number, r.keys_wrapped
FROM headend_invocationcounter k
JOIN registry_meter m ON m.id = k.meter_id
LEFT JOIN headend_keyrotation r ON r.meter_id = k.meter_id AND r.state IN ('ORDERED', 'SENDING', 'TRANSFERRED', 'SILENT')
WHERE k.meter_id = ANY(%s)
"""

_COUNT = """
UPDATE headend_invocationcounter SET to_meter_latest = to_meter_latest + %(count)s WHERE meter_id = ANY(%(meters)s)
RETURNING meter_id, to_meter_latest - %(count)s + 1
"""

_COUNT_NEW = """
UPDATE headend_keyrotation SET to_meter_latest = to_meter_latest + %(count)s WHERE id = ANY(%(rotations)s)
RETURNING meter_id, to_meter_latest - %(count)s + 1
"""

_SENDING = """
UPDATE headend_keyrotation SET state = 'SENDING' WHERE id = ANY(%s) AND state IN ('ORDERED', 'SILENT')
"""


def seal_terms(due: Iterable[tuple[int, str, int]], *, counters_each: int = 1) -> dict[int, SealTerms]:
    """
    Joining: for (meter, kind, attempts before), one a meter and its counter's row locked, the keys and the first of
    `counters_each` counters (a frame needs one, a session many).

    Counters are written before use: one that a crash loses is skipped, never repeated. While nobody can say which keys a
    meter has, a command that got no answer goes under the other ones next time.
    """
    wanted = {meter_id: (kind, attempts) for meter_id, kind, attempts in due}
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_TERMS, [list(wanted)])
        rows = {row[0]: row[1:] for row in cursor.fetchall()}
        new = {row[2]: meter_id for meter_id, row in rows.items() if _by_new_keys(row[3], *wanted[meter_id])}
        first = [row[2] for meter_id, row in rows.items() if row[2] and wanted[meter_id][0] == Command.Kind.ROTATE_KEYS]
        if first:
            cursor.execute(_SENDING, [first])
        old = [meter_id for meter_id in rows if meter_id not in new.values()]
        cursor.execute(_COUNT, {"meters": old, "count": counters_each})
        counters = dict(cursor.fetchall())
        if new:
            cursor.execute(_COUNT_NEW, {"rotations": list(new), "count": counters_each})
            counters |= dict(cursor.fetchall())
    made = {}
    for meter_id, (keys, number, rotation_id, _state, new_number, new_keys) in rows.items():
        if rotation_id in new:
            made[meter_id] = SealTerms(bytes(new_keys), new_number, counters[meter_id])
            continue
        carried = bytes(new_keys) if rotation_id and wanted[meter_id][0] == Command.Kind.ROTATE_KEYS else None
        made[meter_id] = SealTerms(bytes(keys), number, counters[meter_id], carried)
    return made


def _by_new_keys(state: str | None, kind: str, attempts: int) -> bool:
    if state in (None, KeyRotation.State.ORDERED):
        return False
    if state == KeyRotation.State.TRANSFERRED and kind != Command.Kind.ROTATE_KEYS:
        return attempts % 2 == 0
    return attempts % 2 == 1


@dataclass(frozen=True)
class HeldFrame:
    """An authentic frame, the replay window of its keys (its row is locked), and whose old keys it came under, if any."""

    opened: OpenedFrame
    window: ReplayWindow
    key_number: int
    late: KeyRotation | None = None


_LOCK = """
SELECT from_meter_highest, from_meter_bitmap, key_number, keys_begin
FROM headend_invocationcounter WHERE meter_id = %s FOR UPDATE
"""


def open_and_hold(*, meter: Meter, payload: bytes, driver: Driver, keys: KeyUnwrapper, now: dt.datetime) -> HeldFrame:
    """
    Joining: read a frame by the keys in force; failing that by those that the meter may have instead.

    The first frame under new keys puts them in force. Raises FrameRefused.
    """

    def opened_by(wrapped: bytes) -> OpenedFrame:
        return driver.open(
            profile=meter.profile,
            payload=payload,
            keys=keys.meter_keys(drn=meter.drn, wrapped=wrapped),
            system_title=bytes(meter.system_title),
        )

    opened, refused = None, None
    wrapped = bytes(meter.dlms_keys_wrapped)
    try:
        opened = opened_by(wrapped)
    except FrameRefused as error:
        if error.code != "auth_failed":
            raise
        refused = error
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [meter.pk])
        highest, bitmap, number, begin = cursor.fetchone()
    present = HeldFrame(opened, _window(highest, bitmap), number) if opened is not None else None
    # Another frame may have put new keys in force since the meter's row was read.
    if present is not None and (begin is None or bytes(begin) == wrapped[:_BEGIN_OCTETS]):
        return present
    return open_by_other_keys(meter=meter, opened_by=opened_by, refused=refused, now=now)


def open_by_other_keys(
    *, meter: Meter, opened_by: Callable[[bytes], OpenedFrame], refused: FrameRefused | None, now: dt.datetime
) -> HeldFrame:
    """
    Joining: a frame that the keys at hand do not open, whatever carried it: by all that the meter may have.

    `opened_by` opens it by wrapped keys. New keys that open it are in force from here on. Raises FrameRefused: `refused`.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [meter.pk])
        highest, bitmap, number, _ = cursor.fetchone()
    meter.refresh_from_db(fields=["dlms_keys_wrapped"])
    for candidate, rotation in _candidates(meter):
        try:
            opened = opened_by(candidate)
        except FrameRefused as error:
            refused = refused or error
            continue
        if rotation is None:
            return HeldFrame(opened, _window(highest, bitmap), number)
        if rotation.state == KeyRotation.State.PROVEN:
            window = _window(rotation.old_from_highest, rotation.old_from_bitmap)
            return HeldFrame(opened, window, rotation.old_number, rotation)
        put_in_force(rotation=rotation, now=now)
        return HeldFrame(opened, ReplayWindow(), rotation.number)
    raise refused or FrameRefused("auth_failed", "No key of this meter opens the frame.")


def other_keys(*, meter_ids: Iterable[int]) -> dict[int, list[bytes]]:
    """Keys, wrapped, that these meters may have besides those in force: to prove a frame before it is kept."""
    found: dict[int, list[bytes]] = {}
    rotations = KeyRotation.objects.filter(meter_id__in=list(meter_ids)).exclude(state=KeyRotation.State.ORDERED)
    for rotation in rotations.order_by("-pk"):
        if wrapped := _tried(rotation):
            found.setdefault(rotation.meter_id, []).append(wrapped)
    return found


def _tried(rotation: KeyRotation) -> bytes:
    """The old keys once the new ones are in force, the new ones before; empty when they are forgotten."""
    proven = rotation.state == KeyRotation.State.PROVEN
    return bytes(rotation.old_keys_wrapped if proven else rotation.keys_wrapped)


def _candidates(meter: Meter) -> list[tuple[bytes, KeyRotation | None]]:
    found: list[tuple[bytes, KeyRotation | None]] = [(bytes(meter.dlms_keys_wrapped), None)]
    for rotation in KeyRotation.objects.filter(meter=meter).exclude(state=KeyRotation.State.ORDERED).order_by("-pk"):
        if wrapped := _tried(rotation):
            found.append((wrapped, rotation))
    return found


def _window(highest: int, bitmap: Any) -> ReplayWindow:
    return ReplayWindow(highest, int.from_bytes(bytes(bitmap), "big"))


def put_in_force(*, rotation: KeyRotation, now: dt.datetime) -> None:
    """
    Joining: the meter has used the new keys, so they are its keys; counters begin anew, the old keys read late frames.

    The meter's own word overrules whatever was thought of the rotation, also a refusal.
    """
    counters = InvocationCounter.objects.select_for_update().get(pk=rotation.meter_id)
    meter = Meter.objects.get(pk=rotation.meter_id)
    new = bytes(rotation.keys_wrapped)
    rotation.old_keys_wrapped, rotation.old_number = meter.dlms_keys_wrapped, counters.key_number
    rotation.old_from_highest, rotation.old_from_bitmap = counters.from_meter_highest, counters.from_meter_bitmap
    rotation.old_until_at = now + dt.timedelta(seconds=OLD_KEYS_READ_S)
    counters.to_meter_latest, counters.from_meter_highest = rotation.to_meter_latest, 0
    counters.from_meter_bitmap, counters.key_number = bytes(8), rotation.number
    # A balance under the new keys is newer than any under the old ones.
    counters.keys_begin, counters.balance_counter = new[:_BEGIN_OCTETS], 0
    names = [
        "to_meter_latest",
        "from_meter_highest",
        "from_meter_bitmap",
        "key_number",
        "keys_begin",
        "balance_counter",
    ]
    counters.save(update_fields=names)
    Meter.objects.filter(pk=meter.pk).update(dlms_keys_wrapped=new)
    rotation.keys_wrapped, rotation.state = b"", KeyRotation.State.PROVEN
    rotation.closed_at, rotation.result = now, "success"
    rotation.save()
    Command.objects.filter(meter=meter, kind__in=_KEY_KINDS, state__in=("QUEUED", "SENT")).update(
        state=Command.State.ACKED, result="success", closed_at=now, lease_until_at=None
    )
    audit.record(
        at=now,
        actor=f"meter:{meter.pk}",
        verb="headend.prove_keys",
        subject=f"meter:{meter.pk}",
        correlation=rotation.correlation,
        detail={"rotation": rotation.pk, "number": rotation.number, "replaces": rotation.old_number},
    )


def keep_late(*, rotation: KeyRotation, window: ReplayWindow) -> None:
    """Joining: the counter of a frame under old keys is used."""
    KeyRotation.objects.filter(pk=rotation.pk).update(
        old_from_highest=window.highest, old_from_bitmap=window.bitmap.to_bytes(8, "big")
    )


__all__ = [
    "OPEN",
    "HeldFrame",
    "SealTerms",
    "keep_late",
    "open_and_hold",
    "open_by_other_keys",
    "other_keys",
    "put_in_force",
    "seal_terms",
]
