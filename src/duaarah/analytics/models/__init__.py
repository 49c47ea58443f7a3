# SPDX-License-Identifier: Apache-2.0
"""Daily facts, each kind in a module of its own."""

from duaarah.analytics.models.losses import (
    DailyLoss,
    LossDay,
    LossDecision,
    LossFinding,
    LossFirst,
    LossSource,
    LossState,
    LossSuspect,
)
from duaarah.analytics.models.profiles import DailyLoad
from duaarah.analytics.models.quality import QualityDay, ReadingEdit
from duaarah.analytics.models.reliability import DailyReliability, Exclusion, MedYear, Scope, ServedCustomers
from duaarah.analytics.models.tmp import Compensation, DeclaredLevel, TMPMonth
from duaarah.analytics.models.voltage import DailyVoltage, VoltageRule

__all__ = [
    "Compensation",
    "DailyLoad",
    "DailyLoss",
    "DailyReliability",
    "DailyVoltage",
    "DeclaredLevel",
    "Exclusion",
    "LossDay",
    "LossDecision",
    "LossFinding",
    "LossFirst",
    "LossSource",
    "LossState",
    "LossSuspect",
    "MedYear",
    "QualityDay",
    "ReadingEdit",
    "Scope",
    "ServedCustomers",
    "TMPMonth",
    "VoltageRule",
]
