"""A quantity's name ends in its unit, an instant's in `_at` (a span's in `_from`, `_until`), a day's in `_date`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2] / "src" / "duaarah"
QUANTITY = re.compile(
    r"(?:^|_)(energy|amount|balance|timeout|duration|interval|delay|power|voltage|credit|price|lease|backoff|age|elapsed)$"
)
INSTANT = re.compile(r"(?:_at|_from|_until|^at|^now|^start|^end|^since|^anchor|^instant|^local|^when)$")
DAY = re.compile(r"(?:_date|^date|^today|^month|^day|^first|^holiday)$")
# Names that are not quantities of the physical world, each with its reason.
EXCEPTIONS = {
    "LOW_CREDIT": "a priority",
    "amount": "an STS amount is a Decimal in the unit of its token class (CONTRACTS.md)",
    "on_power": "a callback",
}


def declared(path: Path) -> Iterator[tuple[str, str, int]]:
    """Names of parameters and annotated fields, with their annotation and line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.arg):
            yield node.arg, ast.unparse(node.annotation) if node.annotation else "", node.lineno
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, ast.unparse(node.annotation), node.lineno
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            made = ast.unparse(node.value.func)
            for target in node.targets:
                if isinstance(target, ast.Name) and made.startswith("models."):
                    yield target.id, made, node.lineno


def sources() -> list[Path]:
    return [p for p in sorted(ROOT.rglob("*.py")) if "migrations" not in p.parts]


def test_quantities_end_in_a_unit() -> None:
    nameless = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in sources()
        for name, kind, line in declared(path)
        if QUANTITY.search(name) and name not in EXCEPTIONS and kind not in ("bool", "str", "models.CharField")
    ]
    assert nameless == []


def test_instants_end_in_at_and_days_in_date() -> None:
    wrong = []
    for path in sources():
        for name, kind, line in declared(path):
            bare = kind.removesuffix(" | None")
            if bare in ("dt.datetime", "datetime", "models.DateTimeField") and not INSTANT.search(name):
                wrong.append(f"{path.relative_to(ROOT)}:{line} {name} is an instant")
            if bare in ("dt.date", "date", "models.DateField") and not DAY.search(name):
                wrong.append(f"{path.relative_to(ROOT)}:{line} {name} is a day")
    assert wrong == []
