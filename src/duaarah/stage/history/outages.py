# SPDX-License-Identifier: Apache-2.0
"""
The outages of the past as the platform came to know them: the meters' words go through its own inference, event by event.

What no meter told (a house without a package) stays unknown, and a node's outage is inferred from those who could tell.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from duaarah.core.intent import LastGasp, PowerRestored
from duaarah.outages.evidence import keep_words, words_of
from duaarah.outages.inferring import run_outages
from duaarah.outages.models import PlannedOutage
from duaarah.outages.planning import draft_outage, end_plans
from duaarah.registry.models import Meter, NetworkNode
from duaarah.sim.town.clock import instant_of
from duaarah.sim.town.past import NodeOutage, Past
from duaarah.sim.town.world import START
from duaarah.stage.history.replay import Heard, Replayed

# After the last word of an outage its event is of age, and is told of (outages.inferring.GATHER).
LOOKS_AFTER = timedelta(minutes=1)
PLANNED_BEFORE = timedelta(days=5)
# What a utility writes into its calendar is in the utility's language.
REASON = "Pemeliharaan gardu dan pemangkasan pohon"
NEXT_WORK = (timedelta(days=1, hours=9), timedelta(days=1, hours=12))


@dataclass(frozen=True)
class Known:
    """How many outages the past had, and how many words of meters told of them."""

    outages: int
    words: int


def live_outages(past: Past, replayed: Replayed) -> Known:
    """
    Entries, each of which commits: words of last gasp and return, the inference soon after each, the calendar of planned work.

    The registered world and its loaded past are in the database; nothing else runs yet.
    """
    meter_ids = dict(Meter.objects.values_list("drn", "pk"))
    nodes = NetworkNode.objects.in_bulk(field_name="code")
    for one in past.outages:
        if one.planned:
            _announce(one, nodes[one.code])
    waiting = deque(
        sorted(
            (deed for deed in replayed.deeds if isinstance(deed, Heard) and _tells(deed)), key=lambda deed: deed.at_us
        )
    )
    words = 0
    for at in _looks(past.outages):
        words += _keep(waiting, meter_ids, at)
        run_outages(now=at)
    end_plans(now=START)
    _next_work(nodes)
    return Known(len(past.outages), words)


def _tells(deed: Heard) -> bool:
    return isinstance(deed.report, LastGasp | PowerRestored)


def _looks(outages: Iterable[NodeOutage]) -> Iterator[datetime]:
    """The instants at which the platform looks: soon after each begin and each end."""
    instants = {at_us for one in outages for at_us in (one.span.from_us, one.span.to_us)}
    for at_us in sorted(instants):
        yield instant_of(at_us) + LOOKS_AFTER


def _keep(waiting: deque[Heard], meter_ids: dict[str, int], until_at: datetime) -> int:
    """What has arrived by then, in the order of its arrival."""
    kept = 0
    with transaction.atomic(durable=True):
        while waiting and waiting[0].at <= until_at:
            deed = waiting.popleft()
            keep_words(meter_id=meter_ids[deed.meter.drn], words=words_of(deed.report, deed.at), now=deed.at)
            kept += 1
    return kept


def _announce(one: NodeOutage, node: NetworkNode) -> None:
    """Planned work of the past: in the calendar before it began. Its notices were on paper, so nobody was told by SMS."""
    begin_at, end_at = instant_of(one.span.from_us), instant_of(one.span.to_us)
    asked_at = begin_at - PLANNED_BEFORE
    made = draft_outage(node=node, begin_at=begin_at, end_at=end_at, reason=REASON, actor="stage", now=asked_at)
    PlannedOutage.objects.filter(pk=made.pk).update(state=PlannedOutage.State.ANNOUNCED, announced_at=asked_at)


def _next_work(nodes: dict[str, NetworkNode]) -> None:
    """Tomorrow's work, still a draft: announcing it is the operator's."""
    node = next(node for code, node in sorted(nodes.items()) if node.kind == NetworkNode.Kind.TRANSFORMER)
    begin_at, end_at = (START + after for after in NEXT_WORK)
    draft_outage(node=node, begin_at=begin_at, end_at=end_at, reason=REASON, actor="stage", now=START)
