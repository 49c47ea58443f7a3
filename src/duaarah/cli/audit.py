# SPDX-License-Identifier: Apache-2.0
"""`audit verify`: walk the whole chain and say whether anything was changed."""

from __future__ import annotations

import argparse
import json
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["verify"])


def run(args: argparse.Namespace) -> int:
    """0 when the chain holds, 1 when it is broken."""
    from duaarah.project.start import database_ready

    with database_ready():
        from duaarah.audit.operations import ChainBroken, verify
        from duaarah.audit.queries import chain, unsealed_count

        try:
            sealed = verify(chain())
        except ChainBroken as error:
            print(json.dumps({"ok": False, "error": error.code, "message": str(error)}))
            return 1
        unsealed = unsealed_count()
    print(json.dumps({"ok": True, "sealed": sealed, "unsealed": unsealed}))
    print(f"The audit chain holds: {sealed} records sealed, {unsealed} waiting for their seal.", file=sys.stderr)
    return 0
