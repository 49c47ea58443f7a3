# SPDX-License-Identifier: Apache-2.0
"""
What the pages load (Tabler, htmx) and what they say (the catalogues), made ready once; standard library only.

Without npm the pages use their own plain style and say so; nothing else is missing then.
"""

from __future__ import annotations

import gzip
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from duaarah.project import catalogues
from duaarah.project.node import NodeUnavailable, installed, lock_digest

VENDOR = {
    "tabler.min.css": "@tabler/core/dist/css/tabler.min.css",
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
}
_SOURCE_MAP = re.compile(rb"(?:/\*[#@] sourceMappingURL=[^*]*\*/|//[#@] sourceMappingURL=\S*)\s*")


def vendor_folder(checkout: Path) -> Path:
    """Where the installed files lie; the name follows the lock file, so that a change of it makes a new folder."""
    return checkout / ".cache" / "assets" / lock_digest(checkout / "assets")


def ensure(checkout: Path, say: Callable[[str], None]) -> bool:
    """Make assets and catalogues ready; False when the pages must do with their plain style."""
    catalogues.ensure(checkout)
    target = vendor_folder(checkout)
    if target.exists():
        return True
    say("installing the page assets (once) ...")
    try:
        modules = installed(checkout / "assets", checkout / ".cache" / "npm")
        _copy(modules, target)
    except (NodeUnavailable, OSError) as error:
        say(f"the pages use their plain built-in style: {error}")
        return False
    return True


def _copy(modules: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="work-", dir=target.parent))
    try:
        folder = work / "vendor"
        folder.mkdir()
        for name, source in VENDOR.items():
            octets = _SOURCE_MAP.sub(b"", (modules / source).read_bytes())
            (folder / name).write_bytes(octets)
            (folder / f"{name}.gz").write_bytes(gzip.compress(octets, 9, mtime=0))
        work.chmod(0o755)
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
