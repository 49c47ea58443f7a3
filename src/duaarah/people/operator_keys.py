# SPDX-License-Identifier: Apache-2.0
"""Keys of vending operators' programs: shown once, kept as a hash, bound to scopes and key registers, revoked by one verb."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Iterable

from django.db import transaction

from duaarah.audit import operations as audit
from duaarah.people.models import OperatorKey, Organisation, Unit

PREFIX = "do_"
KEYS_MAX = 50


class OperatorKeyRefused(Exception):
    """No key can be made that way. Nothing was made."""

    code = "operator_key_refused"


def _digest(plain: str) -> bytes:
    # 256 random bits need no salt and no slow hash: nobody guesses them.
    return hashlib.sha256(plain.encode()).digest()


def found_organisation(*, code: str, name: str, actor: str, now: dt.datetime) -> Organisation:
    """Entry: the organisation of this code, founded as a utility under this name where there is none."""
    with transaction.atomic(durable=True):
        organisation, founded = Organisation.objects.get_or_create(
            code=code, defaults={"name": name, "kind": Organisation.Kind.UTILITY}
        )
        if founded:
            audit.record(at=now, actor=actor, verb="people.found_organisation", subject=f"organisation:{code}")
    return organisation


def make_operator_key(
    *,
    organisation: Organisation,
    unit: Unit | None,
    name: str,
    scopes: Iterable[str],
    registers: Iterable[str],
    actor: str,
    now: dt.datetime,
) -> tuple[OperatorKey, str]:
    """
    Entry: a new key and its text, which is returned this once and never again.

    Raises:
        OperatorKeyRefused: no name, an unknown scope, no register, another organisation's unit, or fifty are alive.
    """
    wanted, named = sorted(set(scopes)), sorted(set(registers))
    checks = (
        (0 < len(name) <= 60, "A key has a name of at most 60 characters."),
        (bool(wanted) and set(wanted) <= set(OperatorKey.Scope.values), "A scope is one of those that there are."),
        (bool(named) and all(0 < len(one) <= 40 for one in named), "A key is bound to at least one key register."),
        (unit is None or unit.organisation_id == organisation.pk, "The unit is not one of this organisation."),
    )
    for fine, sentence in checks:
        if not fine:
            raise OperatorKeyRefused(sentence)
    plain = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic(durable=True):
        # One maker at a time for each organisation, so that the limit holds.
        Organisation.objects.select_for_update().get(pk=organisation.pk)
        if OperatorKey.objects.filter(organisation=organisation, revoked_at=None).count() >= KEYS_MAX:
            raise OperatorKeyRefused(f"At most {KEYS_MAX} keys of one organisation are alive at a time.")
        key = OperatorKey.objects.create(
            organisation=organisation,
            unit=unit,
            name=name,
            digest=_digest(plain),
            scopes=wanted,
            registers=named,
            created_at=now,
        )
        audit.record(
            at=now,
            actor=actor,
            verb="people.make_operator_key",
            subject=f"operatorkey:{key.pk}",
            detail={"organisation": organisation.code, "scopes": wanted, "registers": named},
        )
    return key, plain


def revoke_operator_key(*, key_id: int, actor: str, now: dt.datetime) -> bool:
    """Entry: a key opens nothing from now on; False when there is none or it was revoked before."""
    with transaction.atomic(durable=True):
        done = OperatorKey.objects.filter(pk=key_id, revoked_at=None).update(revoked_at=now)
        if done:
            audit.record(
                at=now, actor=actor, verb="people.revoke_operator_key", subject=f"operatorkey:{key_id}", detail={}
            )
    return bool(done)


def operator_of_key(plain: str) -> OperatorKey | None:
    """The living key of this text, with its organisation and unit."""
    if not plain.startswith(PREFIX) or len(plain) > 80:
        return None
    return (
        OperatorKey.objects.select_related("organisation", "unit")
        .filter(digest=_digest(plain), revoked_at=None)
        .first()
    )
