# SPDX-License-Identifier: Apache-2.0
"""From a set of words to the picture at an instant: states, events, interruptions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from duaarah.core.outage.asking import asks
from duaarah.core.outage.climb import NOTHING, Out, climb, is_up, transformers_out
from duaarah.core.outage.evidence import Evidence, Network, known
from duaarah.core.outage.meters import Words, read_words
from duaarah.core.outage.picture import Event, Parameters, Picture, Span, State
from duaarah.core.outage.silence import look_again_at, quiets, silent_meters

DEFAULT = Parameters()


def infer(network: Network, evidence: Iterable[Evidence], now: datetime, parameters: Parameters = DEFAULT) -> Picture:
    """
    What the words that had arrived by `now` say. Depends on their set only: order, doubles and replays change nothing.

    A meter that no word names is taken to have supply; a meter outside the tree is seen by itself.
    """
    words = read_words(known(evidence, now), parameters)
    tops = _tops(network, words, now, parameters)
    events: list[Event] = []
    spans: dict[int, list[Span]] = {}
    for out in tops:
        _tell(out, network, words, now, parameters, events, spans)
    _alone(words, events, spans, parameters)
    quiet = quiets(network, words, spans, parameters)
    silent = silent_meters(network, quiet, now, parameters)
    states, reasons = _states(network, words, spans, silent)
    events.extend(_suspected(network, words, states, silent, now))
    events.sort(key=lambda event: (event.begin_at, event.level, event.subject, event.nested))
    flat = [span for meter in sorted(spans) for span in sorted(spans[meter], key=lambda span: span.begin_at)]
    ask = asks(network, words, spans, quiet, now, parameters)
    return Picture(states, reasons, tuple(events), tuple(flat), ask, look_again_at(quiet, now))


def _tops(network: Network, words: Mapping[int, Words], now: datetime, parameters: Parameters) -> list[Out]:
    """The highest events that explain all below them."""
    transformers = transformers_out(network, words, now, parameters)
    feeders = climb(network, transformers, "FEEDER", parameters)
    substations = climb(network, feeders, "SUBSTATION", parameters)
    taken: set[int] = set()
    tops: list[Out] = []
    for found in (substations, feeders, transformers):
        for node in sorted(found):
            for out in found[node]:
                if id(out) in taken:
                    continue
                if not out.lifted:
                    tops.append(out)
                    _take(out, taken)
    return tops


def _take(out: Out, taken: set[int]) -> None:
    taken.add(id(out))
    for part in out.parts:
        _take(part, taken)


def _tell(
    out: Out,
    network: Network,
    words: Mapping[int, Words],
    now: datetime,
    parameters: Parameters,
    events: list[Event],
    spans: dict[int, list[Span]],
) -> None:
    """One top event: itself, the interruptions of its meters, and what stayed off when it was back."""
    level = network.level_of[out.node]
    ends = _ends_below(out, network)
    affected = set()
    for meter in sorted(network.meters_of[out.node]):
        end_at, part = ends.get(network.transformer_of[meter], (out.end_at, out))
        of = words.get(meter, NOTHING)
        if meter not in out.off and is_up(of, part.begin_at, end_at or now, parameters):
            continue
        if _dark_before(meter, part.begin_at, spans):
            continue
        affected.add(meter)
        spans.setdefault(meter, []).append(_span(of, meter, part, end_at, (level, out.node), parameters))
    events.append(_event(level, out, out.begin_at, out.end_at, frozenset(affected), words, parameters))
    if out.end_at is None:
        return
    for part, end_at in _stayed(out, out.end_at, parameters):
        below = frozenset(affected & network.meters_of[part.node])
        kept = _event(network.level_of[part.node], part, out.end_at, end_at, below, words, parameters, nested=True)
        events.append(kept)


def _ends_below(out: Out, network: Network) -> dict[int, tuple[datetime | None, Out]]:
    """For each transformer below: when it was back, and the event that says so."""
    if not out.parts:
        return {out.node: (out.end_at, out)}
    found: dict[int, tuple[datetime | None, Out]] = {}
    for part in out.parts:
        found |= _ends_below(part, network)
        if network.level_of[part.node] != "TRANSFORMER":
            for meter in network.meters_of[part.node]:
                found.setdefault(network.transformer_of[meter], (part.end_at, part))
    return found


def _stayed(out: Out, end_at: datetime, parameters: Parameters) -> list[tuple[Out, datetime | None]]:
    """Parts that stayed off longer than their parent, the highest of each branch."""
    found = []
    for part in out.parts:
        if part.end_at is None or part.end_at > end_at + parameters.window:
            kept = part
            while kept.lifted:
                kept = kept.parts[0]
            found.append((kept, kept.end_at))
        else:
            found.extend(_stayed(part, end_at, parameters))
    return found


def _dark_before(meter: int, at: datetime, spans: dict[int, list[Span]]) -> bool:
    return any(span.begin_at < at and (span.end_at is None or span.end_at > at) for span in spans.get(meter, []))


def _span(
    of: Words, meter: int, out: Out, end_at: datetime | None, event: tuple[str, int], parameters: Parameters
) -> Span:
    onset = of.onset_near(out.begin_at, parameters)
    if onset is not None and onset.logged:
        return Span(meter, onset.at, onset.end_at, "LOG", min(onset.known_at, out.known_at), event)
    begin_at = onset.at if onset is not None else out.begin_at
    proof = of.proof_after(begin_at + timedelta(seconds=1))
    own = proof is not None and proof in of.restores
    if own or (proof is not None and (end_at is None or proof < end_at)):
        end_at = proof
    if end_at is not None and end_at < begin_at:
        end_at = begin_at
    return Span(meter, begin_at, end_at, "MESSAGE" if onset is not None and own else "INFERRED", out.known_at, event)


def _event(
    level: str,
    out: Out,
    begin_at: datetime,
    end_at: datetime | None,
    affected: frozenset[int],
    words: Mapping[int, Words],
    parameters: Parameters,
    *,
    nested: bool = False,
) -> Event:
    onsets = [words[meter].onset_near(out.begin_at, parameters) for meter in sorted(out.off)]
    counts = {
        "gasps": sum(onset is not None and not onset.logged for onset in onsets),
        "logs": sum(onset is not None and onset.logged for onset in onsets),
        "restores": sum(
            any(abs(at - out.end_at) <= parameters.window for at in words[meter].restores)
            for meter in out.off
            if out.end_at is not None
        ),
        "silent": len(affected - out.off),
        "alive": len(out.up),
        **({"unanswered": len(out.lost)} if out.lost else {}),
    }
    state = "DECLARED" if end_at is None else "CLOSED"
    return Event(level, out.node, begin_at, end_at, state, out.known_at, affected, tuple(counts.items()), nested)


def _alone(
    words: Mapping[int, Words], events: list[Event], spans: dict[int, list[Span]], parameters: Parameters
) -> None:
    """Failures that belong to no node's event: one meter's own."""
    for meter in sorted(words):
        of = words[meter]
        for onset in of.onsets:
            if not onset.logged and of.cut_for_credit(onset.at, parameters):
                continue
            if any(
                span.begin_at - parameters.window <= onset.at and (span.end_at is None or onset.at < span.end_at)
                for span in spans.get(meter, [])
            ):
                continue
            end_at = onset.end_at if onset.logged else of.proof_after(onset.at)
            source = "LOG" if onset.logged else "MESSAGE" if end_at in of.restores else "INFERRED"
            spans.setdefault(meter, []).append(Span(meter, onset.at, end_at, source, onset.known_at, ("METER", meter)))
            counts = {
                "gasps": int(not onset.logged),
                "logs": int(onset.logged),
                "restores": int(end_at in of.restores),
                "silent": 0,
                "alive": 0,
            }
            state = "DECLARED" if end_at is None else "CLOSED"
            events.append(
                Event(
                    *("METER", meter, onset.at, end_at, state, onset.known_at),
                    *(frozenset({meter}), tuple(counts.items())),
                )
            )


def _states(
    network: Network, words: Mapping[int, Words], spans: Mapping[int, list[Span]], silent: set[int]
) -> tuple[dict[int, State], dict[int, str]]:
    states: dict[int, State] = {}
    reasons: dict[int, str] = {}
    for meter in sorted({*network.transformer_of, *words}):
        of = words.get(meter, NOTHING)
        off = [span for span in spans.get(meter, []) if span.end_at is None]
        if off:
            alone = off[-1].event is not None and off[-1].event[0] == "METER"
            states[meter] = State.PADAM
            reasons[meter] = "own_gasp" if alone else "node_out_gasp" if of.onsets else "node_out_silent"
        elif of.habis():
            states[meter], reasons[meter] = State.HABIS, "credit_open"
        elif meter in silent:
            states[meter], reasons[meter] = State.MODEM, "silent_alone"
        else:
            states[meter], reasons[meter] = State.NYALA, "heard" if of.heard_at else "no_word"
    return states, reasons


def _suspected(
    network: Network, words: Mapping[int, Words], states: Mapping[int, State], silent: set[int], now: datetime
) -> list[Event]:
    """Transformers most of whose meters are silent without one last gasp: a concentrator, perhaps an outage."""
    found = []
    for node in network.nodes("TRANSFORMER"):
        meters = network.meters_of[node]
        quiet = frozenset(meter for meter in meters if states[meter] is State.MODEM and meter in silent)
        if len(quiet) < 2 or 2 * len(quiet) <= len(meters):
            continue
        last = [heard for meter in quiet if (heard := words[meter].heard_at) is not None]
        counts = (("gasps", 0), ("logs", 0), ("restores", 0), ("silent", len(quiet)), ("alive", len(meters - quiet)))
        found.append(Event("TRANSFORMER", node, max(last), None, "SUSPECTED", now, quiet, counts))
    return found
