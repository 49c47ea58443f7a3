# SPDX-License-Identifier: Apache-2.0
"""Replacement tables of EA07, named by the environment: a licensee's own file in place of the module's tables."""

from __future__ import annotations

import os
from pathlib import Path

from duaarah.core.sts.errors import TablesInvalid
from duaarah.core.sts.sta_tables import load_tables, use_tables

VARIABLE = "DUAARAH_STA_TABLES"


def use_tables_of_environment() -> None:
    """
    Take up the file that DUAARAH_STA_TABLES names; without the variable nothing changes.

    Raises:
        TablesInvalid: no such file, or not three permutations.
    """
    name = os.environ.get(VARIABLE)
    if not name:
        return
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise TablesInvalid(f"The file that {VARIABLE} names cannot be read.") from None
    use_tables(load_tables(text))
