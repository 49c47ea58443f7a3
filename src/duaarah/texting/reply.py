# SPDX-License-Identifier: Apache-2.0
"""What a verb answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reply:
    """The template and its values; None as a template: another message (the receipt) is the answer, or silence."""

    template: str | None
    values: dict[str, str]
    outcome: str
