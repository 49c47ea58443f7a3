# SPDX-License-Identifier: Apache-2.0
"""
The words that matter for outages, and the tree on which they are laid.

Two clocks: `meter_at` says when it happened and alone decides durations; `arrived_at` says when the utility could know it
and decides latency and `known_at`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What one word says of its meter."""

    GASP = "GASP"  # the supply failed
    RESTORE = "RESTORE"  # the supply is back
    ALIVE = "ALIVE"  # any other word: its electronics have supply
    INTERVAL = "INTERVAL"  # a measured interval with voltage, at its end
    ZERO = "ZERO"  # a measured interval without voltage, at its end
    PING_SENT = "PING_SENT"  # it was asked, at the asking
    PING_ANSWERED = "PING_ANSWERED"  # it answered, at the answer
    PING_LOST = "PING_LOST"  # its frame went out and no answer came, at the asking
    CREDIT_OPEN = "CREDIT_OPEN"  # the relay opened for want of credit
    CREDIT_CLOSED = "CREDIT_CLOSED"  # it closed again, or credit arrived
    BALANCE_EMPTY = "BALANCE_EMPTY"  # a balance of nothing was read
    LOG = "LOG"  # an entry of the meter's log of power failures: from `meter_at` to `end_at`
    LOG_COVERS = "LOG_COVERS"  # the log was read and tells every failure from `meter_at` to `end_at`
    MODEM = "MODEM"  # a modem's own status


# Words that a meter without supply cannot say.
PROOFS = frozenset(
    {
        *(Kind.RESTORE, Kind.ALIVE, Kind.INTERVAL, Kind.PING_ANSWERED),
        *(Kind.CREDIT_OPEN, Kind.CREDIT_CLOSED, Kind.BALANCE_EMPTY, Kind.MODEM),
    }
)


@dataclass(frozen=True, slots=True, order=True)
class Evidence:
    """One word of one meter; `key` makes the same word that comes twice one. Instants are aware."""

    meter_at: datetime
    meter: int
    kind: Kind
    key: str
    arrived_at: datetime = field(compare=False)
    end_at: datetime | None = field(default=None, compare=False)


class Network:
    """
    The supply tree. `transformer_of` a meter, `parent_of` a node, `level_of` a node (SUBSTATION, FEEDER, TRANSFORMER),
    `speaks_every_s` of a meter the longest pause between its words that is usual (absent: it may be silent for long);
    `unaskable`: meters to which no question gets through for now, so that others of their node are asked.
    """

    def __init__(
        self,
        *,
        transformer_of: Mapping[int, int],
        parent_of: Mapping[int, int | None],
        level_of: Mapping[int, str],
        speaks_every_s: Mapping[int, float] | None = None,
        concentrator_of: Mapping[int, str] | None = None,
        unaskable: Iterable[int] = (),
    ) -> None:
        self.transformer_of = dict(transformer_of)
        self.parent_of = dict(parent_of)
        self.level_of = dict(level_of)
        self.speaks_every_s = dict(speaks_every_s or {})
        self.concentrator_of = dict(concentrator_of or {})
        self.unaskable = set(unaskable)
        meters: dict[int, set[int]] = defaultdict(set)
        children: dict[int, set[int]] = defaultdict(set)
        for meter, transformer in self.transformer_of.items():
            node: int | None = transformer
            below: int | None = None
            while node is not None:
                meters[node].add(meter)
                if below is not None:
                    children[node].add(below)
                below, node = node, self.parent_of.get(node)
        self.meters_of = {node: frozenset(found) for node, found in meters.items()}
        # Only nodes that feed a meter: of the others nothing can be known.
        self.children_of = {node: frozenset(found) for node, found in children.items()}

    def nodes(self, level: str) -> list[int]:
        """Nodes of a level that feed a meter, in a fixed order."""
        return sorted(node for node in self.meters_of if self.level_of.get(node) == level)


def known(evidence: Iterable[Evidence], now: datetime) -> list[Evidence]:
    """What had arrived by `now`, each word once (its first arrival), in the meters' own order of time."""
    found: dict[tuple[int, Kind, datetime, datetime | None], Evidence] = {}
    for word in evidence:
        if word.arrived_at > now:
            continue
        same = (word.meter, word.kind, word.meter_at, word.end_at)
        other = found.get(same)
        if other is None or (word.arrived_at, word.key) < (other.arrived_at, other.key):
            found[same] = word
    return sorted(found.values())
