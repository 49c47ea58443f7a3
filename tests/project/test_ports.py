"""One port, one web server: also when two start in the same instant, and when the other shares its port."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from duaarah.project.ports import PortClaim, PortTaken, claim_next

HOST = "127.0.0.1"
ROOT = Path(__file__).parents[2]


def free() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        number: int = probe.getsockname()[1]
    return number


def test_a_claimed_port_is_refused_until_it_is_released() -> None:
    first = PortClaim(HOST, free())
    with pytest.raises(PortTaken, match="in use"):
        PortClaim(HOST, first.port)
    following = claim_next(HOST, first.port)
    assert following.port > first.port
    following.release()
    first.release()
    PortClaim(HOST, first.port).release()


def test_one_who_shares_his_port_is_found() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind((HOST, 0))
        other.listen()
        with pytest.raises(PortTaken, match="in use"):
            PortClaim(HOST, other.getsockname()[1])


def _claim(first: int, said: multiprocessing.Queue[int]) -> None:
    said.put(claim_next(HOST, first).port)
    signal.pause()


def test_many_that_start_together_have_a_port_each_and_a_killed_one_leaves_nothing() -> None:
    context = multiprocessing.get_context("fork")
    said: multiprocessing.Queue[int] = context.Queue()
    first = free()
    processes = [context.Process(target=_claim, args=(first, said)) for _ in range(6)]
    for process in processes:
        process.start()
    try:
        ports = [said.get(timeout=20) for _ in processes]
        assert len(set(ports)) == len(ports)
    finally:
        for process in processes:
            process.kill()
            process.join()
    PortClaim(HOST, min(ports)).release()


@pytest.mark.parametrize("port", [0, -1, 65_536, 99_999])
def test_a_number_that_is_no_port_is_refused_with_a_sentence(port: int) -> None:
    for command in ("demo", "up", "web"):
        done = subprocess.run(
            [sys.executable, "-m", "duaarah", command, f"--port={port}"],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == 2 and "1 to 65535" in done.stderr and "Traceback" not in done.stderr


def test_a_claim_outlives_an_exec() -> None:
    number = free()
    program = (
        "import os, sys; from duaarah.project.ports import PortClaim;"
        f"PortClaim('{HOST}', {number}).survive_exec();"
        "os.execv(sys.executable, [sys.executable, '-c', 'import time; print(1, flush=True); time.sleep(60)'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == b"1\n"
        with pytest.raises(PortTaken):
            PortClaim(HOST, number)
    finally:
        process.kill()
        process.wait()
    for _ in range(100):
        try:
            PortClaim(HOST, number).release()
            return
        except PortTaken:
            time.sleep(0.05)
    raise AssertionError("the claim stayed")
