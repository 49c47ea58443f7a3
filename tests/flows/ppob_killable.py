"""
The host's worker, which kills itself (SIGKILL) at a named point, once, when a test has armed it.

`python -m tests.flows.ppob_killable` is the real worker; a point only surrounds one call of the code that ships.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

from tests.flows.killable import FOLDER, Point, _surrounded

_TOP_UP = "duaarah.vending.operations.top_up"
_ISSUE = "duaarah.vending.operations.issue"
_BILLS = "duaarah.vending.operations.ppob.bills"
PURCHASE = (
    Point("purchase read", "bank", "duaarah.wiring.ppob_desk:Desk._purchase", "before"),
    Point("T1 money booked and not committed", "bank", f"{_TOP_UP}:book", "after"),
    Point("T1 committed", "bank", "duaarah.vending.operations.ppob.purchase:obtain_token", "before"),
    Point("token obtained and not recorded", "bank", f"{_TOP_UP}:record_outcome", "before"),
    Point("T2 before its commit", "bank", f"{_ISSUE}:send_to_meter", "after"),
    Point("T2 committed", "bank", f"{_TOP_UP}:record_outcome", "after"),
    Point("answer made", "bank", "duaarah.wiring.ppob_desk:Desk._purchase", "after"),
    Point("journal committed and not answered", "bank", "duaarah.workers.bank_server:BankServer._send", "before"),
    Point("answered", "bank", "duaarah.workers.bank_server:BankServer._send", "after"),
)
ADVICE = (
    Point("advice read", "bank", "duaarah.wiring.ppob_desk:Desk._advice", "before"),
    Point("void before its commit", "bank", "duaarah.vending.operations.ppob.purchase:_void", "before"),
    Point("void committed", "bank", "duaarah.vending.operations.ppob.purchase:_void", "after"),
)
PAYMENT = (
    Point("fee before its commit", "bank", f"{_BILLS}:book_connection_fee", "after"),
    Point("payment answer made", "bank", "duaarah.wiring.ppob_desk:Desk._registration_payment", "after"),
    Point("reversal before its commit", "bank", f"{_BILLS}:reverse_entry", "after"),
    Point("reversal committed", "bank", "duaarah.wiring.ppob_desk:Desk._reversal", "after"),
)


def surround() -> None:
    """Put every point around its call."""
    folder = Path(os.environ[FOLDER])
    calls: dict[str, list[Point]] = {}
    for point in (*PURCHASE, *ADVICE, *PAYMENT):
        calls.setdefault(point.call, []).append(point)
    for call, points in calls.items():
        module, _, path = call.partition(":")
        owner: Any = importlib.import_module(module)
        # A package may show a function under its module's name.
        owner = sys.modules[module]
        *outer, attribute = path.split(".")
        for name in outer:
            owner = getattr(owner, name)
        setattr(owner, attribute, _surrounded(getattr(owner, attribute), folder, points))


def main() -> int:
    from duaarah.project.start import setup

    setup("worker-bank")
    from duaarah.workers import bank

    surround()
    return bank.main()


if __name__ == "__main__":
    sys.exit(main())
