# SPDX-License-Identifier: Apache-2.0
"""The look-alikes one by one, on a tree small enough to be read."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from duaarah.core.outage import Event, Evidence, Kind, Network, State, infer

T = dt.datetime(2026, 5, 1, 11, 2, tzinfo=dt.UTC)
# Substation 1, feeders 2 and 3, transformers 4 to 9; five meters each: 41 to 45 below 4, and so on.
TREE = Network(
    transformer_of={node * 10 + place: node for node in range(4, 10) for place in range(1, 6)},
    parent_of={1: None, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2, 7: 3, 8: 3, 9: 3},
    level_of={1: "SUBSTATION", 2: "FEEDER", 3: "FEEDER", **dict.fromkeys(range(4, 10), "TRANSFORMER")},
    speaks_every_s={node * 10 + place: 3600 for node in range(4, 10) for place in range(1, 6)},
)


def word(meter: int, kind: Kind, at_s: float, late_s: float = 5, end_s: float | None = None) -> Evidence:
    at = T + dt.timedelta(seconds=at_s)
    end_at = None if end_s is None else T + dt.timedelta(seconds=end_s)
    return Evidence(at, meter, kind, f"{meter}:{kind}:{at_s}", at + dt.timedelta(seconds=late_s), end_at)


def gasps(*nodes: int, at_s: float = 0) -> list[Evidence]:
    return [word(node * 10 + place, Kind.GASP, at_s + place) for node in nodes for place in (1, 2, 4)]


def after(seconds: float) -> dt.datetime:
    return T + dt.timedelta(seconds=seconds)


def short(events: tuple[Event, ...]) -> list[tuple[str, int, str]]:
    return [(event.level, event.subject, event.state) for event in events]


def test_three_of_five_are_the_transformer_and_the_silent_ones_are_off_too() -> None:
    picture = infer(TREE, gasps(4), after(60))
    assert short(picture.events) == [("TRANSFORMER", 4, "DECLARED")]
    assert picture.events[0].affected == {41, 42, 43, 44, 45}
    assert picture.reasons[43] == "node_out_silent"
    assert {meter for meter, state in picture.states.items() if state is State.PADAM} == {41, 42, 43, 44, 45}


def test_two_of_three_transformers_are_the_feeder_and_both_feeders_the_substation() -> None:
    assert short(infer(TREE, gasps(4, 5), after(60)).events) == [("FEEDER", 2, "DECLARED")]
    assert short(infer(TREE, gasps(4, 5, 7, 9), after(60)).events) == [("SUBSTATION", 1, "DECLARED")]


def test_one_gasp_is_one_meter_and_ends_with_its_next_word() -> None:
    words = [word(41, Kind.GASP, 0), word(41, Kind.RESTORE, 900)]
    assert short(infer(TREE, words, after(60)).events) == [("METER", 41, "DECLARED")]
    picture = infer(TREE, words, after(1000))
    assert short(picture.events) == [("METER", 41, "CLOSED")]
    assert [(span.begin_at, span.end_at, span.source) for span in picture.spans] == [(T, after(900), "MESSAGE")]


def test_credit_cut_with_a_gasp_is_habis_and_no_interruption() -> None:
    for words in (
        [word(41, Kind.CREDIT_OPEN, 0), word(41, Kind.GASP, 30)],
        [word(41, Kind.GASP, 0), word(41, Kind.CREDIT_OPEN, 40)],
    ):
        picture = infer(TREE, words, after(120))
        assert picture.states[41] is State.HABIS
        assert picture.events == () and picture.spans == ()


def test_a_meter_without_credit_in_a_dead_transformer_is_padam() -> None:
    words = [*gasps(4), word(43, Kind.CREDIT_OPEN, -7200)]
    assert infer(TREE, words, after(60)).states[43] is State.PADAM
    back = [word(meter, Kind.RESTORE, 1800) for meter in (41, 42, 44)]
    assert infer(TREE, words + back, after(2000)).states[43] is State.HABIS


def test_silence_alone_is_suspected_and_the_meters_are_modem_diam() -> None:
    words = [word(40 + place, Kind.ALIVE, 0) for place in range(1, 6)]
    picture = infer(TREE, words, after(4 * 3600))
    assert short(picture.events) == [("TRANSFORMER", 4, "SUSPECTED")]
    assert picture.states[41] is State.MODEM
    assert picture.spans == ()


def test_a_meter_that_spoke_meanwhile_was_not_off() -> None:
    words = [*gasps(4), word(45, Kind.INTERVAL, 900), *(word(40 + p, Kind.RESTORE, 1800) for p in (1, 2, 3))]
    picture = infer(TREE, words, after(3600))
    assert picture.events[0].affected == {41, 42, 43, 44}
    assert {span.meter for span in picture.spans} == {41, 42, 43, 44}


def test_a_transformer_that_stays_off_when_its_feeder_is_back_is_an_event_of_its_own() -> None:
    back = [word(node * 10 + place, Kind.RESTORE, 1800) for node in (4, 5) for place in range(1, 6)]
    later = [word(60 + place, Kind.RESTORE, 5400) for place in range(1, 6)]
    picture = infer(TREE, gasps(4, 5, 6) + back + later, after(6000))
    assert short(picture.events) == [("FEEDER", 2, "CLOSED"), ("TRANSFORMER", 6, "CLOSED")]
    assert (picture.events[1].begin_at, picture.events[1].end_at) == (after(1800), after(5400))
    assert {span.end_at for span in picture.spans if span.meter > 60} == {after(5400)}


def test_logs_correct_and_withdraw() -> None:
    words = [word(41, Kind.GASP, 0), word(41, Kind.ALIVE, 600)]
    nothing = word(41, Kind.LOG_COVERS, -3600, late_s=7200, end_s=3000)
    assert len(infer(TREE, words, after(700)).spans) == 1
    assert infer(TREE, [*words, nothing], after(8000)).spans == ()
    entry = word(41, Kind.LOG, -3, late_s=5000, end_s=420)
    [span] = infer(TREE, [*words, entry], after(8000)).spans
    assert (span.begin_at, span.end_at, span.source, span.known_at) == (after(-3), after(420), "LOG", after(5))


def speaking(node: int, until_s: float, every_s: float = 600) -> list[Evidence]:
    """The meters of a transformer speak every ten minutes up to an instant."""
    times = [until_s - step * every_s for step in range(8)]
    return [word(node * 10 + place, Kind.ALIVE, at_s) for place in range(1, 6) for at_s in times]


def lost(meter: int, at_s: float) -> list[Evidence]:
    return [word(meter, Kind.PING_SENT, at_s, 0), word(meter, Kind.PING_LOST, at_s, late_s=180)]


TALKING = Network(
    transformer_of=TREE.transformer_of,
    parent_of=TREE.parent_of,
    level_of=TREE.level_of,
    speaks_every_s=dict.fromkeys(TREE.transformer_of, 600),
    concentrator_of={41: "A", 42: "A", 43: "A", 44: "A", 45: "B"},
)


def test_a_lone_gasp_asks_the_neighbours_and_their_silence_makes_it_the_transformer() -> None:
    words = [*speaking(4, -60), word(41, Kind.GASP, 0)]
    assert infer(TALKING, words, after(20)).ask == ()  # other gasps may come
    asked = infer(TALKING, words, after(40)).ask
    assert [(ask.meter, ask.node, ask.why) for ask in asked] == [(meter, 4, "lone_gasp") for meter in (42, 43, 44, 45)]
    words += [each for ask in asked[:3] for each in lost(ask.meter, 40)]
    assert infer(TALKING, words, after(100)).states[45] is State.NYALA  # not judged yet
    picture = infer(TALKING, words, after(300))
    assert short(picture.events) == [("TRANSFORMER", 4, "DECLARED")]
    assert dict(picture.events[0].counts)["unanswered"] == 3
    assert picture.events[0].affected == {41, 42, 43, 44, 45}
    assert picture.ask == ()  # all of them are off


def test_one_neighbour_that_answers_is_not_enough_and_two_leave_it_one_meter() -> None:
    words = [*speaking(4, -60), word(41, Kind.GASP, 0), *lost(42, 40)]
    words += [word(meter, Kind.PING_ANSWERED, 50 + meter) for meter in (43, 44)]
    picture = infer(TALKING, words, after(300))
    assert short(picture.events) == [("METER", 41, "DECLARED")]
    assert picture.ask == ()
    assert [meter for meter, state in picture.states.items() if state is State.PADAM] == [41]


def test_a_meter_that_was_silent_before_is_no_witness() -> None:
    heard = [each for each in speaking(4, -60) if each.meter in (41, 45)]
    words = [*heard, *speaking(4, -7200), word(41, Kind.GASP, 0)]
    words += [each for meter in (42, 43, 44) for each in lost(meter, 40)]
    assert ("METER", 41, "DECLARED") in short(infer(TALKING, words, after(300)).events)


def test_who_is_overdue_is_asked_twice_and_then_silent_and_one_answer_ends_it() -> None:
    others = [each for each in speaking(4, 3000) if each.meter != 43]
    words = [*others, word(43, Kind.ALIVE, 2400)]
    assert infer(TALKING, words, after(3000)).ask == ()
    assert infer(TALKING, words, after(3000)).look_at == after(2405 + 660)
    [ask] = infer(TALKING, words, after(3100)).ask
    assert (ask.meter, ask.why, ask.about_at) == (43, "silent", after(2405))
    words += lost(43, 3100)
    assert infer(TALKING, words, after(3200)).ask == ()  # its answer may be under way
    picture = infer(TALKING, words, after(3300))
    assert [each.meter for each in picture.ask] == [43] and picture.states[43] is State.NYALA
    words += lost(43, 3300)
    picture = infer(TALKING, words, after(3500))
    assert picture.ask == () and picture.states[43] is State.MODEM
    words.append(word(43, Kind.PING_ANSWERED, 3500))
    assert infer(TALKING, words, after(3510)).states[43] is State.NYALA


def test_a_silent_transformer_costs_four_questions_through_different_concentrators() -> None:
    words = speaking(4, 0)
    asked = infer(TALKING, words, after(700)).ask
    assert len(asked) == 4 and 45 in {ask.meter for ask in asked}
    words += [each for ask in asked[:2] for each in lost(ask.meter, 700)]
    words += [word(ask.meter, Kind.PING_SENT, 700, 0) for ask in asked[2:]]
    picture = infer(TALKING, words, after(900))
    assert picture.ask == ()  # four in half an hour
    assert short(picture.events) == [("TRANSFORMER", 4, "SUSPECTED")] and picture.spans == ()
    assert {picture.states[meter] for meter in TALKING.meters_of[4]} == {State.MODEM}
    later = infer(TALKING, words, after(700 + 31 * 60))
    assert later.ask != () and {ask.meter for ask in later.ask} <= {41, 42, 43, 44, 45}


def test_who_can_not_be_asked_takes_nobodys_place() -> None:
    deaf = Network(
        transformer_of=TREE.transformer_of,
        parent_of=TREE.parent_of,
        level_of=TREE.level_of,
        speaks_every_s=TALKING.speaks_every_s,
        unaskable=[41, 42, 43],
    )
    assert [ask.meter for ask in infer(deaf, speaking(4, 0), after(700)).ask] == [44, 45]
    gasp = [*speaking(4, -60), word(41, Kind.GASP, 0)]
    assert [ask.meter for ask in infer(deaf, gasp, after(40)).ask] == [44, 45]


STORY = [
    *(gasps(4, 5) + gasps(7, at_s=4000)),
    *(word(node * 10 + place, Kind.RESTORE, 1800) for node in (4, 5, 6) for place in (1, 3, 5)),
    *(word(70 + place, Kind.RESTORE, 6000, late_s=900) for place in (2, 4)),
    *(word(81, Kind.CREDIT_OPEN, 10), word(81, Kind.GASP, 50), word(92, Kind.GASP, 77)),
    *(lost(44, 60) + lost(91, 100) + [word(93, Kind.PING_SENT, 100, 0), word(93, Kind.PING_ANSWERED, 130)]),
    *(word(43, Kind.LOG, 2, late_s=9000, end_s=1790), word(92, Kind.LOG_COVERS, -99, late_s=9000, end_s=8000)),
]


@given(st.permutations(STORY), st.lists(st.sampled_from(STORY), max_size=10), st.integers(0, 10_000))
def test_the_picture_depends_on_the_set_of_words_alone(order: list[Evidence], again: list[Evidence], at_s: int) -> None:
    assert infer(TREE, order + again, after(at_s)) == infer(TREE, STORY, after(at_s))
