# SPDX-License-Identifier: Apache-2.0
"""`sts selftest`: every published vector, expected beside actual; 0 only when all agree."""

from __future__ import annotations

import argparse
import dataclasses
import json
from importlib.resources import files

from duaarah.core.sts.selftest import Check, checks, tally


def add_arguments(parser: argparse.ArgumentParser) -> None:
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a check, and one at the end")
    form.add_argument("--markdown", action="store_true", help="the table of docs/protocols/sts.md")


def run(args: argparse.Namespace) -> int:
    found = all_checks()
    passed = sum(check.passed for check in found)
    if args.markdown:
        print(markdown(found))
    elif args.json:
        for check in found:
            print(json.dumps({**dataclasses.asdict(check), "passed": check.passed}))
        print(json.dumps({"checks": len(found), "passed": passed, "ok": passed == len(found)}))
    else:
        for check in found:
            mark = "pass" if check.passed else "FAIL"
            print(
                f"{mark}  {check.group}  {check.name}\n      expected {check.expected}\n      actual   {check.actual}"
            )
        print(f"{passed} of {len(found)} checks pass.")
    return 0 if passed == len(found) else 1


def all_checks() -> list[Check]:
    """The checks over the vectors that this product ships."""
    folder = files("duaarah.core.sts") / "vectors"
    tokens, other = ((folder / name).read_text(encoding="utf-8") for name in ("tokens.jsonl", "other.jsonl"))
    return list(checks(tokens, other))


def markdown(found: list[Check]) -> str:
    """Groups with their counts and the first vector of each, expected and actual."""
    first: dict[str, Check] = {}
    for check in found:
        first.setdefault(check.group, check)
    lines = ["| group | pass | first vector | expected | actual |", "|---|---|---|---|---|"]
    for group, (passed, count) in tally(found).items():
        one = first[group]
        lines.append(f"| {group} | {passed} of {count} | {one.name} | `{one.expected}` | `{one.actual}` |")
    total = sum(check.passed for check in found)
    return "\n".join([*lines, f"| **all** | **{total} of {len(found)}** | | | |"])
