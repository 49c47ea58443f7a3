# SPDX-License-Identifier: Apache-2.0
"""No port is open unless somebody names an address."""

from __future__ import annotations

import pytest

from duaarah.project.start import platform_children


def test_the_gateway_is_kept_alive_where_an_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DUAARAH_GATEWAY", raising=False)
    assert "gateway" not in [child.name for child in platform_children("127.0.0.1", 1)]
    monkeypatch.setenv("DUAARAH_GATEWAY", "127.0.0.1:4059")
    names = [child.name for child in platform_children("127.0.0.1", 1)]
    assert names[-2:] == ["gateway", "web"]
