# SPDX-License-Identifier: Apache-2.0
"""Whether two configurations make one decoder key, and whether a key would bring a token back that another stands for."""

from __future__ import annotations

from dataclasses import asdict

from duaarah.registry.models import Meter
from duaarah.vending.models import Vend
from duaarah.vending.operations.configuration import key_terms
from duaarah.vending.ports import KeyTerms

# What a decoder key is made from (IEC 62055-41, 6.5); the expiry number and the base date are not in it.
_KEY = ("register", "dkga", "ea", "sgc", "ti", "krn", "kt")


def same_key(one: KeyTerms, other: KeyTerms) -> bool:
    first, second = asdict(one), asdict(other)
    return all(first[name] == second[name] for name in _KEY)


def revived(*, meter: Meter, target: KeyTerms) -> bool:
    """Whether this key would open a token again that another one stands for: a key change to it is refused."""
    dead = Vend.objects.filter(meter_id=meter.pk, replacement__isnull=False)
    return any(same_key(key_terms(old), target) for old in dead)
