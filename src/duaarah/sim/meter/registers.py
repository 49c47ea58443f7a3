# SPDX-License-Identifier: Apache-2.0
"""What a simulated meter lets be read by GET: credit left, and the maker's own audit of tokens."""

from __future__ import annotations

from duaarah.sim.meter.models import (
    DATA_CLASS,
    REGISTER_CLASS,
    TOKEN_ENERGY,
    TOKENS_ACCEPTED,
    TOKENS_DISTINCT,
    MeterModel,
)
from duaarah.wire.dlms.apdu import GetRequest
from duaarah.wire.dlms.axdr import Data, Tag

_VALUE = 2  # attribute 2 is the value of Data and Register, and current_credit_amount of Credit


def read(
    model: MeterModel, request: GetRequest, *, credit_wh: int, token_energy_wh: int, accepted: int, distinct: int
) -> Data | None:
    """The value of the asked attribute, None for an object this meter does not have."""
    values = {
        (model.credit_class, model.credit_obis): Data(Tag.DOUBLE_LONG, credit_wh // model.energy_step_wh),
        (REGISTER_CLASS, TOKEN_ENERGY): Data(Tag.LONG64_UNSIGNED, token_energy_wh),
        (DATA_CLASS, TOKENS_ACCEPTED): Data(Tag.DOUBLE_LONG_UNSIGNED, accepted),
        (DATA_CLASS, TOKENS_DISTINCT): Data(Tag.DOUBLE_LONG_UNSIGNED, distinct),
    }
    if request.attribute != _VALUE or request.selector is not None:
        return None
    return values.get((request.class_id, request.obis))
