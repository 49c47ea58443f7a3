# SPDX-License-Identifier: Apache-2.0
"""What is known of each meter by itself: when it failed, when it surely had supply, what its log says of it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from duaarah.core.outage.evidence import PROOFS, Evidence, Kind
from duaarah.core.outage.picture import Parameters


@dataclass(slots=True)
class Onset:
    """A failure that a meter itself told: its begin, and its end when its log gives one."""

    at: datetime
    known_at: datetime
    end_at: datetime | None = None
    logged: bool = False


@dataclass(slots=True)
class Words:
    """The words of one meter, sorted by its own clock."""

    meter: int
    onsets: list[Onset] = field(default_factory=list)
    proofs: list[datetime] = field(default_factory=list)
    restores: dict[datetime, datetime] = field(default_factory=dict)
    covers: list[tuple[datetime, datetime]] = field(default_factory=list)
    relay_moves: list[tuple[datetime, bool]] = field(default_factory=list)
    heard_at: datetime | None = None
    asked: list[datetime] = field(default_factory=list)
    lost: list[datetime] = field(default_factory=list)
    empty: bool = False
    zero_at: datetime | None = None

    def proof_after(self, at: datetime) -> datetime | None:
        """The first instant after `at` at which it surely had supply."""
        place = bisect_right(self.proofs, at)
        return self.proofs[place] if place < len(self.proofs) else None

    def proof_before(self, at: datetime) -> datetime | None:
        """The last instant before `at` at which it surely had supply."""
        place = bisect_left(self.proofs, at)
        return self.proofs[place - 1] if place else None

    def covered(self, at: datetime) -> bool:
        """Whether a log that was read tells of every failure at `at`."""
        return any(begin_at <= at <= end_at for begin_at, end_at in self.covers)

    def onset_near(self, at: datetime, parameters: Parameters) -> Onset | None:
        """Its own failure within a window of `at`, the nearest."""
        near = [onset for onset in self.onsets if abs(onset.at - at) <= parameters.window]
        return min(near, key=lambda onset: (abs(onset.at - at), onset.at)) if near else None

    def cut_for_credit(self, at: datetime, parameters: Parameters) -> bool:
        """Whether its relay opened for want of credit within a window of `at`."""
        return any(opened and abs(moment - at) <= parameters.window for moment, opened in self.relay_moves)

    def habis(self) -> bool:
        """Whether the last word of its credit is that there is none."""
        return self.relay_moves[-1][1] if self.relay_moves else self.empty


def read_words(evidence: Iterable[Evidence], parameters: Parameters) -> dict[int, Words]:
    """The words of each meter; `evidence` sorted by the meters' time, each once (`evidence.known`)."""
    words: dict[int, Words] = {}
    gasps: dict[int, list[Evidence]] = {}
    for word in evidence:
        of = words.setdefault(word.meter, Words(word.meter))
        _take(of, word)
        if word.kind is Kind.GASP:
            gasps.setdefault(word.meter, []).append(word)
    for meter, of in words.items():
        of.onsets.sort(key=lambda onset: onset.at)
        _place_gasps(of, gasps.get(meter, []), parameters)
        of.proofs.sort()
    return words


def _take(of: Words, word: Evidence) -> None:
    if word.kind in PROOFS:
        of.proofs.append(word.meter_at)
    if word.kind in PROOFS or word.kind is Kind.GASP:
        of.heard_at = max(of.heard_at or word.arrived_at, word.arrived_at)
    match word.kind:
        case Kind.RESTORE:
            of.restores[word.meter_at] = word.arrived_at
        case Kind.LOG:
            of.onsets.append(Onset(word.meter_at, word.arrived_at, word.end_at, logged=True))
            if word.end_at is not None:
                of.proofs.append(word.end_at)
        case Kind.LOG_COVERS if word.end_at is not None:
            of.covers.append((word.meter_at, word.end_at))
        case Kind.CREDIT_OPEN | Kind.CREDIT_CLOSED:
            of.relay_moves.append((word.meter_at, word.kind is Kind.CREDIT_OPEN))
            of.empty = word.kind is Kind.CREDIT_OPEN
        case Kind.BALANCE_EMPTY:
            of.empty = True
        case Kind.PING_SENT:
            of.asked.append(word.meter_at)
        case Kind.PING_LOST:
            of.lost.append(word.meter_at)
        case Kind.ZERO:
            of.zero_at = word.meter_at


def _place_gasps(of: Words, gasps: list[Evidence], parameters: Parameters) -> None:
    """A gasp is an onset unless the log tells the same failure, or tells that there was none, or it was told before."""
    for gasp in gasps:
        told = [
            onset
            for onset in of.onsets
            if onset.at - parameters.window <= gasp.meter_at <= (onset.end_at or onset.at) + parameters.window
        ]
        if told:
            # The word came before the log did: it is known since then.
            told[0].known_at = min(told[0].known_at, gasp.arrived_at)
        elif not of.covered(gasp.meter_at):
            of.onsets.append(Onset(gasp.meter_at, gasp.arrived_at))
    of.onsets.sort(key=lambda onset: onset.at)
