# SPDX-License-Identifier: Apache-2.0
"""Writing ledger entries: one entry per deed, lines that sum to zero, accounts made when first used."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Protocol

from django.db import connection, transaction

from duaarah.vending.models import PLN_BOOK
from duaarah.vending.operations import sql
from duaarah.vending.operations.statement import run

PENDING = "vending:pending"
CASH = "cash:received"
STROOM = "pln:stroom"
PPJ = "pln:ppj"
PPN = "pln:ppn"
STAMP = "pln:stamp"
INSTALMENT = "pln:instalment"
ROUNDING = "pln:rounding"
ADMIN = "channel:admin"
DISCOUNT = "pln:discount"
CONNECTION_FEE = "pln:bp"
POSTPAID = "pln:postpaid"
COMPENSATION = "pln:compensation"
WRITE_OFF = "pln:write_off"
REFUNDS = "pln:refunds"
COLLECTED = "pln:collected"


def wallet_account(holder_id: int) -> str:
    return f"wallet:{holder_id}"


def deposit_account(channel_id: int) -> str:
    return f"deposit:{channel_id}"


def commission_account(channel_id: int) -> str:
    return f"commission:{channel_id}"


def commission_due_account(channel_id: int) -> str:
    """What a settlement found to be the channel's, until it is paid out."""
    return f"commission-due:{channel_id}"


def of_book(book_code: str, name: str) -> str:
    """An account's code in the books of a legal entity; PLN's own accounts stand without a prefix."""
    return name if book_code == PLN_BOOK else f"{book_code}/{name}"


class PricedLines(Protocol):
    """The lines of a quote, as a stored Quote and a fresh core.tariff.QuoteLines both have them; 1/100 rupiah."""

    @property
    def stroom_sen(self) -> int: ...
    @property
    def rounding_sen(self) -> int: ...
    @property
    def ppj_sen(self) -> int: ...
    @property
    def ppn_sen(self) -> int: ...
    @property
    def stamp_sen(self) -> int: ...
    @property
    def instalment_sen(self) -> int: ...
    @property
    def discount_sen(self) -> int: ...


def issued_lines_sen(
    lines: PricedLines, *, total_sen: int, admin_idr: int, commission_idr: int = 0, channel_id: int | None = None
) -> dict[str, int]:
    """
    The lines of an issued token: what was pending belongs to those whom the quote names; they sum to zero.

    Raises:
        ValueError: a commission of no channel.
    """
    if commission_idr and channel_id is None:
        raise ValueError("A commission belongs to a channel.")
    commission = {commission_account(channel_id): -commission_idr * 100} if channel_id is not None else {}
    return {
        **commission,
        PENDING: total_sen,
        STROOM: -(lines.stroom_sen + lines.rounding_sen + lines.discount_sen),
        DISCOUNT: lines.discount_sen,
        ROUNDING: lines.rounding_sen,
        PPJ: -lines.ppj_sen,
        PPN: -lines.ppn_sen,
        STAMP: -lines.stamp_sen,
        INSTALMENT: -lines.instalment_sen,
        ADMIN: -(admin_idr - commission_idr) * 100,
    }


def book(
    *,
    kind: str,
    reference: str,
    at: dt.datetime,
    vend_id: int | None,
    lines_sen: Mapping[str, int],
    entity: str = PLN_BOOK,
) -> None:
    """
    Joining: one entry; `lines_sen` maps an account's code to its amount (debit positive); zero lines are left out.

    `entity` names whose books these are; an account of other books is refused by the database at commit.

    Raises:
        ValueError: the lines do not sum to zero (the database would refuse them at commit).
        IntegrityError: this deed was booked before.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A booking joins the transaction of its deed.")
    lines = {code: amount for code, amount in lines_sen.items() if amount}
    if sum(lines.values()) != 0 or not lines:
        raise ValueError("A ledger entry sums to zero.")
    run(
        sql.BOOK,
        {
            "codes": list(lines),
            "amounts": list(lines.values()),
            "book": entity,
            "kind": kind,
            "at": at,
            "vend": vend_id,
            "reference": reference,
        },
    )
