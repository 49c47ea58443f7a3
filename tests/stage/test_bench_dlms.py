"""`bench dlms`: its lines fit the schema and its figures are measured on what reads back right."""

from __future__ import annotations

import json

import pytest

from duaarah.cli.main import main
from duaarah.stage import bench_dlms
from tests.cli.schema import faults, load


def test_every_line_fits_the_schema_and_every_figure_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench_dlms, "PUSHES", 2)
    monkeypatch.setattr(bench_dlms, "REPETITIONS", 1)
    assert main(["bench", "dlms", "--decode"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    schema = load("bench")
    assert [faults(line, schema) for line in lines] == [[]] * 5
    assert [line["figure"] for line in lines] == [
        "decode_per_s",
        "decode_compact_array_per_s",
        "decode_null_and_delta_per_s",
        "records_per_s",
        "values_alone_per_s",
    ]
    assert all(line["value"] > 0 and (line["cores"], line["rows"]) == (1, 2) for line in lines)
