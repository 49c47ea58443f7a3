"""PLN's report: sums equal the ledger's lines, read back from the spreadsheet of 100,000 tokens; balances; channels."""

from __future__ import annotations

import datetime as dt
import time
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

import pytest
from django.db import connection, transaction
from django.utils import translation
from openpyxl import load_workbook
from tests.flows.house import START, WIB, Town
from tests.vending.bulk import purchases
from tests.vending.test_deposit import balances, bank

from duaarah.people.models import Organisation, Unit
from duaarah.registry.models import NetworkNode
from duaarah.vending.balances import books, lines_of, trial_balance
from duaarah.vending.models import LedgerEntry
from duaarah.vending.operations import reverse_entry, top_up
from duaarah.vending.operations.issue import record_outcome
from duaarah.vending.operations.top_up import take_payment
from duaarah.vending.ports import Refused
from duaarah.vending.reports import channel_figures, sales, tokens, total
from duaarah.web.shared.export import xlsx_file
from duaarah.web.shared.pdf_table import pdf_file
from duaarah.web.shared.sales_report import sales_printed, sales_table, tokens_table

pytestmark = pytest.mark.slow
DAY = START.date()
ONE_DAY = {"from_date": DAY, "to_date": DAY}
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
HEADS = {
    "nominal_sen": "Nominal",
    "stroom_sen": "Stroom (energy)",
    "ppj_sen": "PPJ",
    "ppn_sen": "PPN",
    "stamp_sen": "Stamp duty",
    "instalment_sen": "Instalment",
    "rounding_sen": "Rounding",
    "admin_sen": "Admin fee",
    "commission_sen": "Commission",
}
ACCOUNTS = {
    "ppj_sen": "pln:ppj",
    "ppn_sen": "pln:ppn",
    "stamp_sen": "pln:stamp",
    "instalment_sen": "pln:instalment",
    "admin_sen": "channel:admin",
}


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    return Town(tmp_path)


def in_unit(town: Town, house_number: int, unit: Unit) -> None:
    node = NetworkNode.objects.create(code=f"T{house_number}", kind="TRANSFORMER", unit=unit)
    meter = town.houses[house_number].meter
    meter.transformer = node
    meter.save(update_fields=["transformer"])


def agrees(sums: dict[str, int], ledger: dict[str, int]) -> None:
    """A report's sums against the accounts, whatever the report was made from."""
    for name, account in ACCOUNTS.items():
        assert sums[name] == -ledger.get(account, 0), name
    assert sums["stroom_sen"] == -(ledger["pln:stroom"] + ledger.get("pln:rounding", 0))
    assert sums["rounding_sen"] == ledger.get("pln:rounding", 0)
    assert sums["commission_sen"] == -sum(value for code, value in ledger.items() if code.startswith("commission:"))
    lines = ("stroom_sen", "ppj_sen", "ppn_sen", "stamp_sen", "instalment_sen")
    assert sum(sums[name] for name in lines) == sums["nominal_sen"]


def test_sales_are_by_day_unit_and_tariff_and_sum_to_the_ledger(town: Town) -> None:
    channel = bank(town, filled_idr=5_000_000)
    for tariff in ("R-1", "R-1", "R-2"):
        town.house(wallet_idr=0, tariff_group=tariff, contracted_va=1300 if tariff == "R-1" else 3500)
    pln = Organisation.objects.create(code="PLNX", name="PLN", kind="UTILITY")
    in_unit(town, 1, Unit.objects.create(organisation=pln, code="53DPK", name="Depok"))
    for number, house in enumerate(town.houses):
        top_up(
            pairing=house.pairing,
            amount_idr=100_000,
            channel=channel,
            reference=f"r{number}",
            token_source=town.source,
            now=town.now,
        )
    # The next WIB day begins at 17:00 UTC.
    midnight = dt.datetime.combine(DAY + dt.timedelta(days=1), dt.time(), WIB)
    said = {"pairing": town.houses[0].pairing, "channel": channel, "token_source": town.source}
    top_up(amount_idr=50_000, reference="late", now=midnight, **said)
    rows = sales(**ONE_DAY)
    assert [(row.unit, row.tariff, row.purchases) for row in rows] == [
        ("53511", "R-1", 1),
        ("53511", "R-2", 1),
        ("53DPK", "R-1", 1),
    ]
    both = sales(from_date=DAY, to_date=DAY + dt.timedelta(days=1))
    assert len(both) == 4 and both[-1].nominal_sen == 5_000_000
    agrees(total(both), balances())
    assert total(both)["energy_wh"] == sum(row.energy_wh for row in tokens(from_date=DAY, to_date=midnight.date()))
    # A token that is reversed counts against its day of reversal; nothing else reversed does.
    issued = LedgerEntry.objects.get(kind="TOKEN_ISSUED", at=midnight)
    taken = LedgerEntry.objects.get(kind="PAYMENT_TAKEN", at=midnight)
    later = midnight + dt.timedelta(days=1)
    with transaction.atomic():
        reverse_entry(entry_id=issued.pk, now=later)
        reverse_entry(entry_id=taken.pk, now=later)
    against = sales(from_date=later.date(), to_date=later.date())
    assert [(row.purchases, row.nominal_sen) for row in against] == [(-1, -5_000_000)]
    agrees(total(both + against), balances())


def test_a_spreadsheet_of_100000_tokens_sums_to_the_ledger(town: Town) -> None:
    channel = bank(town)
    for tariff in ("R-1", "R-1", "R-2"):
        town.house(wallet_idr=0, tariff_group=tariff)
    meters = [house.meter for house in town.houses]
    purchases(channel=channel, meters=meters, count=100_000, first=START.replace(hour=1))
    began = time.monotonic()
    rows = sales(**ONE_DAY)
    report_s = time.monotonic() - began
    agrees(total(rows), ledger := balances_by_sql())
    assert [(row.unit, row.tariff, row.purchases) for row in rows] == [
        ("53511", "R-1", 66_667),
        ("53511", "R-2", 33_333),
    ]
    began = time.monotonic()
    with translation.override("en"), xlsx_file(tokens_table(**ONE_DAY)) as file:
        write_s = time.monotonic() - began
        rows_read = raw_rows(file)
        head = next(rows_read)
        places = {name: head.index(word) for name, word in HEADS.items()}
        sums, count, wh = dict.fromkeys(places, 0), 0, 0
        at = head.index("kWh")
        for row in rows_read:
            count += 1
            wh += round(Decimal(row[at]) * 1000)
            for name, place in places.items():
                # Sixteen digits of a double, as spreadsheets keep them: cents are exact when rounded.
                sums[name] += round(Decimal(row[place]) * 100)
    assert count == 100_000
    agrees(sums, ledger)
    assert (sums["nominal_sen"], wh) == (100_000 * 10_000_000, total(rows)["energy_wh"])
    read_s = time.monotonic() - began - write_s
    print(f"report {report_s:.2f} s, 100,000 rows written in {write_s:.2f} s, read back in {read_s:.2f} s")
    assert report_s < 20


def raw_rows(file: IO[bytes]) -> Iterator[list[str]]:
    """The first sheet's cells as they stand in its XML (ECMA-376 18.3.1.4): read by nobody who wrote them, and fast."""
    with zipfile.ZipFile(file) as book, book.open("xl/worksheets/sheet1.xml") as sheet:
        for _, element in ElementTree.iterparse(sheet):
            if element.tag == f"{MAIN}row":
                yield ["".join(cell.itertext()) for cell in element]
                element.clear()


def balances_by_sql() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.code, sum(l.amount_sen)::bigint FROM vending_ledgerline l"
            " JOIN vending_account a ON a.id = l.account_id GROUP BY a.code"
        )
        return dict(cursor.fetchall())


def test_the_sheet_by_unit_ends_with_its_sum_and_the_print_says_the_same(town: Town) -> None:
    channel = bank(town)
    house = town.house(wallet_idr=0)
    purchases(channel=channel, meters=[house.meter], count=30, first=START)
    sums = total(sales(**ONE_DAY))
    with translation.override("id"), xlsx_file(sales_table(**ONE_DAY)) as file:
        *_, last = load_workbook(file).worksheets[0].iter_rows(values_only=True)
    assert last[3] == 30 and Decimal(str(last[5])) == Decimal(sums["nominal_sen"]) / 100 == 3_000_000
    with translation.override("id"):
        printed = sales_printed(**ONE_DAY)
        assert printed.sums is not None and printed.sums[5] == "3.000.000,00"
        with pdf_file(printed) as made:
            content = made.read()
    assert content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")


def test_a_trial_balance_of_days_opens_moves_and_closes(town: Town) -> None:
    channel, house = bank(town), town.house(wallet_idr=100_000)
    purchases(channel=channel, meters=[house.meter], count=3, first=START + dt.timedelta(days=1))
    next_day = DAY + dt.timedelta(days=1)
    rows = {row.account: row for row in trial_balance(book="PLN", from_date=next_day, to_date=next_day)}
    deposit = rows[f"deposit:{channel.pk}"]
    assert (deposit.opening_sen, deposit.debit_sen, deposit.credit_sen) == (-100_000_000, 30_750_000, 0)
    assert deposit.closing_sen == -69_250_000 and rows["wallet"].closing_sen == -10_000_000
    for name in ("opening_sen", "closing_sen"):
        assert sum(getattr(row, name) for row in rows.values()) == 0
    assert sum(row.debit_sen for row in rows.values()) == sum(row.credit_sen for row in rows.values())
    found = lines_of(book="PLN", account=f"deposit:{channel.pk}", from_date=next_day, to_date=next_day)
    assert [line.amount_sen for line in found] == [10_250_000] * 3
    assert lines_of(book="OPS", account=f"deposit:{channel.pk}", from_date=next_day, to_date=next_day).count() == 0
    assert lines_of(book="PLN", account="wallet", from_date=DAY, to_date=DAY).count() == 1
    assert books() == ["PLN"]


def test_channels_are_ranked_and_their_failures_counted(town: Town) -> None:
    channel, house = bank(town), town.house(wallet_idr=500_000)
    purchases(channel=channel, meters=[house.meter], count=6, first=START)
    for number in range(2):
        vend, _ = take_payment(
            pairing=house.pairing, amount_idr=100_000, channel=channel, reference=f"r{number}", now=town.now
        )
        if number:
            record_outcome(vend_id=vend.pk, answer=Refused("no_key", "None."), now=town.now)
    top_up(
        pairing=house.pairing,
        amount_idr=50_000,
        channel=town.channel,
        reference="w",
        token_source=town.source,
        now=town.now,
    )
    first, second = channel_figures(**ONE_DAY)
    assert (first.rank, first.code, first.purchases, first.sold_idr) == (1, "BANK", 8, 700_000)
    assert (first.refunded, first.failed_permille, first.pending, first.pending_permille) == (1, 125, 1, 125)
    assert (first.token_s, first.commission_idr) == (2, 6_000)
    assert (second.rank, second.code, second.sold_idr, second.token_s) == (2, "SMS", 50_000, 0)
