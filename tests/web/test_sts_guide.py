"""docs/guides/sts-api.md is true: its calls, in its order, against the real web process, give the answers that it prints."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.flows.house import START, VENDING_KEY

from duaarah.audit.models import AuditRecord
from duaarah.clock import operations as clock_operations
from duaarah.core.sts import KeyRegister
from duaarah.keystore import FileKeyStore
from duaarah.project.start import web_command
from duaarah.vending.sts_models import STSOrder

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/guides/sts-api.md"
EXAMPLE = re.compile(r"```sh\n(.*?)\n```\n```json\n(.*?)\n```", re.DOTALL)
PASSPHRASE = "a passphrase for tests"
TOKEN = re.compile(r"[0-9]{20}")
# What is drawn anew each time; the page shows one of it.
DRAWN = {"token": TOKEN, "key": re.compile(r"do_[\w-]{43}"), "rnd": range(16)}


def is_as_printed(found: Any, printed: Any, name: str = "") -> bool:
    """Equal, but for what is drawn: that has only the right form."""
    if isinstance(printed, dict):
        same = isinstance(found, dict) and list(found) == list(printed)
        return same and all(is_as_printed(found[key], printed[key], key) for key in printed)
    if isinstance(printed, list):
        return len(found) == len(printed) and all(map(is_as_printed, found, printed))
    drawn = DRAWN.get(name)
    if isinstance(drawn, re.Pattern) and isinstance(printed, str):
        return drawn.fullmatch(found) is not None
    if isinstance(drawn, range) and printed is not None:
        return found in drawn
    return bool(found == printed and type(found) is type(printed))


def call(words: list[str]) -> Any:
    """One curl of the page, without curl."""
    address, headers, body = words[1], {}, None
    for option, value in zip(words[2::2], words[3::2], strict=True):
        if option == "-H":
            name, _, text = value.partition(": ")
            headers[name] = text
        else:
            assert option == "-d"
            body = value.encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body, headers), timeout=20) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        assert error.headers["Content-Type"] == "application/problem+json"
        return json.load(error)


@pytest.fixture
def environment(database: str, tmp_path: Path) -> dict[str, str]:
    store = FileKeyStore.create(tmp_path / "keys", PASSPHRASE)
    facts = KeyRegister(register_id="pln-2014", dkga="04", sgc="999901", krn=1, kt=2, ken=255, base_date=2014)
    store.add(facts, VENDING_KEY)
    clock_operations.move(at=START, rate=0, founding=True)
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "DUAARAH_DATABASE_URL": database,
        "DUAARAH_DATA": str(tmp_path),
        "DUAARAH_KEYSTORE": str(tmp_path / "keys"),
        "DUAARAH_KEYSTORE_PASSPHRASE": PASSPHRASE,
        "DUAARAH_STS_API": "loopback",
    }


@pytest.fixture
def port(environment: dict[str, str], tmp_path: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    with (tmp_path / "web.log").open("w") as log:
        web = subprocess.Popen(
            web_command("127.0.0.1", number, 2), env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            deadline_s = time.monotonic() + 30
            while True:
                try:
                    socket.create_connection(("127.0.0.1", number), timeout=1).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline_s and web.poll() is None, (tmp_path / "web.log").read_text()
                    time.sleep(0.1)
            yield number
        finally:
            web.terminate()
            try:
                web.wait(15)
            finally:
                web.kill()


def test_every_example_of_the_page_answers_as_printed(environment: dict[str, str], port: int, tmp_path: Path) -> None:
    examples = EXAMPLE.findall(PAGE.read_text())
    assert len(examples) == len(re.findall("```sh", PAGE.read_text())) == 13
    key, tokens = "", []
    for command, printed in examples:
        text = command.replace("Bearer KEY", f"Bearer {key}").replace("127.0.0.1:8000", f"127.0.0.1:{port}")
        words = shlex.split(text.replace('"TOKEN"', f'"{tokens[0]}"' if tokens else ""))
        if words[0] == "./duaarah":
            done = subprocess.run(
                [sys.executable, "-m", "duaarah", *words[1:]],
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            )
            answer = json.loads(done.stdout)
            key = answer.get("key") if "name" in answer else key
        else:
            assert words[0] == "curl"
            answer = call(words)
        assert is_as_printed(answer, json.loads(printed)), (command, answer)
        tokens += [answer["token"]] if "token" in answer else []
    # issued, repeated, fetched: one token; the power limit is another
    assert len(tokens) == 4 and len(set(tokens[:3])) == 1 and tokens[3] != tokens[0]
    assert STSOrder.objects.count() == 3
    said = (tmp_path / "web.log").read_text() + repr(list(AuditRecord.objects.values_list()))
    assert key not in said and not TOKEN.search(said)
