# SPDX-License-Identifier: Apache-2.0
"""Which meters a campaign means: by kind, tariff, region and network, or by a list of numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from duaarah.headend.shipments.table import read_table
from duaarah.registry.models import Meter

NUMBERS_MAX = 200_000
_BETWEEN = re.compile(r"[\s,;]+")
_METER_DIGITS = range(10, 14)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Empty fields choose nothing away; `numbers` None is no list. All of them empty: every meter."""

    profile: str = ""
    tariff_group: str = ""
    region: str = ""
    node: str = ""
    numbers: frozenset[str] | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing narrows it."""
        return self == Choice()

    def values(self) -> dict[str, str | int]:
        """What is kept of it: the fields that narrow it, and how long the list was."""
        found: dict[str, str | int] = {
            name: value for name in ("profile", "tariff_group", "region", "node") if (value := getattr(self, name))
        }
        return found if self.numbers is None else {**found, "numbers": len(self.numbers)}


def meters_of(choice: Choice) -> QuerySet[Meter]:
    """The chosen meters, in no order. A node is a transformer, a feeder or a substation, with all below it."""
    found = Meter.objects.all()
    if choice.profile:
        found = found.filter(profile=choice.profile)
    if choice.tariff_group:
        found = found.filter(tariff_group=choice.tariff_group)
    if choice.region:
        found = found.filter(region=choice.region)
    if choice.node:
        found = found.filter(
            Q(transformer__code=choice.node)
            | Q(transformer__parent__code=choice.node)
            | Q(transformer__parent__parent__code=choice.node)
        )
    if choice.numbers is not None:
        found = found.filter(drn__in=choice.numbers)
    return found


def numbers_of_text(text: str) -> frozenset[str]:
    """A pasted list: numbers between spaces, commas, semicolons or line ends; no more than NUMBERS_MAX."""
    return frozenset([word for word in _BETWEEN.split(text) if word][:NUMBERS_MAX])


def numbers_of_file(content: bytes) -> frozenset[str]:
    """
    The meter numbers in a CSV or XLSX, in whichever column; headings and other columns are passed over.

    Raises:
        BadTable: see headend.shipments.table.
    """
    cells = (cell for _, row in read_table(content) for cell in row)
    return frozenset(cell for cell in cells if cell.isascii() and cell.isdigit() and len(cell) in _METER_DIGITS)
