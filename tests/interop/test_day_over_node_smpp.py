"""The same day of the town, over an SMSC that nobody here wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.flows.test_day import data_folder, demo
from tests.interop.conftest import PASSWORD, USER, NodeSMSC

pytestmark = pytest.mark.slow
__all__ = ["data_folder"]


@pytest.mark.parametrize("flags", [(), ("--late-response",)], ids=["response-first", "receipt-first"])
def test_a_day_reconciles_over_node_smpp(
    start_smsc: Callable[..., NodeSMSC],
    data_folder: Path,
    flags: tuple[str, ...],
) -> None:
    smsc = start_smsc(*flags)
    account = ["--smsc", f"127.0.0.1:{smsc.port}", "--smsc-user", USER, "--smsc-password", PASSWORD]
    status, record = demo(data_folder, "--meters", "10", "--seed", "3", *account)
    assert status == 0 and record["ok"] and record["broken"] == []
    assert record["acknowledged"] == record["issued"] == record["bought"] + record["bought_elsewhere"] > 0
    assert record["issued_wh"] == record["accepted_by_meters_wh"] > 0
    assert record["sms_segments_by_smsc"] is None
    stats = smsc.ask("stats")
    # Both sides submit; what the ledger booked is what the foreign SMSC counted.
    assert stats["submitted"] == record["sms_segments_by_ledger"] > 0
    assert stats["receipts"] > 0 and stats["stored"] == 0
