# SPDX-License-Identifier: Apache-2.0
"""The town's past as rows: simulated meters live it with real frames, the rows that came of it are loaded by COPY."""

from duaarah.stage.history.load import Loaded, load_history
from duaarah.stage.history.outages import Known, live_outages
from duaarah.stage.history.replay import Replayed, replay

__all__ = ["Known", "Loaded", "Replayed", "live_outages", "load_history", "replay"]
