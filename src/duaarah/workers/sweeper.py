# SPDX-License-Identifier: Apache-2.0
"""The sweeper's loop: whatever a crash, a silent meter or a lost response left behind is moved on."""

from __future__ import annotations

from django.conf import settings

from duaarah.audit.operations import seal
from duaarah.clock.queries import now
from duaarah.headend.operations import end_leases, judge_silent_rotations
from duaarah.notices.askers import tell_unanswered
from duaarah.notices.auto.buy import buy_due
from duaarah.notices.auto.second_person import ask_second_persons, follow_second_persons
from duaarah.notices.auto.watch import watch_rules
from duaarah.notices.day_warnings import compute_due
from duaarah.notices.padam import note_outages, tell_outages
from duaarah.notices.pushes import give_up_failed_pushes
from duaarah.outages.inferring import run_outages
from duaarah.outages.pings import send_pings, settle_pings
from duaarah.outages.planning import end_plans
from duaarah.sms.operations import give_up_inbound, judge_stale_segments, match_parked_receipts
from duaarah.vending.operations import resume_key_changes, resume_paid, send_digits_instead
from duaarah.vending.operations.key_roll import give_up_slow_rolls
from duaarah.vending.operations.vendors import resume_free_issues
from duaarah.wiring.drivers import DriverDirectory
from duaarah.wiring.keystores import key_store
from duaarah.wiring.p2apst import chosen_source
from duaarah.wiring.token_sources import OwnKeys
from duaarah.workers.loop import Loop

IDLE_S = 0.5
PACE_S = 0.2


def main() -> int:
    """Run until SIGTERM."""
    own, driver = OwnKeys(key_store()), DriverDirectory()
    token_source = chosen_source(own)
    backoff_s: int = settings.COMMAND_BACKOFF_S
    steps = [
        lambda: resume_paid(token_source=token_source, now=now()),
        # Seconds count for whoever sits in the dark.
        lambda: settle_pings(now=now()) + run_outages(now=now()) + note_outages(now=now()) + tell_outages(now=now()),
        lambda: send_pings(driver=driver, now=now()),
        lambda: end_plans(now=now()),
        lambda: give_up_slow_rolls(now=now()),
        lambda: resume_free_issues(token_source=token_source, now=now()),
        lambda: resume_key_changes(source=own, now=now()),
        lambda: end_leases(now=now(), backoff_s=backoff_s),
        lambda: judge_silent_rotations(now=now()),
        lambda: send_digits_instead(now=now()),
        lambda: tell_unanswered(now=now()),
        lambda: compute_due(now=now()),
        lambda: watch_rules(now=now()),
        lambda: ask_second_persons(now=now()) + follow_second_persons(now=now()),
        lambda: buy_due(token_source=token_source, now=now()),
        lambda: judge_stale_segments(now=now()),
        lambda: give_up_inbound(now=now()),
        lambda: give_up_failed_pushes(now=now()),
        match_parked_receipts,
        seal,
    ]
    return Loop(steps, wakers=frozenset({"sweep"}), idle_s=IDLE_S, pace_s=PACE_S).run()
