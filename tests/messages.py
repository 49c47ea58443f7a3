"""Every sentence that pages and Python code mark for translation: what the catalogues must hold."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from duaarah.core.sts.explain_sentences import MSGIDS

ROOT = Path(__file__).parents[1]
# Features whose states and kinds the pages show.
SHOWN = ("sms", "headend", "messaging", "vending", "registry")
_TAG = re.compile(r"""{%\s*translate\s+(?:"([^"]*)"|'([^']*)')""")
_BLOCK = re.compile(r"{%\s*blocktranslate[^%]*%}(.*?){%\s*endblocktranslate\s*%}", re.DOTALL)
_PLURAL = re.compile(r"{%\s*plural\s*%}")
_NAMES = {"_", "gettext", "gettext_lazy"}


def in_template(text: str) -> set[str]:
    found = {a or b for a, b in _TAG.findall(text)}
    for block in _BLOCK.findall(text):
        found |= {re.sub(r"{{\s*(\w+)\s*}}", r"%(\1)s", part) for part in _PLURAL.split(block)[:1]}
    return found


def in_code(text: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _NAMES and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.add(first.value)
    return found


def labels(text: str) -> set[str]:
    """Labels of choices: the second word of each member of a TextChoices or IntegerChoices."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        bases = [ast.unparse(base) for base in node.bases] if isinstance(node, ast.ClassDef) else []
        if not any(base.endswith("Choices") for base in bases):
            continue
        for member in node.body:  # type: ignore[attr-defined]
            if isinstance(member, ast.Assign) and isinstance(member.value, ast.Tuple):
                label = member.value.elts[1]
                assert isinstance(label, ast.Constant) and isinstance(label.value, str)
                found.add(label.value)
    return found


def wanted() -> set[str]:
    """Every msgid of the project's pages."""
    found: set[str] = set()
    for path in (ROOT / "src").rglob("*.html"):
        found |= in_template(path.read_text())
    for folder in ("web", "stage"):
        for path in (ROOT / "src" / "duaarah" / folder).rglob("*.py"):
            found |= in_code(path.read_text())
    for feature in SHOWN:
        # Some keep their rows in several files: package_models.py beside models.py.
        several = feature in ("sms", "headend")
        for path in (ROOT / "src" / "duaarah" / feature).glob("*models.py" if several else "models.py"):
            found |= labels(path.read_text())
    # A token is explained in records of msgids.
    return found | set(MSGIDS)
