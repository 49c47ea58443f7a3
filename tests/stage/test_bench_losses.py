# SPDX-License-Identifier: Apache-2.0
"""The bench of losses: a seed's faults are all found and no more; every figure has its record."""

from __future__ import annotations

import itertools

from duaarah.cli.main import main
from duaarah.stage.bench_losses import faults_of, one, run


def test_what_was_planted_is_what_was_found() -> None:
    for name, (planted, found) in faults_of(0).items():
        assert planted == found, name
    assert {name: len(planted) for name, (planted, _found) in faults_of(1).items()}.keys() == {
        "place",
        "register",
        "clock",
    }


def test_an_estimate_knows_the_truth_apart() -> None:
    answer, stolen, lost = one(0, known=True)
    assert answer.clean_days == 14 and stolen > 0 and lost > 0
    assert abs(answer.ntl_wh / stolen - 1) < 0.25


def test_every_figure_has_its_record() -> None:
    records = list(itertools.islice(run(1), 20))
    assert {record["bench"] for record in records} == {"losses"} and {record["unit"] for record in records} == {"1"}
    assert len({record["figure"] for record in records}) == 20
    assert main(["bench", "losses", "--seeds", "0"]) == 2
