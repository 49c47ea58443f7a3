"""Bugs that somebody could make, planted one by one: each must make a named test of test_links fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.sms import linkbench, test_links
from tests.sms.linkbench import Bench

from duaarah.sms.operations import stale
from duaarah.wire.smpp import pdu as p
from duaarah.wire.smpp import receipt
from duaarah.wire.smpp.pacing import Pace
from duaarah.wire.smpp.session import Session, State
from duaarah.workers import links, links_rows, links_sql

pytestmark = pytest.mark.slow
Plant = Callable[[pytest.MonkeyPatch], None]


def _sql(name: str, old: str, new: str, module: Any = links_sql) -> Plant:
    """A statement with some of its words changed."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        text = getattr(module, name)
        assert old in text
        patch.setattr(module, name, text.replace(old, new))

    return plant


def ack_before_commit(patch: pytest.MonkeyPatch) -> None:
    real = links.Link.on_deliver

    def on_deliver(self: Any, pdu: Any) -> None:
        self._esme.ack(pdu)
        real(self, pdu)

    patch.setattr(links.Link, "on_deliver", on_deliver)


def window_off_by_one(patch: pytest.MonkeyPatch) -> None:
    def free(self: Session) -> int:
        return max(0, self.window + 1 - self.outstanding) if self.state is State.BOUND else 0

    patch.setattr(Session, "free", property(free))


def pace_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Pace, "allowed", lambda self, now_s: 10_000)


def early_receipt_dropped(patch: pytest.MonkeyPatch) -> None:
    real = links.receipt_row
    patch.setattr(links, "receipt_row", lambda pdu, bind: real(pdu, {**bind, "receipt_dialect": "TLV"}))


def validity_missing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(p, "relative_validity", lambda seconds: "")


def hex_id_unmatched(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(receipt, "response_key", lambda message_id, base: message_id)


def throttled_refused(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(links, "SLOW_DOWN", frozenset())


def part_lost(patch: pytest.MonkeyPatch) -> None:
    real = links_rows.part_of

    def part_of(pdu: Any) -> Any:
        part = real(pdu)
        return None if part and part.number == part.total else part

    patch.setattr(links_rows, "part_of", part_of)


BUGS: dict[str, tuple[Plant, Callable[[Bench], None]]] = {
    "ack before commit": (
        ack_before_commit,
        lambda bench: test_links.test_nothing_is_acknowledged_before_its_row_is_committed(bench, bench.conninfo),
    ),
    "resend on ambiguity": (
        _sql("_AMBIGUOUS", "SET state = 'AMBIGUOUS'", "SET state = 'QUEUED'", stale),
        test_links.test_no_answer_is_never_a_resend_and_a_late_answer_resolves_it,
    ),
    "settle twice": (
        _sql("ACCEPTED", "AND s.state IN ('SUBMITTING', 'AMBIGUOUS')", ""),
        test_links.test_a_late_answer_to_what_a_person_decided_changes_nothing,
    ),
    "window off by one": (window_off_by_one, test_links.test_urgent_first_and_never_more_than_the_window),
    "pace ignored": (pace_ignored, test_links.test_the_pace_holds_at_the_smscs_socket),
    "receipt before response dropped": (
        early_receipt_dropped,
        test_links.test_a_receipt_by_the_receiver_finds_the_transmitters_segment_hex_against_decimal,
    ),
    "redelivery is a second SMS": (
        _sql("INBOUND", "i.bind_id = ANY(%(group)s)", "i.bind_id = %(bind)s"),
        test_links.test_a_delivery_on_two_links_of_a_group_is_one_sms_and_acknowledged_twice,
    ),
    "priority ignored": (
        _sql("CLAIM", "ORDER BY priority, id", "ORDER BY id"),
        test_links.test_urgent_first_and_never_more_than_the_window,
    ),
    "validity missing": (
        validity_missing,
        test_links.test_the_row_sets_the_bind_and_every_segment_has_a_validity,
    ),
    "hex id unmatched": (
        hex_id_unmatched,
        test_links.test_a_receipt_by_the_receiver_finds_the_transmitters_segment_hex_against_decimal,
    ),
    "part lost in reassembly": (
        part_lost,
        test_links.test_parts_in_any_order_twice_are_one_sms_and_a_unit_each,
    ),
    "throttled segment refused": (
        throttled_refused,
        test_links.test_throttled_comes_again_0x08_has_a_limit_and_0x0b_is_for_good,
    ),
}


@pytest.mark.parametrize("bug", BUGS)
def test_the_planted_bug_is_found(bug: str, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, found_by = BUGS[bug]
    monkeypatch.setattr("duaarah.workers.links_rows.unwrap_bind_password", lambda name, wrapped: "secret")
    monkeypatch.setattr(linkbench, "PATIENCE_S", 4)
    plant(monkeypatch)
    with Bench(database) as bench, pytest.raises(AssertionError):
        found_by(bench)


def test_there_are_twelve() -> None:
    assert len(BUGS) == 12
