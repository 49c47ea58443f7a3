# SPDX-License-Identifier: Apache-2.0
"""Which meters are worth a question, when silence or a lone last gasp leaves it open whether a transformer is off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from duaarah.core.outage.climb import NOTHING
from duaarah.core.outage.evidence import Network
from duaarah.core.outage.meters import Words
from duaarah.core.outage.picture import Ask, Parameters, Span
from duaarah.core.outage.silence import Quiet, speaks


def asks(
    network: Network,
    words: Mapping[int, Words],
    spans: Mapping[int, Sequence[Span]],
    quiet: Mapping[int, Quiet],
    now: datetime,
    parameters: Parameters,
) -> tuple[Ask, ...]:
    """
    The questions of this instant, at most `asks_per_node` of a transformer in `asks_within`, those already asked counted.

    Never a meter that is known to be off, nor one that no question reaches (`Network.unaskable`); nor, before `ask_again`
    has passed, one that left two unanswered since it was heard.
    """
    found: list[Ask] = []
    for node in network.nodes("TRANSFORMER"):
        meters = network.meters_of[node]
        off = {meter for meter in meters if any(span.end_at is None for span in spans.get(meter, ()))}
        room = parameters.asks_per_node - sum(
            now - parameters.asks_within < sent_at for meter in meters for sent_at in words.get(meter, NOTHING).asked
        )
        if room <= 0 or len(off) == len(meters):
            continue
        wanted = [
            *_about_gasp(node, meters, off, network, words, spans, now, parameters),
            *_about_silence(node, meters - off, words, quiet, now, parameters),
        ]
        once: dict[int, Ask] = {}
        for ask in wanted:
            # Before the node's room is shared out: who can not be asked takes nobody's place.
            if ask.meter not in network.unaskable:
                once.setdefault(ask.meter, ask)
        found.extend(_spread(list(once.values()), network)[:room])
    return tuple(sorted(found))


def _about_gasp(
    node: int,
    meters: frozenset[int],
    off: set[int],
    network: Network,
    words: Mapping[int, Words],
    spans: Mapping[int, Sequence[Span]],
    now: datetime,
    parameters: Parameters,
) -> list[Ask]:
    """One meter says that it failed, and its node's state is open: its neighbours know."""
    alone = [
        span
        for meter in sorted(off)
        for span in spans.get(meter, ())
        if span.end_at is None and span.event == ("METER", meter) and span.source != "LOG"
    ]
    fresh = [s for s in alone if parameters.gather <= now - s.known_at < parameters.gasp_fresh]
    if not fresh:
        return []
    about_at = max(span.begin_at for span in fresh)
    heard, candidates = 0, []
    for meter in sorted(meters - off):
        of = words.get(meter, NOTHING)
        proof = of.proof_after(about_at + parameters.tolerance)
        if proof is not None:
            heard += 1
        elif not any(sent_at >= about_at for sent_at in of.asked) and speaks(meter, about_at, network, of, parameters):
            candidates.append(Ask(meter, node, "lone_gasp", about_at))
    # Who was heard meanwhile has answered without being asked.
    return [] if heard >= parameters.lost_enough else candidates


def _about_silence(
    node: int,
    meters: frozenset[int],
    words: Mapping[int, Words],
    quiet: Mapping[int, Quiet],
    now: datetime,
    parameters: Parameters,
) -> list[Ask]:
    found = []
    for meter in meters:
        one = quiet.get(meter)
        if one is None or not one.overdue(now):
            continue
        # Once more when the first question was judged; then not for long.
        first = one.asked == one.lost < parameters.lost_enough
        if first or max(words[meter].asked) <= now - parameters.ask_again:
            found.append(Ask(meter, node, "silent", one.since_at))
    return sorted(found, key=lambda ask: (ask.about_at, ask.meter))


def _spread(wanted: list[Ask], network: Network) -> list[Ask]:
    """One of each concentrator first: when one of these is dead, the others still answer."""
    turns: dict[str, int] = {}
    ranked = []
    for place, ask in enumerate(wanted):
        through = network.concentrator_of.get(ask.meter, "")
        turns[through] = turns.get(through, 0) + 1
        ranked.append((turns[through], place, ask))
    return [ask for _, _, ask in sorted(ranked)]
