# SPDX-License-Identifier: Apache-2.0
"""Climbing the tree: from meters that failed together to the node above them, by likelihood; from nodes to theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import log

from duaarah.core.outage.evidence import Network
from duaarah.core.outage.meters import Words
from duaarah.core.outage.picture import Parameters
from duaarah.core.outage.silence import unanswered

NOTHING = Words(0)


@dataclass(slots=True)
class Out:
    """
    A node that is or was off. `off` by their own word, `up` surely not, `lost` asked meanwhile and did not answer; `parts`
    are its children's own.
    """

    node: int
    begin_at: datetime
    end_at: datetime | None
    known_at: datetime
    off: frozenset[int]
    up: frozenset[int]
    parts: list[Out] = field(default_factory=list)
    lifted: bool = False
    lost: frozenset[int] = frozenset()


def middle(instants: Sequence[datetime]) -> datetime:
    """The lower median."""
    return sorted(instants)[(len(instants) - 1) // 2]


def groups(instants: Sequence[tuple[datetime, int]], window: timedelta) -> list[list[tuple[datetime, int]]]:
    """Sets that lie within a window, the densest first: whatever came in between by chance does not split an event."""
    left = sorted(instants)
    found = []
    while left:
        best, reach = (0, 0), 0
        for start in range(len(left)):
            reach = max(reach, start)
            while reach < len(left) and left[reach][0] - left[start][0] <= window:
                reach += 1
            if reach - start > best[1] - best[0]:
                best = (start, reach)
        found.append(left[best[0] : best[1]])
        del left[best[0] : best[1]]
    return found


def transformers_out(
    network: Network, words: Mapping[int, Words], now: datetime, parameters: Parameters
) -> dict[int, list[Out]]:
    """For each transformer the events that its meters' words make likelier than separate faults."""
    found: dict[int, list[Out]] = {}
    for node in network.nodes("TRANSFORMER"):
        told = [
            (onset.at, meter)
            for meter in sorted(network.meters_of[node])
            for onset in words.get(meter, NOTHING).onsets
            if not words[meter].cut_for_credit(onset.at, parameters) or onset.logged
        ]
        outs: list[Out] = []
        for group in groups(told, parameters.window):
            out = _judge(node, group, network, words, now, parameters)
            if out is not None and not any(_same(out, other, parameters) for other in outs):
                outs.append(out)
        if outs:
            found[node] = sorted(outs, key=lambda out: out.begin_at)
    return found


def _same(one: Out, other: Out, parameters: Parameters) -> bool:
    """An event that lies within another is told already."""
    return other.begin_at <= one.begin_at and (
        other.end_at is None or one.begin_at < other.end_at - parameters.tolerance
    )


def _judge(
    node: int,
    group: list[tuple[datetime, int]],
    network: Network,
    words: Mapping[int, Words],
    now: datetime,
    parameters: Parameters,
) -> Out | None:
    meters = network.meters_of[node]
    off = {meter for _, meter in group}
    if len(off) < 2 and not any(words[meter].lost for meter in meters if meter in words):
        return None
    begin_at = middle([at for at, _ in group])
    end_at = node_end(meters, off, begin_at, words, parameters)
    up = set()
    for meter in meters - off:
        of = words.get(meter, NOTHING)
        if is_up(of, begin_at, end_at or now, parameters):
            up.add(meter)
        elif end_at is not None and any(abs(at - end_at) <= parameters.tolerance for at in of.restores):
            # Its last gasp was lost; that its supply came back with the others' says as much.
            off.add(meter)
    lost = {
        meter
        for meter in meters - off - up
        if unanswered(meter, begin_at, end_at or now, network, words.get(meter, NOTHING), parameters)
    }
    # One that told it and several that do not answer weigh as much as two that told it.
    if len(off) < 2 and len(lost) < parameters.lost_enough:
        return None
    if _odds_log(len(meters), len(off), len(up), len(lost), parameters) < parameters.odds_log:
        return None
    if len(off) + len(lost) <= len(up):
        return None
    known_at = min(
        onset.known_at for meter in off if (onset := words[meter].onset_near(begin_at, parameters)) is not None
    )
    return Out(node, begin_at, end_at, known_at, frozenset(off), frozenset(up), lost=frozenset(lost))


def _odds_log(meters: int, off: int, up: int, lost: int, parameters: Parameters) -> float:
    """How much likelier (natural logarithm) "all off" is than separate faults, from what each of the meters said."""
    asked = up * log(parameters.alive_wrong / (1 - parameters.alive_wrong))
    asked += lost * log((1 - parameters.alive_wrong) / (1 - parameters.answers))
    silent = meters - off - up - lost
    # Where questions speak, few gasps may have arrived: their share falls with the size of an outage.
    shares = (parameters.gasp_delivery, *([parameters.gasp_delivery_low] if lost else []))
    return asked + max(
        off * log(share / parameters.spurious) + silent * log((1 - share) / (1 - parameters.spurious))
        for share in shares
    )


def is_up(of: Words, begin_at: datetime, end_at: datetime, parameters: Parameters) -> bool:
    """Whether a meter surely had supply while its node was off: by a word of that time, or by its log that tells nothing."""
    proof = of.proof_after(begin_at + parameters.tolerance)
    if proof is not None and proof < end_at - parameters.tolerance:
        return True
    return of.covered(begin_at) and of.onset_near(begin_at, parameters) is None and not _off_at(of, begin_at)


def _off_at(of: Words, at: datetime) -> bool:
    return any(onset.at <= at and (onset.end_at is None or onset.end_at > at) for onset in of.onsets)


def node_end(
    meters: frozenset[int], off: set[int], begin_at: datetime, words: Mapping[int, Words], parameters: Parameters
) -> datetime | None:
    """When the node was back: the median of what logs and restores say; else the first other word of a meter that failed."""
    exact, later = [], []
    for meter in sorted(meters):
        of = words.get(meter, NOTHING)
        onset = of.onset_near(begin_at, parameters)
        if onset is not None and onset.end_at is not None:
            exact.append(onset.end_at)
            continue
        proof = of.proof_after(begin_at + timedelta(seconds=1))
        if proof is None:
            continue
        if proof in of.restores:
            exact.append(proof)
        elif meter in off:
            later.append(proof)
    if exact:
        return middle(exact)
    return min(later, default=None)


def climb(network: Network, below: Mapping[int, list[Out]], level: str, parameters: Parameters) -> dict[int, list[Out]]:
    """Events of the nodes of `level`: at least two of the children, and most of them, went out together."""
    found: dict[int, list[Out]] = {}
    for node in network.nodes(level):
        children = network.children_of.get(node, frozenset())
        outs = [out for child in sorted(children) for out in below.get(child, [])]
        if len(children) == 1:
            # One child says nothing of its parent, and all that can be said of it to the parent's parent.
            lifted = [
                Out(node, out.begin_at, out.end_at, out.known_at, out.off, out.up, [out], True, out.lost)
                for out in outs
            ]
            if lifted:
                found[node] = lifted
            continue
        merged = []
        for group in groups([(out.begin_at, place) for place, out in enumerate(outs)], parameters.window):
            parts = [outs[place] for _, place in group]
            together = {part.node for part in parts}
            # What was off before cannot go out again, and is no witness.
            dark = {out.node for out in outs if out.node not in together and _covers(out, parts[0].begin_at)}
            if len(together) >= 2 and 2 * len(together) > len(children) - len(dark):
                merged.append(_join(node, parts))
        if merged:
            found[node] = sorted(merged, key=lambda out: out.begin_at)
    return found


def _covers(out: Out, at: datetime) -> bool:
    return out.begin_at < at and (out.end_at is None or out.end_at > at)


def _join(node: int, parts: list[Out]) -> Out:
    ends = [part.end_at for part in parts if part.end_at is not None]
    return Out(
        node,
        middle([part.begin_at for part in parts]),
        # It is back when most of its children are; those that stay off are events of their own.
        middle(ends) if 2 * len(ends) > len(parts) else None,
        min(part.known_at for part in parts),
        frozenset().union(*(part.off for part in parts)),
        frozenset().union(*(part.up for part in parts)),
        sorted(parts, key=lambda part: part.node),
        lost=frozenset().union(*(part.lost for part in parts)),
    )
