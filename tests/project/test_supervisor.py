"""Children and their keeper, with real processes: restarted, given up visibly, stopped together, never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import ibis
import pytest

from duaarah.analytics.engines import own_connection
from duaarah.project import supervisor
from duaarah.project.supervisor import BACKOFF_S, CRASHES_MAX, ChildSpec, Supervisor

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SLEEP = ["sleep", "600"]
CRASH = ["false"]
DEAF = [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"]
WAIT_S = 60


def until(holds: Callable[[], object], seconds: float = WAIT_S) -> None:
    deadline_s = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Runs, and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def ignores_sigterm(pid: int) -> bool:
    """The child has come far enough to be deaf."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigIgn:"):
            return bool(int(line.split()[1], 16) & 1 << (signal.SIGTERM - 1))
    return False


@pytest.fixture
def keep() -> Iterator[Callable[..., Supervisor]]:
    """Makes supervisors that end with the test."""
    made: list[Supervisor] = []

    def start(*children: ChildSpec, log: Path | None = None) -> Supervisor:
        made.append(Supervisor(list(children), log=log))
        made[-1].start()
        return made[-1]

    yield start
    for one in made:
        one.stop()


def pid_of(keeper: Supervisor, name: str) -> int:
    until(lambda: keeper.pid(name))
    pid = keeper.pid(name)
    assert pid is not None
    return pid


def test_a_killed_child_comes_back_alone_and_waits_longer_each_time(keep: Callable[..., Supervisor]) -> None:
    keeper = keep(ChildSpec("one", SLEEP), ChildSpec("two", SLEEP))
    other = pid_of(keeper, "two")
    for turn in range(3):
        pid = pid_of(keeper, "one")
        keeper.kill("one")
        killed_s = time.monotonic()
        until(lambda gone=pid: keeper.pid("one") not in (None, gone))
        assert time.monotonic() - killed_s >= BACKOFF_S[turn]
        assert keeper.restarts("one") == turn + 1 and not alive(pid)
    assert keeper.pid("two") == other and keeper.restarts("two") == 0
    assert keeper.failed is None and keeper.stop() is True
    assert not alive(other)


def test_a_child_that_ends_by_itself_is_started_again_too(keep: Callable[..., Supervisor], tmp_path: Path) -> None:
    log = tmp_path / "log"
    keeper = keep(ChildSpec("greets", ["sh", "-c", "echo hello $WHO; exit 0"], {"WHO": "town"}), log=log)
    until(lambda: log.exists() and log.read_text().count("hello town\n") >= 2)
    assert keeper.restarts("greets") >= 1


def test_five_crashes_in_a_minute_stop_everything_and_say_who(
    keep: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "BACKOFF_S", (0.02,))
    keeper = keep(ChildSpec("good", SLEEP), ChildSpec("bad", CRASH))
    good = pid_of(keeper, "good")
    until(lambda: keeper.failed)
    assert keeper.failed == "bad crashed 5 times within 60 s"
    assert keeper.restarts("bad") == CRASHES_MAX == 5
    time.sleep(0.3)
    assert keeper.restarts("bad") == 5 and keeper.pid("bad") is None
    keeper.stop()
    assert not alive(good)


def test_crashes_that_lie_further_apart_do_not_stop_it(
    keep: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "BACKOFF_S", (0.02,))
    monkeypatch.setattr(supervisor, "CRASH_WINDOW_S", 0.05)
    keeper = keep(ChildSpec("bad", CRASH))
    until(lambda: keeper.restarts("bad") > 2 * CRASHES_MAX)
    assert keeper.failed is None


def test_a_command_that_cannot_be_started_again_counts_as_a_crash(
    keep: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The watcher must not die of it: who watches then?"""
    monkeypatch.setattr(supervisor, "BACKOFF_S", (0.02,))
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    keeper = keep(ChildSpec("good", SLEEP), ChildSpec("gone", [str(program)]))
    program.unlink()
    keeper.kill("gone")
    until(lambda: keeper.failed)
    assert keeper.failed == "gone crashed 5 times within 60 s"


def test_a_child_has_the_signals_that_every_program_expects(keep: Callable[..., Supervisor]) -> None:
    keeper = keep(ChildSpec("one", SLEEP))
    pid = pid_of(keeper, "one")
    until(lambda: b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0])
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    assert int(next(line for line in lines if line.startswith("SigIgn:")).split()[1], 16) == 0


def test_a_keeper_that_has_asked_duckdb_starts_its_children_again(tmp_path: Path) -> None:
    """Where Python code ran between fork and exec, each new child ended by SIGSEGV in such a process."""
    assert own_connection().to_pyarrow(ibis.memtable({"n": [1, 2]})).num_rows == 2
    log = tmp_path / "log"
    keeper = Supervisor([ChildSpec("greets", ["sh", "-c", "echo hello"])], log=log)
    keeper.start()
    until(lambda: (log.exists() and log.read_text().count("hello\n") >= 3) or keeper.failed)
    keeper.stop()
    assert keeper.failed is None and keeper.restarts("greets") >= 2


def test_a_command_that_does_not_exist_leaves_nothing_running() -> None:
    keeper = Supervisor([ChildSpec("good", SLEEP), ChildSpec("missing", ["/nonexistent/program"])])
    with pytest.raises(FileNotFoundError):
        keeper.start()
    pid = keeper.pid("good")
    assert pid is None or not alive(pid)


def test_stop_terminates_all_at_once_and_cleanly(keep: Callable[..., Supervisor]) -> None:
    keeper = keep(*(ChildSpec(f"child-{number}", SLEEP) for number in range(4)))
    pids = [pid_of(keeper, f"child-{number}") for number in range(4)]
    started_s = time.monotonic()
    assert keeper.stop() is True
    assert time.monotonic() - started_s < 5
    assert not any(alive(pid) for pid in pids)
    time.sleep(0.3)
    assert all(keeper.restarts(f"child-{number}") == 0 for number in range(4))


def test_stop_kills_the_deaf_after_the_time_to_drain(
    keep: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "DRAIN_S", 0.5)
    keeper = keep(ChildSpec("deaf", DEAF), ChildSpec("good", SLEEP), ChildSpec("deaf-too", DEAF))
    pids = [pid_of(keeper, name) for name in ("deaf", "good", "deaf-too")]
    until(lambda: ignores_sigterm(pids[0]) and ignores_sigterm(pids[2]))
    started_s = time.monotonic()
    assert keeper.stop() is False
    assert 0.5 <= time.monotonic() - started_s < 3
    assert not any(alive(pid) for pid in pids)


def test_stop_of_a_restarted_child_lets_it_drain(keep: Callable[..., Supervisor], tmp_path: Path) -> None:
    """A restarted child was forked by the watching thread; it is stopped by one SIGTERM like every other."""
    program = (
        "import signal, sys, time\n"
        "from pathlib import Path\n"
        "terms = []\n"
        "signal.signal(signal.SIGTERM, lambda *_: terms.append(1))\n"
        f"Path({str(tmp_path / 'ready')!r}).touch()\n"
        "while not terms: time.sleep(0.01)\n"
        "time.sleep(0.3)\n"
        f"Path({str(tmp_path / 'drained')!r}).write_text(str(len(terms)))\n"
    )
    keeper = keep(ChildSpec("drains", [sys.executable, "-c", program]))
    until((tmp_path / "ready").exists)
    (tmp_path / "ready").unlink()
    keeper.kill("drains")
    until((tmp_path / "ready").exists)
    assert keeper.stop() is True
    assert (tmp_path / "drained").read_text() == "1"


KEEPER = """
import sys
from duaarah.project.supervisor import ChildSpec, Supervisor
names = sys.argv[1:]
keeper = Supervisor([ChildSpec(name, ["sleep", "600"] if name != "bad" else ["false"]) for name in names])
start = keeper.start
def said():
    start()
    print(*[keeper.pid(name) or 0 for name in names], flush=True)
keeper.start = said
status = keeper.run_until_stopped()
print(keeper.failed, flush=True)
sys.exit(status)
"""


@contextlib.contextmanager
def keeper_process(*names: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process that supervises `sleep`s; its children's pids."""
    process = subprocess.Popen(
        [sys.executable, "-c", KEEPER, *names],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, [int(pid) for pid in process.stdout.readline().split()]
    finally:
        process.kill()
        process.communicate()


def test_children_die_with_a_keeper_that_is_killed() -> None:
    with keeper_process("one", "two") as (process, pids):
        assert len(pids) == 2 and all(alive(pid) for pid in pids)
        process.kill()
        process.wait()
        until(lambda: not any(alive(pid) for pid in pids))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_keeper_process_stops_cleanly_on_a_signal(number: signal.Signals) -> None:
    with keeper_process("one", "two") as (process, pids):
        process.send_signal(number)
        assert process.wait(WAIT_S) == 0
        assert not any(alive(pid) for pid in pids)


def test_a_keeper_process_that_gives_up_says_so_by_its_status() -> None:
    with keeper_process("good", "bad") as (process, pids):
        assert process.wait(WAIT_S) == 1
        assert process.stdout is not None
        assert process.stdout.read() == "bad crashed 5 times within 60 s\n"
        assert not alive(pids[0])
