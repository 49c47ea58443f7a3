# SPDX-License-Identifier: Apache-2.0
"""Whether a rule will fill a meter by itself: then a low-credit warning would ask for what is done already."""

from __future__ import annotations

from duaarah.notices.models import AutoRule, AutoRuleMeter

# Verdicts of core.top_up_rule under which the rule buys, has bought, or will in time.
COVERED = ("buy", "enough", "in_flight", "reading", "cut_off", "quiet", "sms")


def is_covered(*, meter_id: int) -> bool:
    """Whether an active rule has this meter and nothing that needs its owner hinders it."""
    members = AutoRuleMeter.objects.filter(meter_id=meter_id, rule__state=AutoRule.State.ACTIVE)
    return members.filter(word__in=COVERED).exists()
