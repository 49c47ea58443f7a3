"""An SMSC that nobody here wrote: the npm package `smpp` (node-smpp), run as a server on loopback."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from duaarah.project.node import NodeUnavailable, installed, node

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache" / "interop"
USER, PASSWORD = "both", "s3cret"


class NodeSMSC:
    """The process; `ask` is one verb of its script."""

    def __init__(self, modules: Path, *flags: str, script: str = "smsc.js", account: tuple[str, ...] = (USER,)) -> None:
        self.process = subprocess.Popen(
            [str(node()), str(HERE / script), *account, PASSWORD, *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "NODE_PATH": str(modules)},
        )
        said = self._read()
        self.port: int = said["port"]
        self.tls_port: int | None = said.get("tls_port")

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def ask(self, op: str, **fields: object) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"op": op, **fields}) + "\n")
        self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """Where the package `smpp` is installed; without npm: a skip here, a failure in CI."""
    try:
        return installed(HERE, CACHE)
    except NodeUnavailable as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"node-smpp is required in CI: {error}")
        pytest.skip(f"NOT TESTED AGAINST node-smpp: {error}")


@pytest.fixture
def start_smsc(node_modules: Path) -> Iterator[Callable[..., NodeSMSC]]:
    """Starts SMSCs; they end with the test."""
    started: list[NodeSMSC] = []

    def start(*flags: str) -> NodeSMSC:
        started.append(NodeSMSC(node_modules, *flags))
        return started[-1]

    yield start
    for smsc in started:
        smsc.close()
