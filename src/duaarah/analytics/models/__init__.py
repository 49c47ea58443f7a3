# SPDX-License-Identifier: Apache-2.0
"""Daily facts, each kind in a module of its own."""

from duaarah.analytics.models.reliability import DailyReliability, Exclusion, MedYear, Scope, ServedCustomers
from duaarah.analytics.models.tmp import Compensation, DeclaredLevel, TMPMonth

__all__ = [
    "Compensation",
    "DailyReliability",
    "DeclaredLevel",
    "Exclusion",
    "MedYear",
    "Scope",
    "ServedCustomers",
    "TMPMonth",
]
