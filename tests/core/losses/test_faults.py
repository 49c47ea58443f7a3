# SPDX-License-Identifier: Apache-2.0
"""Three percent mapped wrongly, an exchange, a meter swap, a reset and clock errors: each found and named, none made up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.core.losses import town

from duaarah.core.losses.clocks import aligned, clock_findings
from duaarah.core.losses.mapping import EXCHANGED, PHASE, PHASE_UNKNOWN, TRANSFORMER, check_mapping
from duaarah.core.losses.registers import RESET, ROLLOVER, SWAP, register_findings

DAYS = 14


@pytest.fixture(scope="module", params=[1, 2, 3])
def feeds(request):
    rng = np.random.default_rng(request.param)
    mv = town.source(rng, DAYS)
    sizes = rng.integers(50, 101, 3)
    return [town.feed(rng, days=DAYS, meters=int(n), first_id=1000 * (i + 1), source_v=mv) for i, n in enumerate(sizes)]


def recorded(feeds):
    voltage = np.hstack([f.panel.voltage_v for f in feeds])
    ids = [m for f in feeds for m in f.panel.meter_ids]
    return voltage, ids, [m // 1000 for m in ids], [p for f in feeds for p in f.phases]


def test_each_wrong_place_is_found_and_named_and_no_other(feeds) -> None:
    voltage, ids, transformers, phases = recorded(feeds)
    rng = np.random.default_rng(7)
    truth = list(zip(transformers, phases, strict=True))
    wrong = [int(i) for i in rng.choice(len(ids), round(0.03 * len(ids)), replace=False)]
    for n, i in enumerate(wrong):
        t, p = truth[i]
        if n % 2:
            transformers[i] = t % 3 + 1
        else:
            phases[i] = f"L{int(p[1]) % 3 + 1}"
    found = {f.meter_id: f for f in check_mapping(voltage, ids, transformers, phases)}
    assert set(found) == {ids[i] for i in wrong}
    for n, i in enumerate(wrong):
        assert found[ids[i]].likely == truth[i]
        assert found[ids[i]].kind == (TRANSFORMER if n % 2 else PHASE)


def test_two_that_were_exchanged_are_named_together(feeds) -> None:
    voltage, ids, transformers, phases = recorded(feeds)
    a = 4
    b = next(i for i, t in enumerate(transformers) if t == 2)
    for series in (transformers, phases):
        series[a], series[b] = series[b], series[a]
    found = {f.meter_id: f for f in check_mapping(voltage, ids, transformers, phases)}
    assert set(found) == {ids[a], ids[b]}
    assert found[ids[a]].exchanged == ids[b]
    assert found[ids[b]].exchanged == ids[a]
    assert EXCHANGED == "exchanged"


def test_an_unknown_phase_is_proposed(feeds) -> None:
    voltage, ids, transformers, phases = recorded(feeds)
    true = phases[9]
    phases[9] = ""
    (found,) = check_mapping(voltage, ids, transformers, phases)
    assert (found.meter_id, found.kind, found.likely) == (ids[9], PHASE_UNKNOWN, (1, true))


def test_a_transformer_too_small_to_compare_with_says_nothing_of_its_meters(feeds) -> None:
    """Its few meters would follow others by chance once their own movement is taken for everybody's."""
    voltage, ids, transformers, phases = recorded(feeds)
    small = [i for i, t in enumerate(transformers) if t == 3]
    few = [next(i for i in small if phases[i] == phase) for phase in ("L1", "L2", "L3")]
    keep = [i for i in range(len(ids)) if i not in small or i in few]
    assert check_mapping(
        voltage[:, keep], [ids[i] for i in keep], [transformers[i] for i in keep], [phases[i] for i in keep]
    ) == []  # fmt: skip


def test_one_group_alone_and_voltages_without_news_say_nothing(feeds) -> None:
    voltage, ids, transformers, phases = recorded(feeds)
    assert check_mapping(voltage, ids, [1] * len(ids), [""] * len(ids)) == []
    rng = np.random.default_rng(1)
    noise = rng.normal(220, 1, voltage.shape)
    assert check_mapping(noise, ids, transformers, phases) == []


def test_reset_swap_and_rollover_are_told_apart(feeds) -> None:
    panel = feeds[0].panel
    register = panel.register_wh.copy()
    register[300:, 2] -= register[299, 2]
    register[500:, 5] += 1_234_560.0
    register[600:, 6] = register[600:, 6] - register[599, 6] + 700_000.0
    register[:, 8] += 100_000_000.0 - register[700, 8]
    register[701:, 8] -= 100_000_000.0
    found = register_findings(replace(panel, register_wh=register))
    steps = [(f.meter_id - 1000, f.kind, int(np.flatnonzero(panel.end_s == f.end_s)[0])) for f in found]
    assert steps == [(2, RESET, 300), (5, SWAP, 500), (6, SWAP, 600), (8, ROLLOVER, 701)]


def test_nothing_is_found_in_clean_readings_nor_over_gaps(feeds) -> None:
    panel = feeds[1].panel
    energy, register = panel.energy_wh.copy(), panel.register_wh.copy()
    energy[100:140, 3] = register[100:140, 3] = np.nan
    gaps = replace(panel, energy_wh=energy, register_wh=register)
    assert register_findings(gaps) == []
    assert clock_findings(gaps) == []


def test_clocks_that_are_off_are_found_with_their_lag_and_put_right(feeds) -> None:
    panel = feeds[0].panel
    lags = {3: 4, 7: -28, 9: 2, 11: 1}
    series = [panel.energy_wh.copy(), panel.register_wh.copy(), panel.voltage_v.copy()]
    for column, lag in lags.items():
        for one in series:
            one[:, column] = np.roll(one[:, column], lag)
    wrong = replace(panel, energy_wh=series[0], register_wh=series[1], voltage_v=series[2])
    found = clock_findings(wrong)
    assert {f.meter_id - 1000: f.lag_s // 900 for f in found} == lags
    right = aligned(wrong, found)
    middle = slice(200, 900)
    assert np.array_equal(right.energy_wh[middle], panel.energy_wh[middle])


def test_the_total_meters_clock(feeds) -> None:
    panel = feeds[2].panel
    found = clock_findings(replace(panel, total_wh=np.roll(panel.total_wh, 4)))
    assert [(f.meter_id, f.lag_s) for f in found] == [(0, 3600)]
    found = clock_findings(replace(panel, total_wh=np.roll(panel.total_wh, -1)))
    assert [(f.meter_id, f.lag_s) for f in found] == [(0, -900)]
