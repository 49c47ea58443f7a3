# SPDX-License-Identifier: Apache-2.0
"""
What really happened, in a folder of the town's own: losses, thefts, outages, credit that ran out, messages that were lost.

Lines of JSON that only tests and whoever checks the platform's answers read. No process of the platform opens this folder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = "truth.jsonl"


class Truth:
    """Appends to the file in this folder, which nobody else may read; without a folder nothing is written."""

    def __init__(self, folder: Path | None = None) -> None:
        self._path: Path | None = None
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path = folder / FILE
            self._path.touch(mode=0o600)

    def __bool__(self) -> bool:
        return self._path is not None

    def write(self, kind: str, at_us: int, **facts: Any) -> None:
        """One fact at a town instant (microseconds since the town's START)."""
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"kind": kind, "at_us": at_us, **facts}, separators=(",", ":")) + "\n")


def read_truth(folder: Path) -> list[dict[str, Any]]:
    """All facts in their order; a town that was killed between two steps may have told one twice."""
    return [json.loads(line) for line in (folder / FILE).read_text(encoding="utf-8").splitlines()]
