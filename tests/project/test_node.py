"""Without npm's registry a start goes on within seconds, with one sentence."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from duaarah.project.node import NodeUnavailable, installed

ASSETS = Path(__file__).parents[2] / "assets"
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("answers", [False, True], ids=["nobody-listens", "never-answers"])
def test_a_registry_out_of_reach_is_one_sentence(
    answers: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        if answers:
            deaf.listen(50)
        monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{deaf.getsockname()[1]}/")
        monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
        monkeypatch.setattr("duaarah.project.node._PATIENCE", {**_patience(), "npm_config_fetch_timeout": "1500"})
        begun_s = time.monotonic()
        with pytest.raises(NodeUnavailable) as refused:
            installed(ASSETS, tmp_path / "cache")
    assert str(refused.value) == "npm's registry was not reached; the next start tries again."
    assert time.monotonic() - begun_s < 60
    assert not list((tmp_path / "cache").glob("work-*"))


def _patience() -> dict[str, str]:
    from duaarah.project.node import _PATIENCE

    return _PATIENCE
