# SPDX-License-Identifier: Apache-2.0
"""The messenger's loop: due messages become segments, customers' texts get their answers."""

from __future__ import annotations

from duaarah.clock.queries import now
from duaarah.messaging.operations import hand_over
from duaarah.sms.models import InboundSms
from duaarah.sms.operations import claim_inbound
from duaarah.texting.conversation import answer
from duaarah.wiring.keystores import key_store
from duaarah.wiring.p2apst import token_source
from duaarah.wiring.token_sources import OwnKeys
from duaarah.workers.loop import Loop, each, inbound_lease_s

INBOUND_BATCH = 20
PACE_S = 0.02


def main() -> int:
    """Run until SIGTERM."""
    source = token_source(OwnKeys(key_store()))

    def hand() -> int:
        return hand_over(now=now())

    def converse() -> int:
        claimed = claim_inbound(kind=InboundSms.Kind.TEXT, limit=INBOUND_BATCH, lease_s=inbound_lease_s())
        return each(claimed, lambda row: answer(inbound_id=row, token_source=source, now=now()), "text")

    return Loop([converse, hand], wakers=frozenset({"message", "inbound"}), idle_s=0.5, pace_s=PACE_S).run()
