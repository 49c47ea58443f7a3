# SPDX-License-Identifier: Apache-2.0
"""The audit line of a request that was refused before its content was judged."""

from __future__ import annotations

from django.db import transaction

from duaarah.audit import operations as audit
from duaarah.clock.queries import now


def record_refused(actor: str, code: str, verb: str) -> None:
    """Leave an audit line of a request that was refused before its content was judged; nothing of its body is kept."""
    with transaction.atomic(durable=True):
        audit.record_refusal(at=now(), actor=actor, verb=verb[:60], subject="api", code=code)
