# SPDX-License-Identifier: Apache-2.0
"""What a verb answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reply:
    """
    The template and its values; None as a template: another message (the receipt) is the answer.

    `once` names what is said only once (the next ones are met by silence); `refused` leaves an audit line.
    """

    template: str | None
    values: dict[str, str]
    outcome: str
    once: str = ""
    refused: bool = False
