# SPDX-License-Identifier: Apache-2.0
"""`up`: everything of the platform on this machine, supervised."""

from __future__ import annotations

import argparse
import sys

from duaarah.cli.arguments import port_number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=port_number, default=8000)


def run(args: argparse.Namespace) -> int:
    from duaarah.project.database import DatabaseError
    from duaarah.project.ports import PortTaken
    from duaarah.project.start import up

    try:
        return up(args.host, args.port)
    except (DatabaseError, PortTaken) as error:
        print(f"duaarah: {error}", file=sys.stderr)
        return 1
