"""
The purchase protocol in any order (machine.py). DUAARAH_PROOF_EXAMPLES and DUAARAH_PROOF_STEPS make it go deeper:
CI plays few short stories, chosen anew from the same seed; a night may play thousands of long ones.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.conformance_ppob.machine import PurchaseProtocol
from tests.conformance_ppob.world import World

pytestmark = pytest.mark.slow
EXAMPLES, STEPS = (
    int(os.environ.get(f"DUAARAH_PROOF_{name}", value)) for name, value in (("EXAMPLES", 60), ("STEPS", 30))
)
DEEP = "DUAARAH_PROOF_EXAMPLES" in os.environ


def play(folder: Path, *, examples: int, steps: int, derandomize: bool, shrink: bool = True) -> None:
    """Play; raises Broken with the shortest story found."""
    machine: Any = type("Played", (PurchaseProtocol,), {"world": World(folder)})
    phases = [Phase.generate, *([Phase.shrink] if shrink else [])]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=derandomize,
            database=None,
            deadline=None,
            phases=phases,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_money_token_and_ledger_agree_in_any_order(database: str, tmp_path: Path) -> None:
    play(tmp_path, examples=EXAMPLES, steps=STEPS, derandomize=not DEEP)
