# SPDX-License-Identifier: Apache-2.0
"""Where things lie: the checkout, and this machine's data."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
SYSTEM_DATA = Path("/var/lib/duaarah")


def enterable(folder: Path, user: pwd.struct_passwd) -> bool:
    """Whether a user who is neither owner nor in the group can enter a folder and all above it."""
    for part in (folder, *folder.parents):
        status = part.stat()
        if not status.st_mode & (0o100 if status.st_uid == user.pw_uid else 0o001):
            return False
    return True


def data_dir() -> Path:
    """
    DUAARAH_DATA, else `data` in the checkout; for root, whose database runs as `nobody`, a system folder when the
    checkout lies where nobody may not go.
    """
    if given := os.environ.get("DUAARAH_DATA"):
        return Path(given).resolve()
    if os.geteuid() == 0 and not enterable(CHECKOUT, pwd.getpwnam("nobody")):
        return SYSTEM_DATA
    return CHECKOUT / "data"
