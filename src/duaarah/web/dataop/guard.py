# SPDX-License-Identifier: Apache-2.0
"""Who opens these pages."""

from __future__ import annotations

from duaarah.people.models import Organisation
from duaarah.web.shared.access import for_kind

for_data_operator = for_kind(Organisation.Kind.DATA_OPERATOR)
