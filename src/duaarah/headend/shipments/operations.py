# SPDX-License-Identifier: Apache-2.0
"""Verbs of shipments: read a file and check it, take its meters up, discard it. Nothing of a key is in any text here."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from django.db import IntegrityError, connection, transaction

from duaarah.audit import operations as audit
from duaarah.core.sts import KeyRegister
from duaarah.headend.ports import KeysNotOpened, ShipmentKeys
from duaarah.headend.shipment_models import Maker, Shipment
from duaarah.headend.shipments.columns import Fault, ShippedMeter, places, read_row
from duaarah.headend.shipments.table import BadTable, read_table
from duaarah.registry.models import Meter, Modem

BATCH = 1000
LOW_CREDIT_WH = 5_000
FILE_NAME_MAX = 200
_KEYS_CLEAR_OCTETS = 16

Progress = Callable[[int], None]


class ShipmentRefused(Exception):
    """The shipment was not taken up or discarded; `code` says why. Nothing was changed."""

    code = "shipment_refused"
    retryable = False


class ShipmentWrong(ShipmentRefused):
    """Some rows are wrong, and nobody said that the others shall be taken without them; or no row is right."""

    code = "shipment_wrong"


class ShipmentClosed(ShipmentRefused):
    """It was taken up or discarded before."""

    code = "shipment_closed"


class ShipmentStale(ShipmentRefused):
    """Since it was read, one of its meters, modems or system titles came into the registry another way."""

    code = "shipment_stale"


@dataclass(frozen=True, kw_only=True)
class Taking:
    """How the rows of one file are judged: our kinds of meter and key registers, and who opens the keys."""

    profiles: tuple[str, ...]
    registers: tuple[KeyRegister, ...]
    keys: ShipmentKeys


def read_shipment(
    *,
    maker: Maker,
    file_name: str,
    content: bytes,
    taking: Taking,
    actor: str,
    now: dt.datetime,
    progress: Progress | None = None,
) -> Shipment:
    """
    Entry: read a maker's file, check every row, wrap the keys anew; returns what was found. No meter exists yet.

    The same file again is the same shipment. `progress` is told how many rows were read.

    Raises:
        BadTable: see shipments.table and columns.places; one audit line, nothing kept.
    """
    digest = hashlib.sha256(content).digest()
    known = Shipment.objects.filter(maker=maker, digest=digest).exclude(state=Shipment.State.DISCARDED).first()
    if known is not None:
        return known
    try:
        lines, clear = _judge(content, taking, progress)
    except BadTable as error:
        with transaction.atomic(durable=True):
            audit.record_refusal(
                at=now,
                actor=actor,
                verb="headend.read_shipment",
                subject=f"maker:{maker.code}",
                code=error.code,
                reason=str(error),
            )
        raise
    wrong = sum(not line.fine for line in lines)
    try:
        with transaction.atomic(durable=True):
            shipment = Shipment.objects.create(
                maker=maker,
                file_name=file_name[:FILE_NAME_MAX],
                digest=digest,
                state=Shipment.State.READ,
                rows=len(lines),
                wrong=wrong,
                keys_clear=clear,
                read_at=now,
                read_by=actor,
            )
            _keep(shipment.pk, lines)
            audit.record(
                at=now,
                actor=actor,
                verb="headend.read_shipment",
                subject=f"shipment:{shipment.pk}",
                detail={
                    "maker": maker.code,
                    "sha256": digest.hex(),
                    "rows": len(lines),
                    "wrong": wrong,
                    "clear": clear,
                },
            )
    except IntegrityError:
        # Somebody else read the same file in this moment.
        return Shipment.objects.exclude(state=Shipment.State.DISCARDED).get(maker=maker, digest=digest)
    return shipment


@dataclass(slots=True)
class _Line:
    row: int
    drn: str
    faults: list[Fault]
    meter: ShippedMeter | None = None
    register: str = ""
    keys_wrapped: bytes = b""

    @property
    def fine(self) -> bool:
        return not self.faults


def _judge(content: bytes, taking: Taking, progress: Progress | None) -> tuple[list[_Line], bool]:
    rows = read_table(content)
    _, heading = next(rows, (0, []))
    where = places(heading)
    registers = {_serves(register): register.register_id for register in taking.registers}
    lines: list[_Line] = []
    seen: dict[tuple[str, object], int] = {}
    clear = False
    for number, cells in rows:
        meter, faults = read_row(number, cells, where, taking.profiles)
        shown = (where["drn"] < len(cells) and cells[where["drn"]][:20]) or ""
        line = _Line(number, meter.drn if meter else shown, faults, meter)
        if meter is not None:
            clear = clear or _KEYS_CLEAR_OCTETS in (len(meter.encryption), len(meter.authentication), len(meter.master))
            _open(line, meter, registers, taking.keys, seen)
        lines.append(line)
        if progress is not None and len(lines) % BATCH == 0:
            progress(len(lines))
    if not lines:
        raise BadTable("empty", "The file has a heading and no meter.")
    _known_before(lines)
    return lines, clear


def _serves(register: KeyRegister) -> tuple[object, ...]:
    return register.dkga, register.sgc, register.krn, register.kt, register.base_date


def _open(
    line: _Line,
    meter: ShippedMeter,
    registers: dict[tuple[object, ...], str],
    keys: ShipmentKeys,
    seen: dict[tuple[str, object], int],
) -> None:
    sts = meter.sts
    line.register = registers.get((sts.dkga, sts.sgc, sts.krn, sts.kt, sts.base_date), "")
    if not line.register:
        line.faults.append(Fault("sgc", "no_register", "No key register here serves this SGC, KRN, KT and base date."))
    fingerprint: bytes | None = None
    try:
        line.keys_wrapped, fingerprint = keys.take(
            drn=meter.drn, encryption=meter.encryption, authentication=meter.authentication, master=meter.master
        )
    except KeysNotOpened as error:
        line.faults.append(Fault("encryption", error.code, str(error)))
    once: dict[str, object] = {"drn": meter.drn, "system_title": meter.system_title, "encryption": fingerprint}
    once |= {"imei": meter.imei, "iccid": meter.iccid}
    for column, value in once.items():
        if not value:
            continue
        first = seen.setdefault((column, value), line.row)
        if first != line.row:
            line.faults.append(Fault(column, "twice", f"The same stands in row {first}.", first))


def _known_before(lines: list[_Line]) -> None:
    """What the registry has already."""
    for start in range(0, len(lines), BATCH):
        part = [line for line in lines[start : start + BATCH] if line.meter is not None]
        drns = set(Meter.objects.filter(drn__in=[line.drn for line in part]).values_list("drn", flat=True))
        titles = [line.meter.system_title for line in part if line.meter]
        held = {bytes(t) for t in Meter.objects.filter(system_title__in=titles).values_list("system_title", flat=True)}
        imeis = [line.meter.imei for line in part if line.meter and line.meter.imei]
        modems = set(Modem.objects.filter(imei__in=imeis).values_list("imei", flat=True))
        for line in part:
            assert line.meter is not None
            if line.drn in drns:
                line.faults.append(Fault("drn", "known", "This meter is in the registry already."))
            elif line.meter.system_title in held:
                line.faults.append(Fault("system_title", "known", "Another meter has this system title."))
            if line.meter.imei in modems:
                line.faults.append(Fault("imei", "known", "This modem is in the registry already."))


_COPY = """
COPY headend_shipmentrow (shipment_id, row, drn, fine, faults, meter, system_title, keys_wrapped) FROM STDIN
"""


def _keep(shipment_id: int, lines: Iterable[_Line]) -> None:
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for line in lines:
            fine, meter = line.fine, line.meter
            copy.write_row(
                (
                    shipment_id,
                    line.row,
                    line.drn,
                    fine,
                    json.dumps([asdict(fault) for fault in line.faults]),
                    json.dumps(_public(meter, line.register) if meter else {}),
                    meter.system_title if meter else None,
                    line.keys_wrapped if fine else b"",
                )
            )


def _public(meter: ShippedMeter, register: str) -> dict[str, Any]:
    names = ("profile", "pan", "imei", "iccid", "firmware")
    return {**{name: getattr(meter, name) for name in names}, **asdict(meter.sts), "register": register}


_TAKE = """
WITH fine AS (
    SELECT * FROM headend_shipmentrow WHERE shipment_id = %(shipment)s AND fine ORDER BY row
), made AS (
    INSERT INTO registry_meter (drn, pan, profile, customer_id, transformer_id, zone, tariff_group, region, contracted_va,
        low_credit_threshold_wh, system_title, dlms_keys_wrapped, sts_register, sgc, ti, krn, kt, ken, base_date, dkga, ea)
    SELECT drn, meter->>'pan', meter->>'profile', NULL, NULL, 'Asia/Jakarta', '', '', 0, %(threshold)s, system_title,
        keys_wrapped, meter->>'register', meter->>'sgc', meter->>'ti', (meter->>'krn')::int, (meter->>'kt')::int,
        (meter->>'ken')::int, (meter->>'base_date')::int, meter->>'dkga', meter->>'ea'
    FROM fine RETURNING id
), counters AS (
    INSERT INTO headend_invocationcounter (meter_id, to_meter_latest, from_meter_highest, from_meter_bitmap, gaps)
    SELECT id, 0, 0, decode('0000000000000000', 'hex'), 0 FROM made
), modems AS (
    INSERT INTO registry_modem (imei) SELECT meter->>'imei' FROM fine WHERE meter->>'imei' <> ''
), sims AS (
    UPDATE registry_sim SET state = 'IN_MODEM', state_at = %(now)s
    FROM fine WHERE iccid = fine.meter->>'iccid' AND state = 'IN_STOCK'
)
SELECT count(*) FROM made
"""


def take_shipment(*, shipment_id: int, without_wrong: bool, actor: str, now: dt.datetime) -> int:
    """
    Entry: the fine rows become meters (with their counters and modems), all in one transaction; returns how many.

    A SIM that is in stock and named by a row is in its modem from now on. `without_wrong`: take the fine rows although
    others are wrong. A repeat after it was taken returns the same number.

    Raises:
        ShipmentWrong, ShipmentClosed, ShipmentStale: an audit line says so.
        Shipment.DoesNotExist: no such shipment.
    """
    try:
        with transaction.atomic(durable=True):
            shipment = Shipment.objects.select_for_update().get(pk=shipment_id)
            if shipment.state == Shipment.State.TAKEN:
                return shipment.taken
            if shipment.state != Shipment.State.READ:
                raise ShipmentClosed("This shipment was discarded.")
            if shipment.wrong == shipment.rows:
                raise ShipmentWrong("No row of this shipment is right.")
            if shipment.wrong and not without_wrong:
                raise ShipmentWrong(f"{shipment.wrong} rows are wrong; take the others without them, or mend the file.")
            with connection.cursor() as cursor:
                cursor.execute(_TAKE, {"shipment": shipment_id, "threshold": LOW_CREDIT_WH, "now": now})
                shipment.taken = cursor.fetchone()[0]
            shipment.state, shipment.closed_at, shipment.closed_by = Shipment.State.TAKEN, now, actor
            shipment.save(update_fields=["state", "taken", "closed_at", "closed_by"])
            detail = {"meters": shipment.taken, "left_out": shipment.wrong}
            _audit(shipment_id, "headend.take_shipment", actor, now, detail)
            return shipment.taken
    except IntegrityError:
        error: ShipmentRefused = ShipmentStale("The registry has changed since this file was read; read it again.")
    except ShipmentRefused as refused:
        error = refused
    _refuse(shipment_id, "headend.take_shipment", error, actor, now)
    raise error


def discard_shipment(*, shipment_id: int, actor: str, now: dt.datetime) -> None:
    """
    Entry: a shipment that was read is not wanted; its wrapped keys are erased. Once more changes nothing.

    Raises:
        ShipmentClosed: it was taken up; an audit line says so.
    """
    with transaction.atomic(durable=True):
        shipment = Shipment.objects.select_for_update().get(pk=shipment_id)
        taken = shipment.state == Shipment.State.TAKEN
        if shipment.state == Shipment.State.READ:
            shipment.lines.update(keys_wrapped=b"")
            shipment.state, shipment.closed_at, shipment.closed_by = Shipment.State.DISCARDED, now, actor
            shipment.save(update_fields=["state", "closed_at", "closed_by"])
            _audit(shipment_id, "headend.discard_shipment", actor, now, {})
    if taken:
        error = ShipmentClosed("Its meters are in the registry.")
        _refuse(shipment_id, "headend.discard_shipment", error, actor, now)
        raise error


def set_maker(*, code: str, name: str, transport_key_wrapped: bytes | None, actor: str, now: dt.datetime) -> Maker:
    """Entry: found a maker, rename it, or give it another transport key (wrapped; None leaves the one it has)."""
    with transaction.atomic(durable=True):
        maker, _ = Maker.objects.select_for_update().get_or_create(code=code, defaults={"name": name})
        maker.name = name
        if transport_key_wrapped is not None:
            maker.transport_key_wrapped, maker.transport_key_at = transport_key_wrapped, now
        maker.save()
        audit.record(
            at=now,
            actor=actor,
            verb="headend.set_maker",
            subject=f"maker:{code}",
            detail={"name": name, "new_transport_key": transport_key_wrapped is not None},
        )
    return maker


def _audit(shipment_id: int, verb: str, actor: str, now: dt.datetime, detail: dict[str, Any]) -> None:
    audit.record(at=now, actor=actor, verb=verb, subject=f"shipment:{shipment_id}", detail=detail)


def _refuse(shipment_id: int, verb: str, error: ShipmentRefused, actor: str, now: dt.datetime) -> None:
    with transaction.atomic(durable=True):
        audit.record_refusal(
            at=now, actor=actor, verb=verb, subject=f"shipment:{shipment_id}", code=error.code, reason=str(error)
        )
