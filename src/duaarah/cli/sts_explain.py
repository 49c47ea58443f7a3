# SPDX-License-Identifier: Apache-2.0
"""`sts explain`: a token bit by bit. Without a key it says what anybody can see; class 1 wholly."""

from __future__ import annotations

import argparse
import dataclasses
import json

from duaarah.cli.sts_source import add_key_arguments, plain, source
from duaarah.core.sts import Explanation, explain

_BITS_WIDTH = 36


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("token", help="20 digits; spaces and hyphens are ignored")
    add_key_arguments(parser)


def run(args: argparse.Namespace) -> int:
    configuration, key = None, None
    if args.stdin or args.register:
        record, key_of, _ = source(args)
        configuration, key = key_of(record)
    explained = explain(plain(args.token), key, configuration)
    print(json.dumps(_record(explained)) if args.json else _text(explained))
    return 0


def _record(explained: Explanation) -> dict[str, object]:
    return {
        "class": explained.token_class,
        "subclass": explained.subclass,
        "kind": explained.kind,
        "result": explained.result,
        "steps": [{**dataclasses.asdict(step), "meaning": step.meaning} for step in explained.steps],
    }


def _text(explained: Explanation) -> str:
    lines = [explained.kind or f"Class {explained.token_class}"]
    stage = ""
    for step in explained.steps:
        if step.stage != stage:
            lines.append("")
            stage = step.stage
        where = ""
        if step.first is not None:
            where = f"{step.first}" if step.first == step.last else f"{step.first}..{step.last}"
        lines.append(f"{where:>7}  {step.label}: {step.value}")
        for start in range(0, len(step.bits), _BITS_WIDTH):
            lines.append(f"{'':9}{_nibbles(step.bits[start : start + _BITS_WIDTH])}")
        lines.append(f"{'':9}{step.meaning}")
    return "\n".join(lines)


def _nibbles(bits: str) -> str:
    return " ".join(bits[i : i + 4] for i in range(0, len(bits), 4))
