# SPDX-License-Identifier: Apache-2.0
"""The town of known losses that the bench has too."""

from duaarah.stage.losses_town import OFFSET_S, STEPS_DAY, Feed, Truth, feed, loads, metered, source, sweep

__all__ = ["OFFSET_S", "STEPS_DAY", "Feed", "Truth", "feed", "loads", "metered", "source", "sweep"]
