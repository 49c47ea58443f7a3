# SPDX-License-Identifier: Apache-2.0
"""Outages inferred from what meters say and do not say: pure, and dependent on the set of words, never on their order."""

from duaarah.core.outage.evidence import Evidence, Kind, Network
from duaarah.core.outage.inference import infer
from duaarah.core.outage.picture import Ask, Event, Parameters, Picture, Span, State

__all__ = ["Ask", "Event", "Evidence", "Kind", "Network", "Parameters", "Picture", "Span", "State", "infer"]
