"""SIGKILL at every touch of disk and token in `combine` and `activate`: the old state or the new one, never a lost key."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from tests.cli.ceremonies import House
from tests.keystore import softhsm

from duaarah.audit.models import AuditRecord

pytestmark = pytest.mark.slow
KILLABLE = (str(Path(__file__).with_name("killable_key.py")),)
TOUCHES_MAX = 12


def killed_at_each_touch(house: House, allowed: list[dict[str, Any]], *arguments: str) -> list[str]:
    """Repeat a verb, dying one touch later each time, until it gets through; the states that were seen."""
    seen = []
    for touch in range(1, TOUCHES_MAX):
        status, _, error = house.key(*arguments, program=KILLABLE, env={"DIE_AT": str(touch)})
        found = house.done("list")
        state = [{name: item.get(name) for name in allowed[0]} for item in found]
        assert len(state) == 1 and state[0] in allowed, state
        seen.append(state[0]["status"])
        if status != -signal.SIGKILL:
            # Done, or refused because the killed try had done it all but for its outcome's line.
            assert state[0] == allowed[-1], error
            return seen
    raise AssertionError("it never came through")


OLD = {"status": "components", "place": "components", "check_value": None}
PENDING = {"status": "pending", "check_value": "0F353D"}
ACTIVE = {"status": "active", "check_value": "0F353D"}


@pytest.mark.parametrize("place", ["file", "module"])
def test_killed_in_the_middle(database: str, tmp_path: Path, place: str) -> None:
    environment = softhsm.make_token(tmp_path) if place == "module" else {}
    house = House(database, tmp_path, environment)
    house.prepared()
    there = {"place": place}
    seen = killed_at_each_touch(house, [OLD, {**PENDING, **there}], "combine", "pln", "--into", place)
    assert seen[0] == "components" and seen[-1] == "pending" and len(seen) >= 4
    house.done("activate", "pln", "--operator", "ani")
    states = [{**PENDING, **there}, {**ACTIVE, **there}]
    seen = killed_at_each_touch(house, states, "activate", "pln", "--operator", "budi")
    assert seen[0] == "pending" and seen[-1] == "active" and len(seen) >= 4
    intents = AuditRecord.objects.filter(verb__endswith=".intent")
    outcomes = set(AuditRecord.objects.exclude(verb__endswith=".intent").values_list("correlation", flat=True))
    alone = [line.verb for line in intents.order_by("id") if line.correlation not in outcomes]
    assert alone.count("keystore.combine.intent") >= 3 and alone.count("keystore.activate.intent") >= 3
