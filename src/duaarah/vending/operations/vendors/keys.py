# SPDX-License-Identifier: Apache-2.0
"""Keys of vendors' programs: shown once, kept as a hash, bound to a channel with a deposit, revoked by one verb."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Iterable

from django.db import transaction
from django.db.models import Q

from duaarah.audit import operations as audit
from duaarah.people.models import Login
from duaarah.vending.models import Channel, Deposit
from duaarah.vending.vendor_models import VendorKey

PREFIX = "dv_"
KEYS_MAX = 50
USED_WITHIN = dt.timedelta(minutes=1)


class VendorKeyRefused(Exception):
    """No key can be made that way. Nothing was made."""

    code = "vendor_key_refused"


def _digest(plain: str) -> bytes:
    # 256 random bits need no salt and no slow hash: nobody guesses them.
    return hashlib.sha256(plain.encode()).digest()


def open_vendor(*, code: str, name: str, actor: str, now: dt.datetime) -> Channel:
    """
    Entry: the channel of this code with an empty deposit, founded under this name where there is none.

    Raises:
        VendorKeyRefused: there is one that keeps no deposit.
    """
    with transaction.atomic(durable=True):
        channel, founded = Channel.objects.get_or_create(
            code=code, defaults={"name": name, "kind": Channel.Kind.DEPOSIT}
        )
        if channel.kind != Channel.Kind.DEPOSIT:
            raise VendorKeyRefused(f"The channel {code} keeps no deposit.")
        Deposit.objects.get_or_create(channel=channel, defaults={"balance_sen": 0})
        if founded:
            audit.record(at=now, actor=actor, verb="vending.open_vendor", subject=f"channel:{code}")
    return channel


def make_vendor_key(
    *, channel: Channel, name: str, scopes: Iterable[str], login: Login | None, actor: str, now: dt.datetime
) -> tuple[VendorKey, str]:
    """
    Entry: a new key and its text, which is returned this once and never again.

    Raises:
        VendorKeyRefused: no name, an unknown scope, `free_issue` without a person, a channel without a deposit, or fifty
            keys are alive.
    """
    wanted = sorted(set(scopes))
    checks = (
        (0 < len(name) <= 60, "A key has a name of at most 60 characters."),
        (bool(wanted) and set(wanted) <= set(VendorKey.Scope.values), "A scope is one of those that there are."),
        (
            VendorKey.Scope.FREE_ISSUE not in wanted or login is not None,
            "A key that asks for tokens without money names the person who answers for them.",
        ),
        (channel.kind == Channel.Kind.DEPOSIT, "This channel keeps no deposit."),
    )
    for fine, sentence in checks:
        if not fine:
            raise VendorKeyRefused(sentence)
    plain = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic(durable=True):
        # One maker at a time for each channel, so that the limit holds.
        Channel.objects.select_for_update(no_key=True).get(pk=channel.pk)
        if VendorKey.objects.filter(channel=channel, revoked_at=None).count() >= KEYS_MAX:
            raise VendorKeyRefused(f"At most {KEYS_MAX} keys of one channel are alive at a time.")
        key = VendorKey.objects.create(
            channel=channel, name=name, digest=_digest(plain), scopes=wanted, login=login, created_at=now
        )
        audit.record(
            at=now,
            actor=actor,
            verb="vending.make_vendor_key",
            subject=f"vendorkey:{key.pk}",
            detail={"channel": channel.code, "scopes": wanted, "login": login.pk if login else None},
        )
    return key, plain


def revoke_vendor_key(*, key_id: int, actor: str, now: dt.datetime) -> bool:
    """Entry: a key opens nothing from now on; False when there is none or it was revoked before."""
    with transaction.atomic(durable=True):
        done = VendorKey.objects.filter(pk=key_id, revoked_at=None).update(revoked_at=now)
        if done:
            audit.record(at=now, actor=actor, verb="vending.revoke_vendor_key", subject=f"vendorkey:{key_id}")
    return bool(done)


def vendor_of_key(plain: str, now: dt.datetime) -> VendorKey | None:
    """The living key of this text, of a channel that is active; that it was used is noted once a minute."""
    if not plain.startswith(PREFIX) or len(plain) > 80:
        return None
    living = VendorKey.objects.select_related("channel").filter(revoked_at=None, channel__active=True)
    key = living.filter(digest=_digest(plain)).first()
    if key is not None and (key.used_at is None or key.used_at < now - USED_WITHIN):
        stale = Q(used_at=None) | Q(used_at__lt=now - USED_WITHIN)
        VendorKey.objects.filter(stale, pk=key.pk).update(used_at=now)
    return key
