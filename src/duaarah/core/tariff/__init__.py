# SPDX-License-Identifier: Apache-2.0
"""From a nominal in rupiah to energy: rows dated twice, and one named rounding. Integers and Decimal only."""

from duaarah.core.tariff.connection import DAYA, ConnectionFee, Daya, UnknownPower, bp, daya, pd
from duaarah.core.tariff.programmes import Programme, cap_wh, minimum_wh, programme_for
from duaarah.core.tariff.quote import AmountOutOfRange, Discount, QuoteLines, quote
from duaarah.core.tariff.rows import Row
from duaarah.core.tariff.tables import (
    NOMINALS_IDR,
    NoRateAtDate,
    TariffError,
    Terms,
    UnknownRegion,
    UnknownTariff,
    group_of,
    region_of,
    terms,
)

__all__ = [
    "DAYA",
    "NOMINALS_IDR",
    "AmountOutOfRange",
    "ConnectionFee",
    "Daya",
    "Discount",
    "NoRateAtDate",
    "Programme",
    "QuoteLines",
    "Row",
    "TariffError",
    "Terms",
    "UnknownPower",
    "UnknownRegion",
    "UnknownTariff",
    "bp",
    "cap_wh",
    "daya",
    "group_of",
    "minimum_wh",
    "pd",
    "programme_for",
    "quote",
    "region_of",
    "terms",
]
