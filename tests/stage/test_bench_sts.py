"""`bench sts`: its lines fit the schema, its figures are measured, and what is missing is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from duaarah.cli.main import main
from duaarah.stage import bench_softhsm, bench_sts
from tests.cli.schema import faults, load
from tests.keystore.softhsm import required


@pytest.mark.slow
def test_every_line_fits_the_schema_and_every_figure_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("SINGLES", "ROWS", "DERIVED_ROWS", "MEMORY_ROWS"):
        monkeypatch.setattr(bench_sts, name, 2_000)
    monkeypatch.setattr(bench_softhsm, "TOOL", Path("/nowhere"))
    assert main(["bench", "sts"]) == 0
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    schema = load("bench")
    assert [faults(line, schema) for line in lines] == [[]] * 11
    assert [(line["figure"], line["ea"]) for line in lines] == [
        ("single_tokens_per_s", "07"),
        ("single_tokens_per_s", "11"),
        ("bulk_issue_per_s", "07"),
        ("bulk_decode_per_s", "07"),
        ("bulk_issue_per_s", "11"),
        ("bulk_decode_per_s", "11"),
        ("bulk_derive_and_issue_per_s", "07"),
        ("bulk_derive_and_issue_per_s", "07"),
        ("bulk_derive_and_issue_per_s", "11"),
        ("million_rows_peak_memory", "07"),
        ("million_rows_peak_memory", "11"),
    ]
    assert all(line["value"] > 0 and line["cores"] == 1 and line["rows"] == 2_000 for line in lines)
    assert "no figure for SoftHSM2" in printed.err


@pytest.mark.slow
def test_the_childs_memory_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    ballast = bytearray(os.urandom(1024)) * (300 * 1024)
    assert bench_sts._child_bytes("07", 0) < len(ballast)


@pytest.mark.slow
def test_a_security_module_makes_tokens() -> None:
    required()
    # In a process of its own: the library keeps the token folder of whoever loaded it first.
    code = "from duaarah.stage.bench_softhsm import measured; print(*measured(0.3))"
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True, check=True)
    made, taken_s = done.stdout.split()
    assert int(made) > 10 and 0.3 <= float(taken_s) < 30
