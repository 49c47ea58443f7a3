# SPDX-License-Identifier: Apache-2.0
"""Secrets by environment, open file descriptor, stdin or a terminal without echo; never by an argument, never printed."""

from __future__ import annotations

import getpass
import os
import re
import sys

PASSPHRASE = "DUAARAH_KEYSTORE_PASSPHRASE"
NEW_PASSPHRASE = "DUAARAH_KEYSTORE_NEW_PASSPHRASE"
_SECRET_MAX = 1024


def passphrase(prompt: str, variable: str, *, twice: bool = False) -> str:
    """
    The variable, else the first line of the open descriptor whose number VARIABLE_FD gives, else asked for.

    Raises:
        ValueError: none of the three, the descriptor does not read, or the two typed ones differ.
    """
    if given := os.environ.get(variable):
        return given
    if number := os.environ.get(f"{variable}_FD"):
        try:
            return os.read(int(number), _SECRET_MAX).decode().split("\n", 1)[0]
        except (ValueError, OSError):
            raise ValueError(f"{variable}_FD is the number of an open descriptor to read from.") from None
    if not sys.stdin.isatty():
        raise ValueError(f"Set {variable}, or run this on a terminal to be asked.")
    first = getpass.getpass(f"{prompt}: ")
    if twice and getpass.getpass("Once more: ") != first:
        raise ValueError("The two passphrases differ.")
    return first


def operator_variable(name: str) -> str:
    """The environment variable for an operator's own passphrase: DUAARAH_OPERATOR_PASSPHRASE_NAME, in capitals."""
    return "DUAARAH_OPERATOR_PASSPHRASE_" + re.sub(r"[^A-Z0-9]", "_", name.upper())


def octets(what: str) -> bytes:
    """Hex digits from stdin, or from a terminal without echo; blanks between them do not matter. Raises ValueError."""
    text = getpass.getpass(f"{what} (hex): ") if sys.stdin.isatty() else sys.stdin.read(_SECRET_MAX)
    digits = "".join(text.split())
    try:
        return bytes.fromhex(digits)
    except ValueError:
        # Not the parser's own words: they quote what was typed.
        raise ValueError(f"The {what.lower()} is not a string of hex digits.") from None
