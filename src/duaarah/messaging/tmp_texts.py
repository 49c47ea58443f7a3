# SPDX-License-Identifier: Apache-2.0
"""SMS text of a compensation (TMP); see texts.py."""

from __future__ import annotations

TMP_TEXTS: dict[str, dict[str, str]] = {
    "compensation": {
        "id": "PLN: kompensasi gangguan {month} utk meter {meter}: {nominal}, jadi token yang terisi sendiri. Gratis.",
        "en": "PLN: compensation for outages in {month}, meter {meter}: {nominal} as a token that loads itself. Free.",
    },
}
