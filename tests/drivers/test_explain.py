"""A frame for people: every layer in its order, as far as it can be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sim.meter.meters import KEYS, KINDS, METER_TITLE, NOW, build

from duaarah.drivers import Keys, explain, frame, profile


@pytest.mark.parametrize("kind", KINDS)
def test_a_push_is_shown_layer_by_layer(kind: str) -> None:
    (payload,) = build(kind).voltage("sag", 2, 171_300, 8, NOW)
    shown = explain(profile(kind), payload, keys=KEYS)
    facts = dict(shown.facts)
    assert list(facts) == [
        *("framing", "system title", "invocation counter", "security control", "plain APDU", "service", "date-time")
    ]
    assert (facts["invocation counter"], facts["service"], shown.problem) == ("1", "DataNotification", "")
    assert facts["date-time"] == ("2026-07-11T06:00:30+07:00" if kind == "single-phase-modem" else "absent")
    assert shown.report["kind"] == "voltage_event" and shown.report["extreme_mv"] == 171_300
    assert shown.outline[0] in ("structure (6)", "structure (5)", "array (5)")


def test_without_the_key_it_ends_at_the_ciphering() -> None:
    (payload,) = build("single-phase-modem").tamper("cover", NOW)
    assert list(dict(explain(profile("single-phase-modem"), payload, keys=None).facts))[-1] == "security control"
    other = explain(profile("single-phase-modem"), payload, keys=Keys(bytes(16), bytes(16)))
    assert (other.problem, other.outline, other.report) == ("auth_failed", (), {})


@given(st.sampled_from(KINDS), st.binary(max_size=90), st.booleans())
def test_it_never_raises(kind: str, octets: bytes, push: bool) -> None:
    known = profile(kind)
    explain(known, octets, keys=KEYS)
    plain = b"\x0f\0\0\0\1\0" + octets if push else octets
    sealed = frame(known, plain, keys=KEYS, system_title=METER_TITLE, counter=1, to_meter=False)
    explain(known, sealed, keys=KEYS)
