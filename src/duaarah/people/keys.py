# SPDX-License-Identifier: Apache-2.0
"""API keys of an account holder: shown once, kept as a hash, revoked by one verb."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets

from django.db import transaction

from duaarah.audit import operations as audit
from duaarah.people.models import AccountHolder, APIKey

PREFIX = "da_"
KEYS_MAX = 10


class TooManyKeys(Exception):
    """A holder has at most ten living keys."""

    code = "too_many_keys"


def _digest(plain: str) -> bytes:
    # 256 random bits need no salt and no slow hash: nobody guesses them.
    return hashlib.sha256(plain.encode()).digest()


def make_key(*, holder: AccountHolder, name: str, now: dt.datetime) -> str:
    """
    Entry: a new key; its text is returned this once and never again.

    Raises:
        TooManyKeys: ten are alive.
    """
    plain = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic(durable=True):
        # One maker at a time for each holder, so that the limit holds.
        AccountHolder.objects.select_for_update().get(pk=holder.pk)
        if APIKey.objects.filter(holder=holder, revoked_at=None).count() >= KEYS_MAX:
            raise TooManyKeys("At most ten keys are alive at a time.")
        key = APIKey.objects.create(holder=holder, name=name[:60] or "API", digest=_digest(plain), created_at=now)
        audit.record(at=now, actor=f"holder:{holder.pk}", verb="people.make_key", subject=f"apikey:{key.pk}", detail={})
    return plain


def revoke_key(*, holder: AccountHolder, key_id: int, now: dt.datetime) -> bool:
    """Entry: a key opens nothing from now on; False when it is not his or was revoked before."""
    with transaction.atomic(durable=True):
        done = APIKey.objects.filter(pk=key_id, holder=holder, revoked_at=None).update(revoked_at=now)
        if done:
            audit.record(
                at=now, actor=f"holder:{holder.pk}", verb="people.revoke_key", subject=f"apikey:{key_id}", detail={}
            )
    return bool(done)


def holder_of_key(plain: str) -> APIKey | None:
    """The living key of this text, with its holder."""
    if not plain.startswith(PREFIX) or len(plain) > 80:
        return None
    return APIKey.objects.select_related("holder").filter(digest=_digest(plain), revoked_at=None).first()
