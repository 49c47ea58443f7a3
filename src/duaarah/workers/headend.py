# SPDX-License-Identifier: Apache-2.0
"""The head end's loop: frames to meters (T3), frames from meters (T4), sessions with those on IP, campaigns."""

from __future__ import annotations

from duaarah.clock.queries import now
from duaarah.headend.campaigns.run import run_campaigns
from duaarah.headend.operations import claim_and_send
from duaarah.notices.operations import take_frame
from duaarah.notices.pushes import take_pushes
from duaarah.sms.models import InboundSms
from duaarah.sms.operations import claim_inbound
from duaarah.wiring.campaign_deeds import make_known
from duaarah.wiring.drivers import DriverDirectory
from duaarah.wiring.keystores import MeterKeyring, key_store
from duaarah.wiring.pushes import PushFrames
from duaarah.wiring.transport import SessionTransport
from duaarah.workers.loop import Loop, command_lease_s, each, inbound_lease_s
from duaarah.workers.sessions import Sessions

INBOUND_BATCH = 50
PUSH_BATCH = 200
PACE_S = 0.01


def main() -> int:
    """Run until SIGTERM."""
    make_known()
    driver, keys, lease_s = DriverDirectory(), MeterKeyring(key_store()), command_lease_s()

    def send() -> int:
        return claim_and_send(driver=driver, keys=keys, now=now(), lease_s=lease_s)

    def campaigns() -> int:
        return run_campaigns(driver=driver, now=now())

    def receive() -> int:
        claimed = claim_inbound(kind=InboundSms.Kind.BINARY, limit=INBOUND_BATCH, lease_s=inbound_lease_s())
        return each(claimed, lambda row: take_frame(inbound_id=row, driver=driver, keys=keys, now=now()), "frame")

    frames = PushFrames()

    def pushes() -> int:
        return take_pushes(frames=frames, keys=keys, now=now(), limit=PUSH_BATCH, lease_s=inbound_lease_s())

    sessions = Sessions(driver=driver, keys=keys, transport=SessionTransport(), lease_s=lease_s)
    steps = [receive, send, pushes, sessions.step, campaigns]
    try:
        return Loop(steps, wakers=frozenset({"command", "inbound", "push"}), idle_s=0.5, pace_s=PACE_S).run()
    finally:
        sessions.close()
