# SPDX-License-Identifier: Apache-2.0
"""What several commands take, and the sentence for a wrong one."""

from __future__ import annotations

import argparse


def port_number(text: str) -> int:
    """A TCP port for --port. Raises argparse.ArgumentTypeError."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; a port is a number from 1 to 65535.")
    return number


def positive(text: str) -> int:
    """A whole number above zero. Raises argparse.ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10**15):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above zero.")
    return int(text)
