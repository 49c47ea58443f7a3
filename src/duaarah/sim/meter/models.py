# SPDX-License-Identifier: Apache-2.0
"""The three kinds of simulated meter: how each writes its link, its tokens and its numbers.

Written from the makers' side and on purpose not from the drivers' files: tests hold the two against each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from duaarah.core.obis import TOKEN_CREDIT, Obis
from duaarah.wire.dlms.axdr import Tag
from duaarah.wire.dlms.wrapper import ShortOrder


class UnknownModel(Exception):
    """The simulator has no meter of this kind."""

    code = "unknown_model"
    retryable = False


class BodyStyle(StrEnum):
    """How a model lays out what it pushes; `bodies` has one writer for each."""

    NAMED = "named"  # {LDN, push setup name, values}
    CODED = "coded"  # {event code, clock, values}, energy in 0.01 kWh
    PAIRS = "pairs"  # [{OBIS, value}]


# Maker-specific registers (value group C 128 = manufacturer): they survive everything, for the audit of credit.
TOKEN_ENERGY = Obis(0, 0, 128, 19, 0)
TOKENS_ACCEPTED = Obis(0, 0, 128, 19, 1)
TOKENS_DISTINCT = Obis(0, 0, 128, 19, 2)
RETROFIT_CREDIT = Obis(0, 0, 128, 19, 10)
RETROFIT_THRESHOLD = Obis(0, 0, 128, 19, 11)
REPORTING_PLAN = Obis(0, 0, 128, 60, 0)

DATA_CLASS, REGISTER_CLASS, CREDIT_CLASS, TOKEN_GATEWAY_CLASS = 1, 3, 112, 115


@dataclass(frozen=True, slots=True)
class MeterModel:
    """What is soldered into one kind. `short_order` None = full wrapper; `energy_step_wh` = one step of its numbers."""

    name: str
    short_order: ShortOrder | None
    client_sap: int
    server_sap: int
    bcd_tokens: bool
    body_style: BodyStyle
    energy_step_wh: int
    credit_class: int
    credit_obis: Obis
    # Where the threshold is written: the Credit object's warning_threshold, or a register of the maker's own.
    threshold: tuple[int, Obis, int]
    threshold_tag: Tag
    result_numbers: tuple[tuple[str, int], ...]
    # Where the reporting plan is written, and whether as seven octets instead of a structure.
    plan: tuple[int, Obis, int] = (DATA_CLASS, REPORTING_PLAN, 2)
    plan_as_octets: bool = False
    # One step of its power numbers.
    power_step_w: int = 1
    # Whether it takes SET with list by SMS.
    takes_lists: bool = False

    def result_number(self, result: str) -> int:
        """How this maker numbers a result of a token entry."""
        return dict(self.result_numbers)[result]


_SINGLE = ("accept", "crc", "used", "old", "key_expired", "ddtk", "overflow", "range", "unsupported", "lockout")

MODELS = {
    model.name: model
    for model in (
        MeterModel(
            name="single-phase-modem",
            short_order=ShortOrder.OWN_FIRST,
            client_sap=16,
            server_sap=1,
            bcd_tokens=False,
            body_style=BodyStyle.NAMED,
            energy_step_wh=1,
            credit_class=CREDIT_CLASS,
            credit_obis=TOKEN_CREDIT,
            threshold=(CREDIT_CLASS, TOKEN_CREDIT, 5),
            threshold_tag=Tag.DOUBLE_LONG,
            result_numbers=tuple((name, number) for number, name in enumerate(_SINGLE)),
            takes_lists=True,
        ),
        MeterModel(
            name="three-phase-modem",
            short_order=ShortOrder.PEER_FIRST,
            client_sap=102,
            server_sap=1,
            bcd_tokens=True,
            body_style=BodyStyle.CODED,
            energy_step_wh=10,
            credit_class=CREDIT_CLASS,
            credit_obis=TOKEN_CREDIT,
            threshold=(CREDIT_CLASS, TOKEN_CREDIT, 5),
            threshold_tag=Tag.DOUBLE_LONG,
            result_numbers=(
                ("accept", 0),
                ("crc", 16),
                ("old", 17),
                ("used", 18),
                ("key_expired", 19),
                ("ddtk", 20),
                ("range", 21),
                ("overflow", 22),
                ("unsupported", 23),
                ("lockout", 31),
            ),
            plan_as_octets=True,
            power_step_w=10,
            takes_lists=True,
        ),
        MeterModel(
            name="three-phase-retrofit",
            short_order=None,
            client_sap=32,
            server_sap=1,
            bcd_tokens=False,
            body_style=BodyStyle.PAIRS,
            energy_step_wh=1,
            credit_class=REGISTER_CLASS,
            credit_obis=RETROFIT_CREDIT,
            threshold=(REGISTER_CLASS, RETROFIT_THRESHOLD, 2),
            threshold_tag=Tag.DOUBLE_LONG_UNSIGNED,
            result_numbers=tuple((name, number) for number, name in enumerate(_SINGLE, start=1)),
        ),
    )
}


def model(name: str) -> MeterModel:
    """The model of this name; UnknownModel when there is none."""
    try:
        return MODELS[name]
    except KeyError:
        raise UnknownModel("The simulator has no meter of this kind.") from None
