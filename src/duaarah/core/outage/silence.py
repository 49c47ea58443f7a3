# SPDX-License-Identifier: Apache-2.0
"""Who is quiet for longer than is usual, since when, and when silence by itself will say something new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from duaarah.core.outage.evidence import Network
from duaarah.core.outage.meters import Words
from duaarah.core.outage.picture import Parameters, Span


@dataclass(frozen=True, slots=True)
class Quiet:
    """
    One meter's silence: quiet since its last word, or since its node was back. From `ask_at` on it is worth a question,
    from `silent_at` on it is silent; both None where nobody knows how often it speaks. `lost`: how often it was
    asked since and did not answer, of `asked` times.
    """

    since_at: datetime
    ask_at: datetime | None
    silent_at: datetime | None
    asked: int
    lost: int

    def overdue(self, now: datetime) -> bool:
        """Whether it should have spoken by now."""
        return self.ask_at is not None and now >= self.ask_at


def quiets(
    network: Network, words: Mapping[int, Words], spans: Mapping[int, Sequence[Span]], parameters: Parameters
) -> dict[int, Quiet]:
    """Of every meter that was ever heard, how it is quiet; those that are off now are left out: they cannot speak."""
    found = {}
    for meter, of in words.items():
        mine = spans.get(meter, ())
        if of.heard_at is None or any(span.end_at is None for span in mine):
            continue
        since_at = max([of.heard_at, *(span.end_at for span in mine if span.end_at is not None)])
        pause_s = network.speaks_every_s.get(meter)
        ask_at = silent_at = None
        if pause_s is not None:
            ask_at = since_at + timedelta(seconds=pause_s * parameters.ask_factor)
            silent_at = since_at + timedelta(seconds=pause_s * parameters.silent_factor)
        asked, lost = (sum(sent_at > since_at for sent_at in instants) for instants in (of.asked, of.lost))
        found[meter] = Quiet(since_at, ask_at, silent_at, asked, lost)
    return found


def silent_meters(network: Network, quiet: Mapping[int, Quiet], now: datetime, parameters: Parameters) -> set[int]:
    """
    Those that have not spoken for too long, and those that did not answer twice: one question may be lost. Where enough of
    a transformer's overdue meters were asked and do not answer, the others that are overdue are silent too.
    """
    found = {
        meter
        for meter, one in quiet.items()
        if one.lost >= parameters.lost_enough or (one.silent_at is not None and one.silent_at < now)
    }
    for node in network.nodes("TRANSFORMER"):
        overdue = {meter for meter in network.meters_of[node] if meter in quiet and quiet[meter].overdue(now)}
        if sum(quiet[meter].lost > 0 for meter in overdue) >= parameters.lost_enough:
            found |= overdue
    return found


def look_again_at(quiet: Mapping[int, Quiet], now: datetime) -> datetime | None:
    """The next instant at which silence alone says something that it does not say now."""
    ahead = [at for one in quiet.values() for at in (one.ask_at, one.silent_at) if at is not None and at > now]
    return min(ahead, default=None)


def speaks(meter: int, at: datetime, network: Network, of: Words, parameters: Parameters) -> bool:
    """Whether it was heard as usual before: of one that was silent already an answer that is missing says nothing."""
    pause_s = network.speaks_every_s.get(meter)
    before = of.proof_before(at)
    return pause_s is None or (before is not None and at - before <= timedelta(seconds=pause_s * parameters.ask_factor))


def unanswered(
    meter: int, begin_at: datetime, end_at: datetime, network: Network, of: Words, parameters: Parameters
) -> bool:
    """Whether it was asked in this time, did not answer, and was heard as usual before."""
    return any(begin_at <= sent_at < end_at for sent_at in of.lost) and speaks(meter, begin_at, network, of, parameters)
