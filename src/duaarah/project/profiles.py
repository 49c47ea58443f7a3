# SPDX-License-Identifier: Apache-2.0
"""More kinds of meter than are shipped: a folder of profiles that the environment names."""

from __future__ import annotations

import os
from pathlib import Path

from duaarah import drivers

VARIABLE = "DUAARAH_PROFILES"


def use_profiles_of_environment() -> None:
    """
    Take up every TOML file of the folder that DUAARAH_PROFILES names; without the variable nothing changes.

    Raises:
        drivers.BadProfile: no such folder, or a file in it that cannot be meant; the sentence names the file.
    """
    if name := os.environ.get(VARIABLE):
        drivers.use_folder(Path(name))
