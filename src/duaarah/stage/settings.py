# SPDX-License-Identifier: Apache-2.0
"""The demo's settings: the platform's own, and the stage at /."""

from __future__ import annotations

import os
from pathlib import Path

from duaarah.project.settings import *  # noqa: F403
from duaarah.project.settings import INSTALLED_APPS as _PLATFORM

INSTALLED_APPS = [*_PLATFORM, "duaarah.stage.page"]
ROOT_URLCONF = "duaarah.stage.urls"
STAGE = True
STAGE_TOWN_PORT = int(os.environ.get("DUAARAH_STAGE_TOWN", "0"))
STAGE_SMSC_PORT = int(os.environ.get("DUAARAH_STAGE_SMSC", "0"))
STAGE_FOLDER = Path(os.environ.get("DUAARAH_STAGE_FOLDER", "."))
STAGE_SEED, STAGE_METERS = (int(n) for n in os.environ.get("DUAARAH_STAGE_SEED", "7:1").split(":"))
