# SPDX-License-Identifier: Apache-2.0
"""Whatever the host refuses leaves one audit line."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from duaarah.audit import operations as audit
from duaarah.vending.operations.ppob.codes import PPOBRefused


def record_refused(*, partner: str, kind: str, error: PPOBRefused, trace: str, pln_ref: str, now: dt.datetime) -> None:
    """Entry: one line, unless the verb that refused has written it. `partner` is what field 33 claimed."""
    if error.recorded:
        return
    with transaction.atomic(durable=True):
        audit.record_refusal(
            at=now,
            actor=f"partner:{partner}",
            verb="vending.ppob",
            subject=f"message:{kind}",
            code=error.code,
            reason=str(error),
            detail={"trace": trace, "pln_ref": pln_ref},
        )
