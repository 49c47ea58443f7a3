# SPDX-License-Identifier: Apache-2.0
"""`keys new`, `keys add`, `keys list`: the three verbs of `sts key` that a development key file needs, by short names."""

from __future__ import annotations

import argparse

from duaarah.cli import sts_key

_VERBS = {"new": "new", "add": "import", "list": "list"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="new|add|list")
    for name, text in (
        ("new", "make an empty key file"),
        ("add", "add a key register; its vending key is read as hex digits from stdin"),
        ("list", "show the registers, never the keys"),
    ):
        verb = verbs.add_parser(name, help=text, description=text)
        sts_key.add_file(verb)
        if name == "add":
            verb.add_argument("register", help="its name here, e.g. pln-2014")
            sts_key.add_terms(verb, required=True)
            verb.set_defaults(into="file")


def run(args: argparse.Namespace) -> int:
    args.verb = _VERBS[args.verb]
    return sts_key.run(args)
