# SPDX-License-Identifier: Apache-2.0
"""
A token over the STS interface, crash-safe as a top-up is: the order with all that decides the 20 digits is committed
first, the token is made outside any transaction, then its outcome is. The same message id gives the same token.
"""

from __future__ import annotations

import datetime as dt
import logging
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import IntegrityError, connection, transaction

from duaarah.audit import operations as audit
from duaarah.core.sts import BadRequest, Decoded, Explanation, STSError, check_pan, pan_of
from duaarah.core.sts.decode import KT_DDTK
from duaarah.people.models import OperatorKey
from duaarah.registry.models import Meter
from duaarah.vending.operations.configuration import configuration_of
from duaarah.vending.operations.sts_content import Content, Order, content_of, draws_rnd, payload48_of
from duaarah.vending.operations.sts_errors import (
    ConfigurationConflict,
    MessageIDReused,
    MessageUnknown,
    OrderRefused,
    RegisterRefused,
    ScopeRefused,
    STSRefused,
)
from duaarah.vending.operations.sts_limits import lock, spend
from duaarah.vending.operations.tids import RegisteredMeanwhile, next_tid, next_tid_of_pan
from duaarah.vending.ports import KeyTerms
from duaarah.vending.sts_models import STSOrder, STSOutcome
from duaarah.vending.sts_ports import MachineAway, MachineRefused, TokenMachine

T = TypeVar("T", Decoded, Explanation)
LOG = logging.getLogger(__name__)
ATTEMPTS_MAX = 5
_SCOPES = {0: OperatorKey.Scope.ISSUE, 1: OperatorKey.Scope.ENGINEERING, 2: OperatorKey.Scope.ENGINEERING}
_KEY_COLUMNS = ("dkga", "ea", "sgc", "ti", "krn", "kt", "ken", "base_date")
_REFUSALS = (STSRefused, STSError, MachineRefused, MachineAway)


@dataclass(frozen=True, kw_only=True)
class STSToken:
    """An order and its digits. `repeated`: the message id had ordered it before."""

    order: STSOrder
    digits: str
    repeated: bool

    def __repr__(self) -> str:
        return f"STSToken(order={self.order.pk}, repeated={self.repeated})"


@dataclass(frozen=True, kw_only=True)
class Address:
    """For whom a token is: PAN, the registered meter or None, and the key configuration."""

    pan: str
    meter: Meter | None
    keys: KeyTerms


def issue_sts(*, key: OperatorKey, order: Order, machine: TokenMachine, now: dt.datetime) -> STSToken:
    """
    Make the token of an order, or return it again.

    Raises:
        STSRefused: by its code; nothing moved and an audit line says so, except for `keys_unavailable`: there the order
            stands, and the same message id asks again.
    """
    try:
        row, repeated = reserve_sts(key=key, order=order, machine=machine, now=now)
        digits = finish_sts(row=row, machine=machine, now=now)
    except _REFUSALS as error:
        raise _refused(error, key, "vending.issue_sts", f"message:{order.message_id}", now) from error
    return STSToken(order=row, digits=digits, repeated=repeated)


def fetch_sts(*, key: OperatorKey, message_id: str, machine: TokenMachine, now: dt.datetime) -> STSToken:
    """
    The token of an earlier message id; one that a crash kept from being made is made now.

    Raises:
        STSRefused: as `issue_sts`; MessageUnknown for an id that this caller never used.
    """
    try:
        row = _of_message(key, message_id)
        if row is None:
            raise MessageUnknown("This message id has ordered nothing.")
        _allow(key, row.token_class, row.sts_register)
        digits = finish_sts(row=row, machine=machine, now=now)
    except _REFUSALS as error:
        raise _refused(error, key, "vending.fetch_sts", f"message:{message_id}", now) from error
    return STSToken(order=row, digits=digits, repeated=True)


def decode_sts(
    *, key: OperatorKey, order: Order, digits: str, machine: TokenMachine, now: dt.datetime
) -> tuple[Decoded, Address]:
    """
    What the addressed meter would make of 20 digits; `order` names the meter only.

    Raises:
        STSRefused: as `issue_sts`.
    """
    return _read(key, order, machine, now, "vending.decode_sts", lambda to: machine.open(digits=digits, **_of(to)))


def explain_sts(
    *, key: OperatorKey, order: Order, digits: str, machine: TokenMachine, now: dt.datetime
) -> tuple[Explanation, Address]:
    """
    20 digits bit by bit, as the addressed meter reads them; the parts of a new key stay hidden.

    Raises:
        STSRefused: as `issue_sts`.
    """
    return _read(key, order, machine, now, "vending.explain_sts", lambda to: machine.explain(digits=digits, **_of(to)))


def _of(to: Address) -> dict[str, Any]:
    return {"pan": to.pan, "keys": to.keys}


def _read(
    key: OperatorKey, order: Order, machine: TokenMachine, now: dt.datetime, verb: str, read: Callable[[Address], T]
) -> tuple[T, Address]:
    """Entry: read a token for the meter that the order names; one audit line, by its result, never its digits."""
    try:
        _scope(key, OperatorKey.Scope.DECODE)
        to = _address(key, order, machine)
        found = read(to)
    except _REFUSALS as error:
        raise _refused(error, key, verb, "token", now) from error
    result = found.result.value if found.result else None
    with transaction.atomic(durable=True):
        audit.record(
            at=now,
            actor=f"operatorkey:{key.pk}",
            verb=verb,
            subject=f"pan:{to.pan}",
            detail={"result": result, "register": to.keys.register},
        )
    return found, to


def reserve_sts(*, key: OperatorKey, order: Order, machine: TokenMachine, now: dt.datetime) -> tuple[STSOrder, bool]:
    """
    Entry: limits spent, TID taken, random number drawn, the order stored. Returns it, and whether it was there before.

    Raises:
        STSRefused, STSError, MachineRefused, MachineAway.
    """
    for _ in range(ATTEMPTS_MAX):
        earlier = _earlier(key, order)
        if earlier is not None:
            return earlier, True
        _scope(key, _SCOPES.get(order.token_class, OperatorKey.Scope.ENGINEERING))
        content = content_of(order)
        to = _address(key, order, machine) if order.token_class != 1 else None
        if to is not None:
            if to.keys.kt == KT_DDTK and order.token_class == 0:
                raise BadRequest("A default key (KT 1) carries a meter to its own key, never credit.")
            machine.check(pan=to.pan, keys=to.keys, at=now)
        try:
            with transaction.atomic(durable=True):
                return _reserve(key, order, content, to, now)
        except RegisteredMeanwhile:
            continue
        except IntegrityError as error:
            # Two deliveries of one request raced; the unique message id let one of them through.
            if "vending_sts_message_once" not in str(error):
                raise
    raise OrderRefused("conflict", "This order met others too often; please send it again.")


def finish_sts(*, row: STSOrder, machine: TokenMachine, now: dt.datetime) -> str:
    """
    Entry: the digits of a stored order, made if they are not yet. However often, by whomever: the same.

    Raises:
        MachineRefused, MachineAway: the order stands.
    """
    owner = f"sts:{row.request_id}"
    stored = STSOutcome.objects.filter(order=row).first()
    if stored is not None:
        return machine.unwrap(bytes(stored.digits_wrapped), owner)
    digits = machine.make(token_class=row.token_class, payload48=row.payload48, pan=row.pan, keys=_terms(row))
    wrapped = machine.wrap(digits, owner)
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO vending_stsoutcome (order_id, digits_wrapped, made_at) VALUES (%s, %s, %s)"
                " ON CONFLICT (order_id) DO NOTHING RETURNING id",
                [row.pk, wrapped, now],
            )
            first = cursor.fetchone() is not None
        if first:
            audit.record(
                at=now,
                actor=f"operatorkey:{row.key_id}",
                verb="vending.make_sts",
                subject=f"stsorder:{row.pk}",
                correlation=row.request_id,
            )
    return digits


def _reserve(
    key: OperatorKey, order: Order, content: Content, to: Address | None, now: dt.datetime
) -> tuple[STSOrder, bool]:
    limits = lock(key=key, register=to.keys.register if to else "")
    # Behind the lock: a twin of this request that came first is committed by now, and has spent for both.
    earlier = _earlier(key, order)
    if earlier is not None:
        return earlier, True
    spend(limits, energy_wh=content.energy_wh, value=content.value, now=now)
    tid = _tid(to, now) if to else None
    rnd = secrets.randbelow(16) if draws_rnd(order) else None
    row = STSOrder.objects.create(
        request_id=uuid.uuid4(),
        organisation_id=key.organisation_id,
        unit_id=key.unit_id,
        key=key,
        message_id=order.message_id,
        digest=order.digest(),
        token_class=order.token_class,
        subclass=order.subclass,
        **_columns(to),
        tid=tid,
        rnd=rnd,
        payload48=payload48_of(order, content, tid=tid, rnd=rnd),
        requested=content.requested,
        encoded=content.encoded,
        energy_wh=content.energy_wh,
        ordered_at=now,
    )
    audit.record(
        at=now,
        actor=f"operatorkey:{key.pk}",
        verb="vending.reserve_sts",
        subject=f"stsorder:{row.pk}",
        correlation=row.request_id,
        detail={
            "message": order.message_id,
            "class": order.token_class,
            "subclass": order.subclass,
            "pan": row.pan,
            "tid": tid,
            "register": row.sts_register,
            "encoded": row.encoded,
        },
    )
    return row, False


def _tid(to: Address, now: dt.datetime) -> int:
    base_date, ken = to.keys.base_date, to.keys.ken
    if to.meter is not None:
        return next_tid(meter_id=to.meter.pk, base_date=base_date, ken=ken, now=now)
    return next_tid_of_pan(pan=to.pan, base_date=base_date, ken=ken, now=now)


def _columns(to: Address | None) -> dict[str, Any]:
    if to is None:
        return {}
    keys = {name: getattr(to.keys, name) for name in _KEY_COLUMNS}
    return {"pan": to.pan, "meter": to.meter, "sts_register": to.keys.register, **keys}


def _terms(row: STSOrder) -> KeyTerms | None:
    if row.token_class == 1:
        return None
    return KeyTerms(register=row.sts_register, **{name: getattr(row, name) for name in _KEY_COLUMNS})


def _of_message(key: OperatorKey, message_id: str) -> STSOrder | None:
    mine = STSOrder.objects.filter(organisation_id=key.organisation_id, message_id=message_id)
    return (mine.filter(unit=None) if key.unit_id is None else mine.filter(unit_id=key.unit_id)).first()


def _earlier(key: OperatorKey, order: Order) -> STSOrder | None:
    found = _of_message(key, order.message_id)
    if found is None:
        return None
    if bytes(found.digest) != order.digest():
        raise MessageIDReused("This message id was used for another request.")
    _allow(key, found.token_class, found.sts_register)
    return found


def _allow(key: OperatorKey, token_class: int, register: str) -> None:
    _scope(key, _SCOPES[token_class])
    if register and register not in key.registers:
        raise RegisterRefused("This key is not bound to the key register.")


def _scope(key: OperatorKey, scope: str) -> None:
    if scope not in key.scopes:
        raise ScopeRefused(f"This key has not the scope {scope}.")


def _address(key: OperatorKey, order: Order, machine: TokenMachine) -> Address:
    """The meter's identity and keys: as the registry has them, else as the order names them."""
    if (order.drn is None) == (order.pan is None):
        raise BadRequest("Give drn or pan, one of them.")
    pan = check_pan(order.pan) if order.pan is not None else pan_of(order.drn or "")
    meter = Meter.objects.filter(pan=pan).first()
    if meter is None:
        return Address(pan=pan, meter=None, keys=_named_keys(key, order, machine))
    columns = configuration_of(meter)
    keys = KeyTerms(register=meter.sts_register, **{name: columns[name] for name in _KEY_COLUMNS})
    if keys.register not in key.registers:
        raise RegisterRefused("This key is not bound to the key register of this meter.")
    for name in ("register", "ea", "ti"):
        if getattr(order, name) not in (None, getattr(keys, name)):
            raise ConfigurationConflict(f"The registry knows this meter by another {name}; leave it out, or mend it.")
    return Address(pan=pan, meter=meter, keys=keys)


def _named_keys(key: OperatorKey, order: Order, machine: TokenMachine) -> KeyTerms:
    if order.register is None or order.ea is None or order.ti is None:
        raise BadRequest("This meter is in no registry: name register, ea and ti.")
    if order.register not in key.registers:
        raise RegisterRefused("This key is not bound to the key register.")
    facts = next((one for one in machine.registers() if one.register_id == order.register), None)
    if facts is None:
        raise MachineRefused("unknown_register", f"There is no key register {order.register}.")
    return KeyTerms(
        register=facts.register_id,
        dkga=facts.dkga,
        ea=order.ea,
        sgc=facts.sgc,
        ti=order.ti,
        krn=facts.krn,
        kt=facts.kt,
        ken=facts.ken,
        base_date=facts.base_date,
    )


def _refused(error: Exception, key: OperatorKey, verb: str, subject: str, now: dt.datetime) -> STSRefused:
    """One audit line of a refusal; returned as what the caller raises."""
    found = error if isinstance(error, STSRefused) else OrderRefused(error.code, str(error))  # type: ignore[attr-defined]
    if isinstance(error, MachineAway):
        LOG.error("no STS token for now, %s: %s", error.code, error)
    with transaction.atomic(durable=True):
        audit.record_refusal(
            at=now,
            actor=f"operatorkey:{key.pk}",
            verb=verb,
            subject=subject,
            code=found.code,
            reason=str(found),
            detail={"limit": found.limit} if found.limit else None,
        )
    return found
