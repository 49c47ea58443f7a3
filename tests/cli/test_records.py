"""What the commands print fits the schemas in docs/records, and the schemas can fail."""

from __future__ import annotations

import json

import pytest
from tests.cli.schema import faults, load
from tests.cli.test_sts import GOOD, WRONG, run


def test_every_line_of_sts_batch_fits_its_schema() -> None:
    lines = [GOOD, {**GOOD, "op": "key_change", "new": {"krn": 2}}, *({**GOOD, **change} for change, _ in WRONG)]
    _, answers, _ = run([json.dumps(line) for line in lines])
    token = answers[0]["token"]
    _, decoded, _ = run([json.dumps({**GOOD, "op": "decode", "token": token})])
    schema = load("sts-batch")
    assert [faults(answer, schema) for answer in [*answers, *decoded]] == [[]] * (len(answers) + 1)
    request = load("sts-batch-request")
    assert [faults(line, request) for line in lines[:2]] == [[], []]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sts-batch", {"token": "123", "tid": 1}),
        ("sts-batch", {"error": "made_up", "message": "?"}),
        ("bench", {"bench": "topup", "figure": "x", "value": "12", "unit": "1/s", "cores": 2}),
        ("bench", {"bench": "sts", "figure": "x", "value": 1, "unit": "1/s", "cores": 1, "ea": 7}),
        ("demo-once", {"seed": 7}),
        ("sts-batch-request", {"op": "dance"}),
    ],
)
def test_what_does_not_fit_is_found(name: str, value: dict) -> None:
    assert faults(value, load(name)) != []
