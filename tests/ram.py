"""Where a test run keeps its files: in memory where there is room, since a thousand fresh databases are mostly small files."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
FREE_MIN = 3 * 1024**3


def base() -> Path:
    """
    The folder for run folders. Whoever sets TMPDIR decides himself.

    Nothing is proved less in memory: our tests kill processes, also PostgreSQL itself, and never the machine. What a killed
    process had written is in the kernel's hands on a disk as well; what it had not, is lost here too.
    """
    disk = Path(tempfile.gettempdir())
    if "TMPDIR" in os.environ:
        return disk
    try:
        room = os.statvfs(SHARED_MEMORY)
    except OSError:
        return disk
    # PostgreSQL's binaries may have to be copied beside the data and run from there.
    fits = room.f_bavail * room.f_frsize >= FREE_MIN and not room.f_flag & os.ST_NOEXEC
    return SHARED_MEMORY if fits and os.access(SHARED_MEMORY, os.W_OK) else disk


def run_folder(controller_pid: int) -> Path:
    """This run's folder, with `tmp` for all that tests make; what dead runs left in memory is given back."""
    under = base()
    folder = under / f"duaarah-tests-{controller_pid}"
    temporary = folder / "tmp"
    if not temporary.exists():
        _sweep(SHARED_MEMORY)
        temporary.mkdir(parents=True, exist_ok=True)
        # The database's own user must be able to pass.
        folder.chmod(0o755)
        temporary.chmod(0o755)
    return folder


def _sweep(under: Path) -> None:
    for left in under.glob("duaarah-tests-*"):
        pid = left.name.rpartition("-")[2]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(left, ignore_errors=True)


def use(folder: Path) -> None:
    """Temporary files of this process and its children lie in the run's folder."""
    os.environ["DUAARAH_TEST_RUN_FOLDER"] = str(folder)
    os.environ["TMPDIR"] = str(folder / "tmp")
    tempfile.tempdir = None


def give_back(folder: Path) -> None:
    """The run is over."""
    with contextlib.suppress(OSError):
        shutil.rmtree(folder, ignore_errors=True)
