"""The house rules that a tool can hold: lengths, licences' first line, pinned locks, floats, clocks, texts in both languages."""

from __future__ import annotations

import ast
import re
import string
import subprocess
from pathlib import Path

import pytest

from duaarah.messaging.texts import TEXTS

ROOT = Path(__file__).parents[2]
SOURCES = sorted(p for p in (ROOT / "src").rglob("*.py") if "migrations/0001" not in str(p))
FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 400
NO_FLOATS = ("core/sts", "core/tariff", "vending")
NO_CLOCKS = re.compile(r"datetime\.now\(|\.utcnow\(|timezone\.now\(|time\.time\(|date\.today\(")
MAY_ASK_THE_CLOCK = ("clock/", "workers/", "cli/", "project/", "stage/", "sim/", "net/", "web/")


def tracked() -> list[str]:
    return subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT / "src" / "duaarah"))


def test_functions_and_modules_stay_short() -> None:
    long = []
    for path in SOURCES:
        text = path.read_text()
        if text.count("\n") > MODULE_LINES_MAX:
            long.append(relative(path))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                if node.end_lineno - node.lineno >= FUNCTION_LINES_MAX:
                    long.append(f"{relative(path)}:{node.name}")
    assert long == []


def test_every_source_names_its_licence_first() -> None:
    first = {relative(p): p.read_text().splitlines()[0] for p in SOURCES}
    assert {name for name, line in first.items() if line != "# SPDX-License-Identifier: Apache-2.0"} == set()


def test_no_floats_where_money_and_energy_are() -> None:
    found = []
    for path in SOURCES:
        if not relative(path).startswith(NO_FLOATS):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
            if literal or called:
                found.append(f"{relative(path)}:{node.lineno}")
    assert found == []


def test_only_edges_ask_a_clock() -> None:
    asking = [
        relative(p)
        for p in SOURCES
        if NO_CLOCKS.search(p.read_text()) and not relative(p).startswith(MAY_ASK_THE_CLOCK)
    ]
    assert asking == []


def test_lock_files_hold_hashes_and_no_addresses() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "requirements-hsm.lock", "requirements-oracle.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text and "--hash=sha256:" in text
        assert not re.search(r"^(dlms-cosem|gurux)", text, re.MULTILINE)


def test_nothing_names_a_path_of_one_machine() -> None:
    pattern = re.compile(r"(?<![\w.])/(?:work|root|farm)/\w")
    named = []
    for name in tracked():
        path = ROOT / name
        if (
            path.suffix in (".py", ".md", ".toml", ".lock", "")
            and path.is_file()
            and name != "tests/house/test_rules.py"
        ) and pattern.search(path.read_text(errors="replace")):
            named.append(name)
    assert named == []


def test_ci_runs_the_one_test_command() -> None:
    assert "exec ./duaarah test" in (ROOT / ".ci/run").read_text()


@pytest.mark.parametrize("template", sorted(TEXTS))
def test_both_languages_use_the_same_placeholders(template: str) -> None:
    fields = {
        language: sorted({name for _, name, _, _ in string.Formatter().parse(text) if name})
        for language, text in TEXTS[template].items()
    }
    assert set(fields) == {"id", "en"} and fields["id"] == fields["en"]


def test_what_the_seed_page_points_to_exists() -> None:
    page = (ROOT / "docs/seed.md").read_text()
    targets = re.findall(r"`((?:tests|src|docs)/[\w/.-]+?)(?:::(\w+))?`", page)
    assert len(targets) > 10
    for target in targets:
        path = ROOT / target[0]
        assert path.exists(), target[0]
        if target[1]:
            assert f"def {target[1]}" in path.read_text(), target
