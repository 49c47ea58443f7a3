"""The tables of EA07 can be replaced, are checked, and a token made with others never verifies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from duaarah.core.sts import DecoderKey, TablesInvalid, decode
from duaarah.core.sts.fields import pack
from duaarah.core.sts.sta_tables import STANDARD, Tables, load_tables, tables_in_use, use_tables
from duaarah.core.sts.token import seal
from duaarah.project.tables import use_tables_of_environment

# Made up: rotations, of no meaning beyond being other permutations.
MADE_UP = Tables(
    tuple((5 * n + 3) % 16 for n in range(16)),
    tuple((3 * n + 8) % 16 for n in range(16)),
    tuple((13 * n + 7) % 64 for n in range(64)),
)


@pytest.fixture(autouse=True)
def standard_afterwards() -> Iterator[None]:
    yield
    use_tables(STANDARD)


def text(**changes: object) -> str:
    return json.dumps({"s1": MADE_UP.s1, "s2": MADE_UP.s2, "p": MADE_UP.p, **changes})


def test_a_token_of_other_tables_never_verifies() -> None:
    octets = bytes.fromhex("0ABC12DEF3456789")
    payloads = [pack(0, 0, {"rnd": n % 16, "tid": 5_000_000 + n, "field": n}) for n in range(200)]
    use_tables(load_tables(text()))
    other = DecoderKey("07", octets)
    tokens = [seal(0, payload, other) for payload in payloads]
    assert {decode(token, other).result.value for token in tokens} == {"accept"}
    use_tables(STANDARD)
    assert {decode(token, DecoderKey("07", octets)).result.value for token in tokens} == {"crc"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "one JSON object"),
        ("[]", "one JSON object"),
        (text(s1=[0] * 16), "S1 is not a permutation"),
        (text(s2=[*range(15), 16]), "S2 is not a permutation"),
        (text(p=[*range(63)]), "P is not a permutation"),
        (text(p=None), "p is missing"),
        (text(s1=["0"] * 16), "s1 is missing or not"),
        (text(s1=[False, *range(1, 16)]), "s1 is missing or not"),
    ],
)
def test_tables_that_are_no_permutations_are_refused(content: str, words: str) -> None:
    with pytest.raises(TablesInvalid, match=words):
        load_tables(content)
    assert tables_in_use() == STANDARD


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_tables_of_environment()
    assert tables_in_use() == STANDARD
    monkeypatch.setenv("DUAARAH_STA_TABLES", str(tmp_path / "tables.json"))
    with pytest.raises(TablesInvalid, match="cannot be read"):
        use_tables_of_environment()
    (tmp_path / "tables.json").write_text(text())
    use_tables_of_environment()
    assert tables_in_use() == MADE_UP
