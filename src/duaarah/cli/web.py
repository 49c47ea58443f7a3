# SPDX-License-Identifier: Apache-2.0
"""`web`: the WSGI application on granian, against the database that DUAARAH_DATABASE_URL names."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--threads", type=int, default=4, help="blocking threads (default 4)")


def run(args: argparse.Namespace) -> int:
    from duaarah.project.start import serve_web

    return serve_web(args.host, args.port, args.threads)
