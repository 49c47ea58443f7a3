"""`ledger`: a gerai set up, arrears entered, a day reported in every format and settled, its file compared; refusals."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from openpyxl import load_workbook
from tests.cli.schema import faults
from tests.cli.schema import load as record
from tests.flows.house import START, Town
from tests.vending.bulk import purchases

from duaarah.clock import operations as clock
from duaarah.people.models import Organisation, Unit
from duaarah.vending.ledger_models import Arrears, ChannelLimits, Settlement
from duaarah.vending.models import Channel, Deposit, LedgerEntry, LedgerLine
from duaarah.vending.operations.books import CASH, book, commission_due_account, of_book
from duaarah.vending.operations.packages import receivable_account

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def ledger(database: str, *arguments: str) -> tuple[int, bytes, str]:
    done = subprocess.run(
        [sys.executable, "-m", "duaarah", "ledger", *arguments],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "DUAARAH_DATABASE_URL": database},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.decode()


def lines(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_gerai_sells_for_a_day_and_the_books_say_so(database: str, tmp_path: Path) -> None:
    town = Town(tmp_path)
    house = town.house(wallet_idr=0)
    Unit.objects.create(organisation=town.operator, code="G1", name="Gerai Satu")
    clock.move(at=START, rate=1, founding=True)
    setup = ["gerai", "G1", "--unit", "OPS/G1", "--admin", "2500", "--commission", "1000", "--day-limit", "900000"]
    status, out, _ = ledger(database, *setup, "--credit", "100000", "--fill", "500000", "--reference", "f1")
    assert (status, lines(out)[0]["float_idr"], lines(out)[0]["day_limit_idr"]) == (0, 500_000, 900_000)
    # Again: what is paid in is booked once, a day that is set is not rewritten.
    assert ledger(database, "gerai", "G1", "--fill", "500000", "--reference", "f1")[0] == 0
    status, _, said = ledger(database, *setup)
    assert status == 1 and "not rewritten" in said
    assert (Deposit.objects.get().balance_sen, ChannelLimits.objects.count()) == (50_000_000, 1)

    channel = Channel.objects.get(code="G1")
    purchases(channel=channel, meters=[house.meter], count=3, first=START)
    day = ["--date", "2026-02-16"]
    status, out, _ = ledger(database, "report", *day)
    row = lines(out)[0]
    assert (status, row["unit"], row["purchases"], row["nominal_sen"]) == (0, "53511", 3, 30_000_000)
    assert faults(row, record("ledger-report")) == []
    detail = lines(ledger(database, "report", *day, "--detail")[1])
    assert len(detail) == 3 and faults(detail[0], record("ledger-report-detail")) == []
    csv = ledger(database, "report", *day, "--format", "csv", "--detail")[1].decode().splitlines()
    assert len(csv) == 4 and csv[0].startswith("at,unit,tariff,drn")
    target = tmp_path / "report.pdf"
    assert ledger(database, "report", *day, "--format", "pdf", "--output", str(target))[0] == 0
    assert target.read_bytes().startswith(b"%PDF-")
    sheet = load_workbook(io.BytesIO(ledger(database, "report", *day, "--format", "xlsx")[1])).worksheets[0]
    assert [cell.value for cell in sheet[1]][:2] == ["Tanggal", "Unit layanan"] and sheet.cell(2, 4).value == 3

    *accounts, sums = lines(ledger(database, "balance", *day)[1])
    assert sums["closing_sen"] == 0 and {row["account"] for row in accounts} >= {"pln:stroom", "cash:received"}
    assert faults(accounts[0], record("ledger-balance")) == []
    figures = lines(ledger(database, "channels", *day)[1])
    assert figures[0]["code"] == "G1" and faults(figures[0], record("ledger-channels")) == []

    file = tmp_path / "g1.csv"
    sold = [f"b{n};{house.meter.drn};100000;2026-02-16 08:00:00" for n in (1, 2)]
    file.write_text("\n".join(["reference;meter;nominal;time", *sold]))
    compare = ["reconcile", str(file), "--channel", "G1", *day]
    status, out, _ = ledger(database, *compare)
    line, counts = lines(out)
    assert (status, line["list"], line["reference"], counts["matched"]) == (1, "OURS_ONLY", "b3", 2)
    assert faults(line, record("ledger-reconcile")) == []
    file.write_text(file.read_text() + f"\nb3;{house.meter.drn};100000;2026-02-16 08:00:00\n")
    assert ledger(database, *compare)[0] == 0

    clock.move(at=START + dt.timedelta(days=1), rate=1)
    status, out, _ = ledger(database, "settle")
    assert (status, lines(out)[0]["sold_sen"], Settlement.objects.count()) == (0, 30_750_000, 1)
    assert faults(lines(out)[0], record("ledger-settle")) == []
    assert ledger(database, "settle")[1] == b""


def test_arrears_are_entered_once(database: str, tmp_path: Path) -> None:
    town = Town(tmp_path)
    house = town.house()
    words = ["arrears", "--meter", house.meter.drn, "--reference", "p1", "--title", "P2TL", "--total", "50000"]
    for _ in range(2):
        assert ledger(database, *words, "--fixed", "10000")[0] == 0
    assert Arrears.objects.get().amount_idr == 10_000
    assert house.meter.customer is not None
    of_customer = ["arrears", "--idpel", house.meter.customer.idpel, "--reference", "p1", "--title", "x"]
    status, _, said = ledger(database, *of_customer, "--total", "1", "--share", "5")
    assert status == 1 and "other arrears" in said


def test_what_cannot_be_is_said_in_a_sentence(database: str, tmp_path: Path) -> None:
    town = Town(tmp_path)
    day = ["--date", "2026-02-16"]
    for arguments, words in (
        (["balance", "--book", "X", *day], "no books of X"),
        (["report", *day, "--to", "2026-02-15"], "before the first"),
        (["report", *day, "--format", "pdf", "--detail"], "has the sums"),
        (["reconcile", "nowhere.csv", "--channel", "SMS", *day], "nowhere.csv"),
        (["reconcile", __file__, "--channel", "X", *day], "no channel X"),
        (["reconcile", __file__, "--channel", "SMS", *day], "does not name the column"),
        (["file-format", "--channel", "SMS", "--zone", "Mars"], "no time zone"),
        (["gerai", "G9"], "--unit ORG/UNIT"),
        (["gerai", "G9", "--unit", "OPS/none"], "no unit OPS/none"),
        (
            ["arrears", "--meter", "1", "--reference", "r", "--title", "t", "--total", "1", "--fixed", "1"],
            "no such meter",
        ),
    ):
        status, out, said = ledger(database, *arguments)
        assert (status, out) == (1, b"") and words in said, arguments
        assert "Traceback" not in said
    assert ledger(database, "report")[0] == ledger(database, "report", "--date", "x")[0] == 2
    assert Channel.objects.exclude(pk=town.channel.pk).count() == 0
    form = lines(ledger(database, "file-format", "--channel", "SMS", "--delimiter", ",")[1])[0]
    assert form["delimiter"] == "," and faults(form, record("ledger-file-format")) == []


def test_what_the_parties_pay_each_other_is_booked_once_and_never_more_than_is_owed(
    database: str, tmp_path: Path
) -> None:
    town = Town(tmp_path)
    clock.move(at=START, rate=1, founding=True)
    channel = Channel.objects.create(code="BANK", name="Bank", kind="DEPOSIT")
    party = Organisation.objects.create(code="DATA", name="Data", kind="DATA_OPERATOR")
    said = {"kind": LedgerEntry.Kind.SETTLEMENT, "at": START, "vend_id": None}
    with transaction.atomic():
        book(reference="s", lines_sen={commission_due_account(channel.pk): -50_000, CASH: 50_000}, **said)
        owed = receivable_account("DATA", "OPS")
        book(reference="i", lines_sen={owed: 70_000, of_book("DATA", "revenue"): -70_000}, entity="DATA", **said)
    paid = ["--amount", "500", "--reference", "t1"]
    commission = ["pay-commission", "--channel", "BANK", *paid]
    assert lines(ledger(database, *commission)[1]) == [{"reference": "t1", "amount_idr": 500, "booked_now": True}]
    assert lines(ledger(database, *commission)[1])[0]["booked_now"] is False
    invoice = ["invoice-paid", "--data-operator", "DATA", "--payer", "OPS"]
    status, _, words = ledger(database, *invoice, "--amount", "701", "--reference", "t2")
    assert status == 1 and "Traceback" not in words and words.startswith("duaarah: More")
    assert ledger(database, *invoice, "--amount", "700", "--reference", "t2")[0] == 0
    status, _, words = ledger(database, "pay-share", "--data-operator", party.code, "--party", "NOBODY", *paid)
    assert (status, words) == (1, "duaarah: There is no organisation NOBODY.\n")
    left = LedgerLine.objects.filter(account__code__in=[commission_due_account(channel.pk), owed])
    assert sum(left.values_list("amount_sen", flat=True)) == 0 and town.operator.code == "OPS"
