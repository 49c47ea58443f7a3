# SPDX-License-Identifier: Apache-2.0
"""
Tokens in bulk: whole batches as NumPy columns, equal token for token to the scalar path of `core.sts`.

Pure: keys, random numbers and TIDs enter as columns. A bad row is named by its number and the engine's own error code.
"""

from duaarah.core.sts.bulk.decode import NO_RESULT, NONE, RESULTS, DecodedRows, decode_rows
from duaarah.core.sts.bulk.issue import Issued, issue_rows, seal_rows
from duaarah.core.sts.bulk.keys import DecoderKeys, check_pans, derive_rows
from duaarah.core.sts.bulk.rows import FAULTS, BadRow, fault_code, fault_of

__all__ = [
    "FAULTS",
    "NONE",
    "NO_RESULT",
    "RESULTS",
    "BadRow",
    "DecodedRows",
    "DecoderKeys",
    "Issued",
    "check_pans",
    "decode_rows",
    "derive_rows",
    "fault_code",
    "fault_of",
    "issue_rows",
    "seal_rows",
]
