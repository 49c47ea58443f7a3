# SPDX-License-Identifier: Apache-2.0
"""Balances from registers and intervals, and when none is given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from duaarah.core.losses.balance import balance, completeness_of, energy_of, node_balance
from duaarah.core.losses.panel import LossError, Panel, fill_gaps, hours_of
from duaarah.core.losses.technical import Plate, lines_loss_wh, transformer_loss_wh, usual_plate


def flat(steps: int = 96, meters: int = 4, wh: float = 100.0, lost: float = 0.05) -> Panel:
    energy = np.full((steps, meters), wh)
    return Panel(
        end_s=-25_200 + 900 * (1 + np.arange(steps)),
        period_s=900,
        meter_ids=tuple(range(1, meters + 1)),
        energy_wh=energy,
        register_wh=1000.0 + np.cumsum(energy, axis=0),
        voltage_v=np.full((steps, meters), 220.0),
        total_wh=np.full(steps, meters * wh / (1 - lost)),
        busbar_v=np.full(steps, 222.0),
    )


def test_susut_is_of_the_energy_received() -> None:
    answer = balance(flat())
    assert answer.refusal is None
    assert answer.sold_wh == pytest.approx(38_400.0)
    assert answer.loss_share == pytest.approx(0.05)
    assert balance(flat(), own_use_wh=400.0, sent_on_wh=600.0).loss_wh == pytest.approx(answer.loss_wh - 1000.0)
    assert answer.completeness == 1.0


def test_a_gap_between_registers_costs_no_energy() -> None:
    panel = flat()
    panel.energy_wh[10:13, 0] = np.nan
    panel.register_wh[10:13, 0] = np.nan
    assert balance(panel).sold_wh == pytest.approx(38_400.0)
    assert completeness_of(panel) == pytest.approx(1 - 3 / (96 * 5))


def test_a_gap_is_filled_as_the_mean_day_goes_and_sums_to_the_register() -> None:
    day = np.r_[np.full(12, 10.0), np.full(12, 30.0)]
    energy = np.tile(day, 3)[:, None]
    register = np.cumsum(energy, axis=0)
    energy[34:40] = np.nan
    filled = fill_gaps(energy, register, np.arange(72) % 24)
    assert filled[34:40, 0] == pytest.approx([10.0, 10.0, 30.0, 30.0, 30.0, 30.0])
    register[40:] += 70.0  # more was used in the gap than on other days
    filled = fill_gaps(energy, register, np.arange(72) % 24)
    assert filled[34:40].sum() == pytest.approx(210.0)


@pytest.mark.parametrize(("missing", "refused"), [(23, False), (25, True)])
def test_below_95_percent_nothing_is_said(missing: int, refused: bool) -> None:
    panel = flat()
    for i in range(missing):
        panel.energy_wh[2 + i, i % 4] = panel.register_wh[2 + i, i % 4] = np.nan
    answer = balance(panel)
    assert (answer.code == "incomplete") is refused
    assert (answer.refusal is not None) is refused


def test_no_total_meter_clocks_and_more_out_than_in() -> None:
    panel = flat()
    blind = replace(panel, total_wh=np.full(96, np.nan))
    assert balance(blind).code == "no_total"
    assert balance(panel, clock_lag_s={0: 3600}).code == "clocks"
    assert balance(panel, clock_lag_s={2: 900}).code == "clocks"  # a quarter of the energy, a 96th of the day
    assert balance(panel, clock_lag_s={2: 0}).code == ""
    assert balance(replace(panel, total_wh=panel.total_wh * 0.8)).code == "negative"


def test_a_reset_register_is_not_believed() -> None:
    panel = flat()
    panel.register_wh[50:, 1] -= panel.register_wh[50, 1]
    assert energy_of(panel) == pytest.approx([9600.0] * 4)


def test_a_feeder_from_its_own_total_and_what_it_sent_on() -> None:
    parts = [balance(flat()), balance(flat())]
    whole = sum(p.input_wh for p in parts) / 0.98
    answer = node_balance(parts, input_wh=whole, own_use_wh=0.0, completeness=1.0, has_total=True)
    assert answer.loss_share == pytest.approx(0.02)
    assert node_balance(parts, input_wh=0, own_use_wh=0, completeness=1, has_total=False).code == "no_total"
    assert node_balance(parts, input_wh=whole, own_use_wh=0, completeness=0.9, has_total=True).code == "incomplete"


def test_physics_of_transformer_and_lines() -> None:
    plate = Plate(100_000, 250.0, 1350.0)
    half = transformer_loss_wh(np.array([50_000.0 * 0.95]), 3600, plate)
    assert half == pytest.approx([250.0 + 1350.0 / 4])
    assert usual_plate(100_000).doubt > plate.doubt
    lines, known = lines_loss_wh(flat(lost=0.0), None)
    # Everything drops from 222 to 220 V: 2/222 of what enters the lines is lost in them.
    assert known
    assert lines == pytest.approx(np.full(96, 400.0 * 2 / 222))


def test_hours_hold_local_days() -> None:
    hours = hours_of(flat(), np.zeros(96), lines_known=True)
    assert list(hours.hour) == list(range(24))
    assert len(set(hours.day)) == 1
    assert hours.total_wh.sum() == pytest.approx(flat().total_wh.sum())
    assert hours.use.all()


def test_readings_of_another_shape_are_refused() -> None:
    with pytest.raises(LossError):
        replace(flat(), total_wh=np.zeros(3))
    with pytest.raises(LossError):
        replace(flat(), period_s=700)
