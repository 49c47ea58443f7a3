# SPDX-License-Identifier: Apache-2.0
"""From a nominal in rupiah to energy: dated rates, and one named rounding. Integers and Decimal only."""

from duaarah.core.tariff.quote import AmountOutOfRange, QuoteLines, quote
from duaarah.core.tariff.tables import (
    NOMINALS_IDR,
    NoRateAtDate,
    TariffError,
    Terms,
    UnknownRegion,
    UnknownTariff,
    terms,
)

__all__ = [
    "NOMINALS_IDR",
    "AmountOutOfRange",
    "NoRateAtDate",
    "QuoteLines",
    "TariffError",
    "Terms",
    "UnknownRegion",
    "UnknownTariff",
    "quote",
    "terms",
]
