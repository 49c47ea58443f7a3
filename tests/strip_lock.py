"""Deletes what an npm lock file needs not know: where packages were fetched from, and who asks for money."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def stripped(lock: dict) -> dict:
    """The lock file without `resolved` and `funding`; names, versions and integrity hashes stay."""
    for package in lock.get("packages", {}).values():
        package.pop("resolved", None)
        package.pop("funding", None)
    return lock


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(json.dumps(stripped(json.loads(path.read_text())), indent=2) + "\n")
