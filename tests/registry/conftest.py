"""A small town behind the registry."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.flows.house import Town


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    return Town(tmp_path)
