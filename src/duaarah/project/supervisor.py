# SPDX-License-Identifier: Apache-2.0
"""
Children and their keeper: started in order, restarted with backoff, stopped together.

A child that crashes five times in a minute stops everything, visibly: a system that flaps is worse than one that is
down. Children die with their keeper (PR_SET_PDEATHSIG), whatever kills it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

LOG = logging.getLogger(__name__)
CRASHES_MAX = 5
CRASH_WINDOW_S = 60
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
DRAIN_S = 10
_PR_SET_PDEATHSIG = 1
# Becomes the child's command once it will die with its keeper. A process of its own for that: Python code between fork and exec
# crashes where the keeper holds libraries with threads of their own (Arrow, DuckDB).
_LAUNCH = (
    "import ctypes, os, signal, sys\n"
    # What Python ignores for itself an exec would hand on.
    "for number in (signal.SIGPIPE, signal.SIGXFSZ): signal.signal(number, signal.SIG_DFL)\n"
    f"ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, int(sys.argv[1]))\n"
    "if os.getppid() == int(sys.argv[2]): os.execvp(sys.argv[3], sys.argv[3:])\n"
)
# Opened here: a child between fork and exec must not load libraries.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class ChildSpec:
    """A child's name, command line, and what it needs in its environment beside ours."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    # What it gets when its keeper is killed. A server that does not heed SIGTERM while it starts needs the harder one.
    death_signal: signal.Signals = signal.SIGTERM


def die_with_parent(number: signal.Signals = signal.SIGTERM) -> None:
    """In the child: be sent this signal when the parent's thread that made it ends (Linux)."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, number)


def interrupt_once() -> None:
    """SIGTERM and SIGINT raise KeyboardInterrupt, the first time; what then cleans up is not interrupted again."""

    def interrupt(number: int, _: object) -> None:
        for later in (signal.SIGTERM, signal.SIGINT):
            signal.signal(later, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupt)


class _Child:
    def __init__(self, spec: ChildSpec, log: Path | None) -> None:
        self.spec = spec
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self.crashes: deque[float] = deque(maxlen=CRASHES_MAX)
        self.restarts = 0
        self.start_at_s = 0.0

    def start(self) -> None:
        """Raises OSError when there is no such command."""
        environment = {**os.environ, **self.spec.environment}
        program = shutil.which(self.spec.command[0], path=environment.get("PATH"))
        if program is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.spec.command[0])
        launch = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(int(self.spec.death_signal)), str(os.getpid())]
        with self.log.open("ab") if self.log is not None else contextlib.nullcontext(sys.stderr) as output:
            self.process = subprocess.Popen(
                [*(launch if sys.platform == "linux" else []), program, *self.spec.command[1:]],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # A group of its own: what it has started is reached through it, and a terminal's Ctrl-C is only ours.
                process_group=0,
            )

    def crashed(self, now_s: float) -> bool:
        """Note a crash; True when there were too many."""
        self.crashes.append(now_s)
        self.restarts += 1
        self.start_at_s = now_s + BACKOFF_S[min(len(self.crashes), len(BACKOFF_S)) - 1]
        return len(self.crashes) == CRASHES_MAX and now_s - self.crashes[0] < CRASH_WINDOW_S


class Supervisor:
    """Keeps a list of children alive. Use `start` and `stop` as a library, `run_until_stopped` as a process."""

    def __init__(self, children: list[ChildSpec], *, log: Path | None = None) -> None:
        self._children = [_Child(spec, log) for spec in children]
        self._stopping = threading.Event()
        self._watched = threading.Event()  # the watcher starts nothing any more
        self._over = threading.Event()  # no child is left
        self._watcher: threading.Thread | None = None
        self.failed: str | None = None

    def start(self) -> None:
        """Start every child, and a thread that watches them. Raises OSError when one cannot be; then none is left."""
        try:
            for child in self._children:
                child.start()
        except OSError:
            self.stop()
            raise
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def _watch(self) -> None:
        try:
            while not self._stopping.wait(0.1):
                self._tend_all(time.monotonic())
        finally:
            self._watched.set()
        # The children that this thread started are told to end when it ends: not before the others, then.
        self._over.wait()

    def _tend_all(self, now_s: float) -> None:
        for child in self._children:
            if self._tend(child, now_s):
                self.failed = f"{child.spec.name} crashed {CRASHES_MAX} times within {CRASH_WINDOW_S} s"
                LOG.error("%s; everything stops. Its last log lines say why.", self.failed)
                self._stopping.set()
                return

    def _tend(self, child: _Child, now_s: float) -> bool:
        process = child.process
        if process is None:
            if now_s < child.start_at_s:
                return False
            try:
                child.start()
            except OSError as error:
                LOG.warning("%s cannot be started: %s", child.spec.name, error.strerror)
                return child.crashed(now_s)
            return False
        status = process.poll()
        if status is None:
            return False
        child.process = None
        LOG.warning("%s ended with status %s and will be restarted", child.spec.name, status)
        return child.crashed(now_s)

    def pid(self, name: str) -> int | None:
        """The process id of a child, or None while it is down."""
        process = self._child(name).process
        return process.pid if process is not None else None

    def kill(self, name: str) -> None:
        """kill -9 of one child; it will be restarted."""
        process = self._child(name).process
        if process is not None:
            process.kill()

    def restarts(self, name: str) -> int:
        """How often a child had to be started again."""
        return self._child(name).restarts

    def _child(self, name: str) -> _Child:
        return next(child for child in self._children if child.spec.name == name)

    def stop(self) -> bool:
        """SIGTERM to all, in reverse order; SIGKILL after ten seconds. True when all drained by themselves."""
        self._stopping.set()
        if self._watcher is not None:
            self._watched.wait()
        running = [child.process for child in reversed(self._children) if child.process is not None]
        for process in running:
            process.terminate()
        deadline_s = time.monotonic() + DRAIN_S
        clean = True
        for process in running:
            try:
                process.wait(max(0.1, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                clean = False
            # Whatever of its group is left, its own children too.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._over.set()
        return clean

    def states(self) -> list[tuple[str, bool, int]]:
        """(name, whether it runs now, how often it was started again) of each child, in order."""
        return [(c.spec.name, c.process is not None and c.process.poll() is None, c.restarts) for c in self._children]

    def run_until_stopped(self, tend: Callable[[], object] = lambda: None) -> int:
        """
        Start, wait for SIGTERM or SIGINT (or for too many crashes), stop; 0 when all went cleanly.

        `tend` looks after what is not a child here, ten times a second.
        """
        asked: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            # Not an Event: its lock may be held by the very thread that the handler interrupts.
            signal.signal(number, lambda number, _: asked.append(number))
        self.start()
        while not asked and not self._stopping.wait(0.1):
            tend()
        clean = self.stop()
        return 0 if clean and self.failed is None else 1
