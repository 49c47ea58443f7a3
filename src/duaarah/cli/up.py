# SPDX-License-Identifier: Apache-2.0
"""`up`: everything of the platform on this machine, supervised."""

from __future__ import annotations

import argparse
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)


def run(args: argparse.Namespace) -> int:
    from duaarah.project.database import DatabaseError
    from duaarah.project.start import up

    try:
        return up(args.host, args.port)
    except DatabaseError as error:
        print(f"duaarah: {error}", file=sys.stderr)
        return 1
