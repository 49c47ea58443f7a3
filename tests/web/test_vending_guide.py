"""docs/guides/vending-api.md is true: its calls, in its order, against the real web process, give the answers that it prints."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.flows.house import START, Town
from tests.web.test_sts_guide import call
from tests.web.test_sts_guide import port as port
from tests.web.vendors import money_agrees

from duaarah.audit.models import AuditRecord
from duaarah.clock import operations as clock_operations
from duaarah.people.models import Login
from duaarah.vending.models import Token

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/guides/vending-api.md"
EXAMPLE = re.compile(r"```sh\n(.*?)\n```\n```json\n(.*?)\n```", re.DOTALL)
TOKEN = re.compile(r"[0-9]{20}")
# What is drawn anew each time; the page shows one of it.
DRAWN = {"token": TOKEN, "key": re.compile(r"dv_[\w-]{43}")}


def is_as_printed(found: Any, printed: Any, name: str = "") -> bool:
    """Equal, but for what is drawn: that has only the right form."""
    if isinstance(printed, dict):
        same = isinstance(found, dict) and list(found) == list(printed)
        return same and all(is_as_printed(found[key], printed[key], key) for key in printed)
    if isinstance(printed, list):
        return len(found) == len(printed) and all(map(is_as_printed, found, printed))
    if name in DRAWN and isinstance(printed, str):
        return DRAWN[name].fullmatch(found) is not None
    return bool(found == printed and type(found) is type(printed))


@pytest.fixture
def town(database: str, tmp_path: Path) -> Iterator[Town]:
    made = Town(tmp_path)
    clock_operations.move(at=START, rate=0, founding=True)
    made.house(wallet_idr=0)
    Login.objects.create_user("supervisor")
    yield made


@pytest.fixture
def environment(database: str, town: Town, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "DUAARAH_DATABASE_URL": database,
        "DUAARAH_DATA": str(tmp_path),
        "DUAARAH_KEYSTORE": str(tmp_path / "keys"),
        "DUAARAH_KEYSTORE_PASSPHRASE": "a passphrase for tests",
        "DUAARAH_VENDING_API": "loopback",
    }


def answers(environment: dict[str, str], port: int) -> Iterator[tuple[str, Any, Any]]:
    """Each example of the page: its command, what it printed, what came."""
    key = ""
    for command, printed in EXAMPLE.findall(PAGE.read_text()):
        text = command.replace("Bearer KEY", f"Bearer {key}").replace("127.0.0.1:8000", f"127.0.0.1:{port}")
        words = shlex.split(text)
        if words[0] == "./duaarah":
            line = [sys.executable, "-m", "duaarah", *words[1:]]
            done = subprocess.run(line, env=environment, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout)
            key = found.get("key", key)
        else:
            assert words[0] == "curl"
            found = call(words)
        yield command, json.loads(printed), found


def test_every_example_of_the_page_answers_as_printed(
    environment: dict[str, str], town: Town, port: int, tmp_path: Path
) -> None:
    page = PAGE.read_text()
    assert len(EXAMPLE.findall(page)) == len(re.findall("```sh", page)) == 14
    tokens, keys = [], []
    for command, printed, found in answers(environment, port):
        assert is_as_printed(found, printed), (command, found)
        rows = found if isinstance(found, list) else [found]
        tokens += [one["token"] for one in rows if one.get("token")]
        keys += [one["key"] for one in rows if one.get("key")]
    # sold, repeated, printed again: one token
    assert len(tokens) == 3 and len(set(tokens)) == 1 and Token.objects.count() == 1
    said = (tmp_path / "web.log").read_text() + repr(list(AuditRecord.objects.values_list()))
    assert keys[0] not in said and tokens[0] not in said
    money_agrees()
