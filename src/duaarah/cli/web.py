# SPDX-License-Identifier: Apache-2.0
"""`web`: the WSGI application on granian, against the database that DUAARAH_DATABASE_URL names."""

from __future__ import annotations

import argparse
import sys

from duaarah.cli.arguments import port_number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=port_number, default=8000)
    parser.add_argument("--threads", type=int, default=4, help="blocking threads (default 4)")


def run(args: argparse.Namespace) -> int:
    from duaarah.project.ports import PortTaken
    from duaarah.project.start import serve_web

    try:
        return serve_web(args.host, args.port, args.threads)
    except PortTaken as error:
        print(f"duaarah: {error}", file=sys.stderr)
        return 1
