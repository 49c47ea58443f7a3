# SPDX-License-Identifier: Apache-2.0
"""Daily facts, each kind in a module of its own."""

from duaarah.analytics.models.profiles import DailyLoad
from duaarah.analytics.models.quality import QualityDay, ReadingEdit
from duaarah.analytics.models.reliability import DailyReliability, Exclusion, MedYear, Scope, ServedCustomers
from duaarah.analytics.models.tmp import Compensation, DeclaredLevel, TMPMonth
from duaarah.analytics.models.voltage import DailyVoltage, VoltageRule

__all__ = [
    "Compensation",
    "DailyLoad",
    "DailyReliability",
    "DailyVoltage",
    "DeclaredLevel",
    "Exclusion",
    "MedYear",
    "QualityDay",
    "ReadingEdit",
    "Scope",
    "ServedCustomers",
    "TMPMonth",
    "VoltageRule",
]
