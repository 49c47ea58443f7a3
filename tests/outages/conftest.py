# SPDX-License-Identifier: Apache-2.0
"""A feeder with two transformers of five houses each."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.flows.house import House, Town

from duaarah.registry.models import NetworkNode


class Grid:
    """The town and its tree: `houses[0]` to `[4]` below the first transformer, the others below the second."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.substation = NetworkNode.objects.create(code="GI1", name="GI Satu", kind="SUBSTATION")
        self.feeder = NetworkNode.objects.create(
            code="P1", name="Penyulang Satu", kind="FEEDER", parent=self.substation
        )
        self.transformers = [
            NetworkNode.objects.create(code=f"T{number}", kind="TRANSFORMER", parent=self.feeder)
            for number in (1, 2, 3)
        ]
        self.houses: list[House] = [town.house(transformer=self.transformers[place // 5]) for place in range(10)]


@pytest.fixture
def grid(database: str, tmp_path: Path) -> Grid:
    return Grid(Town(tmp_path))
