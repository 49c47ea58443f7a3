# SPDX-License-Identifier: Apache-2.0
"""The town's past as rows: simulated meters live it with real frames, the rows that came of it are loaded by COPY."""

from duaarah.stage.history.load import Loaded, load_history
from duaarah.stage.history.outages import Known, live_outages
from duaarah.stage.history.readings import Brought, bring_readings
from duaarah.stage.history.replay import Replayed, replay

__all__ = ["Brought", "Known", "Loaded", "Replayed", "bring_readings", "live_outages", "load_history", "replay"]
