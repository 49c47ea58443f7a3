"""`./duaarah bank`: a partner from nothing to its first sale; what is refused says so in a sentence."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from tests.flows.house import START
from tests.flows.ppob_host import set_clock

from duaarah.audit.models import AuditRecord
from duaarah.cli.main import main
from duaarah.vending.models import Deposit
from duaarah.vending.ppob_models import PostpaidBill, PPOBPartner, Registration

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def here(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands use the test's database."""
    monkeypatch.setenv("DUAARAH_DATABASE_URL", database)
    set_clock(START)


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> list[dict[str, Any]]:
    assert main(["bank", *argv]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_partner_is_set_up_blocked_and_listed(capsys: pytest.CaptureFixture[str]) -> None:
    access = ["--access", "06:00-22:00", "--bank", "4510017", "--product", "502", "--network", "192.0.2.0/24"]
    (made,) = said(capsys, "partner", "new", "PYLP001", "--name", "Bank Contoh", *access)
    assert (made["partner"], made["state"], made["deposit_idr"], made["products"]) == ("PYLP001", "ACTIVE", 0, ["502"])
    (terms,) = said(capsys, "partner", "terms", "PYLP001", "--admin", "2500", "--commission", "1000")
    assert terms["from"] == "2026-02-16"
    for _ in range(2):
        (filled,) = said(capsys, "partner", "fill", "PYLP001", "5000000", "--reference", "t1")
    assert filled["deposit_idr"] == 5_000_000 == Deposit.objects.get().balance_sen // 100
    (blocked,) = said(capsys, "partner", "block", "PYLP001", "--reason", "r")
    assert blocked["state"] == "BLOCKED"
    said(capsys, "partner", "unblock", "PYLP001", "--reason", "r")
    assert [row["state"] for row in said(capsys, "partner", "list")] == ["ACTIVE"]
    assert said(capsys, "pending") == []
    assert PPOBPartner.objects.get().networks == ["192.0.2.0/24"]


@pytest.mark.parametrize(
    "argv",
    [
        ["partner", "new", "SHORT", "--name", "x"],
        ["partner", "new", "PYLP001", "--name", "x", "--network", "nowhere"],
        ["partner", "block", "NOBODY1", "--reason", "r"],
        ["partner", "fill", "NOBODY1", "5", "--reference", "r"],
        ["unsold", "NOBODY1", "0" * 32, "--reason", "r"],
        ["pending", "--ask-again", "1"],
    ],
)
def test_what_is_refused_says_so(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bank", *argv]) == 1
    assert capsys.readouterr().err.startswith("duaarah: ")


def test_terms_of_a_day_are_set_once(capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "partner", "new", "PYLP001", "--name", "x")
    said(capsys, "partner", "terms", "PYLP001", "--admin", "1")
    assert main(["bank", "partner", "terms", "PYLP001", "--admin", "2"]) == 1
    assert main(["bank", "unsold", "PYLP001", "0" * 32, "--reason", "r"]) == 1
    assert AuditRecord.objects.filter(refused=True, code="no_payment").count() == 1


def test_bills_come_line_by_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    fee = {
        **{"registration_no": "5351126110001", "kind": "PB", "transaction_name": "PEMASANGAN BARU"},
        **{"registered_date": "2026-02-01", "expires_date": "2026-02-28", "idpel": "531000000018"},
        **{"name": "CONTOH", "unit": "53511", "details_idr": [1_218_000]},
    }
    month = {
        **{"idpel": "531000000018", "period": "202601", "name": "CONTOH", "unit": "53511", "segment": "R1"},
        **{"contracted_va": 1300, "due_date": "2026-02-20", "read_date": "2026-02-01", "bill_idr": 200_000},
        **{"reads": [1, 2, 0, 0, 0, 0]},
    }
    lines = [fee, fee, month, month, {**month, "period": "202613"}, {**fee, "details_idr": []}, {"nothing": 1}]
    text = "\n".join([json.dumps(line) for line in lines] + ["no JSON", ""])
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main(["bank", "bills"]) == 1
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer.get("error", "") for answer in answers] == [
        *("", "bill_refused", "", "bill_refused", "bill_refused", "bill_refused", "bad_request", "bad_request")
    ]
    assert answers[0] == {"registration_no": "5351126110001", "total_idr": 1_218_000}
    assert (Registration.objects.count(), PostpaidBill.objects.count()) == (1, 1)
    assert AuditRecord.objects.filter(verb="vending.new_bill", refused=True).count() == 4
