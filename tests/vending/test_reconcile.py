"""A channel's file against the books: three lists with their sums, kept; each line resolved once, money by two people."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import pytest
from django.db import transaction
from django.db.utils import ProgrammingError
from tests.flows.house import START, Town
from tests.vending.bulk import purchases
from tests.vending.test_deposit import balances, bank

from duaarah.audit.models import AuditRecord
from duaarah.people.models import Approval, Login
from duaarah.people.operations import ApprovalRefused, decide_approval
from duaarah.vending.channel_file import BadFile, read_file
from duaarah.vending.ledger_models import ChannelFileFormat, ChannelReconciliation, LineResolution
from duaarah.vending.models import Channel, Deposit, Payment
from duaarah.vending.operations.corrections import CorrectionRefused
from duaarah.vending.operations.file_format import FileFormat, FormatRefused, set_file_format
from duaarah.vending.operations.issue import record_outcome
from duaarah.vending.operations.reconcile import reconcile
from duaarah.vending.operations.resolve import correct_line, explain_line, request_correction
from duaarah.vending.operations.top_up import take_payment
from duaarah.vending.ports import Refused

pytestmark = pytest.mark.slow
DAY = START.date()
HEAD = "reference;meter;nominal;time"


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    return Town(tmp_path)


def file_of(*rows: str, head: str = HEAD) -> bytes:
    return "\r\n".join([head, *rows]).encode()


def compare(town: Town, channel: Channel, content: bytes, day: dt.date = DAY) -> ChannelReconciliation:
    return reconcile(channel=channel, day_date=day, content=content, file_name="f.csv", actor="t", now=town.now)


def lists(made: ChannelReconciliation) -> dict[str, tuple[str, str, int | None, int | None]]:
    return {x.reference: (x.list, x.codes, x.ours_idr, x.theirs_idr) for x in made.lines.all()}


def paid(town: Town, channel: Channel, reference: str, amount_idr: int = 100_000, **said: dt.datetime) -> int:
    vend, _ = take_payment(
        pairing=town.houses[0].pairing,
        amount_idr=amount_idr,
        channel=channel,
        reference=reference,
        **{"now": town.now, **said},
    )
    return vend.pk


def test_three_lists_and_their_sums(town: Town) -> None:
    channel, house = bank(town, filled_idr=5_000_000), town.house(wallet_idr=0)
    other = town.house(wallet_idr=0)
    for reference in ("same", "idpel", "amount", "meter", "date", "ours", "both-back"):
        paid(town, channel, reference)
    refunded = paid(town, channel, "back")
    for vend in (refunded, refunded - 1):
        record_outcome(vend_id=vend, answer=Refused("no_key", "None."), now=town.now)
    paid(town, channel, "yesterday", now=town.now - dt.timedelta(days=1))
    drn, time_ = house.meter.drn, "2026-02-16 08:00:00"
    made = compare(
        town,
        channel,
        file_of(
            f"same;{drn};100000;{time_}",
            f'idpel;{house.meter.customer.idpel};"Rp 100.000,00";{time_}',
            f"amount;{drn};50.000;{time_}",
            f"meter;{other.meter.drn};100000;{time_}",
            f"date;{drn};100000;2026-02-16 23:30:00",
            f"back;{drn};100000;{time_}",
            f"yesterday;{drn};100000;{time_}",
            f"theirs;{drn};20000;{time_}",
            "",
        ),
    )
    assert lists(made) == {
        "amount": ("DIFFERENT", "amount", 100_000, 50_000),
        "meter": ("DIFFERENT", "meter", 100_000, 100_000),
        "date": ("DIFFERENT", "date", 100_000, 100_000),
        "back": ("DIFFERENT", "refunded", 0, 100_000),
        "yesterday": ("DIFFERENT", "date", 100_000, 100_000),
        "theirs": ("THEIRS_ONLY", "", None, 20_000),
        "ours": ("OURS_ONLY", "", 100_000, None),
    }
    assert (made.matched, made.matched_idr) == (2, 200_000)
    assert (made.ours_only, made.ours_only_idr, made.theirs_only, made.theirs_only_idr) == (1, 100_000, 1, 20_000)
    assert (made.different, made.different_idr, made.errors) == (5, 50_000, 0)
    for changed in (
        lambda: ChannelReconciliation.objects.update(matched=0),
        lambda: made.lines.update(reference="x"),
    ):
        with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
            changed()


def test_a_bad_row_is_an_error_of_its_own_and_a_bad_file_is_none(town: Town) -> None:
    channel, house = bank(town), town.house(wallet_idr=0)
    drn, at = house.meter.drn, "2026-02-16 08:00:00"
    paid(town, channel, "r1")
    made = compare(
        town,
        channel,
        file_of(
            f"r1;{drn};1e5;{at}",
            f"r2;{drn};100000;16/02/2026",
            f"r3;{drn};100000",
            f";{drn};100000;{at}",
            f"r5;;100000;{at}",
            f"r6;{drn};20000;{at}",
            f"r6;{drn};20000;{at}",
        ),
    )
    errors = list(made.lines.filter(list="ERROR").order_by("row").values_list("row", "codes"))
    assert errors == [(2, "amount"), (3, "time"), (4, "columns"), (5, "reference"), (6, "meter"), (8, "duplicate")]
    # The unreadable line names a sale of ours: it is not called ours only.
    assert (made.errors, made.ours_only, made.theirs_only) == (6, 0, 1)
    for content, code in ((b" ", "empty"), (file_of("x", head="a;b"), "head"), (b"\xff\xfe\x00", "encoding")):
        with pytest.raises(BadFile) as bad:
            compare(town, channel, content)
        assert bad.value.code == code
    assert ChannelReconciliation.objects.count() == 1
    assert AuditRecord.objects.filter(refused=True, verb="vending.reconcile").count() == 3


def test_columns_are_data_of_the_channel(town: Town) -> None:
    channel = bank(town)
    form = FileFormat(
        delimiter=",",
        reference_column="REF",
        meter_column="NO",
        amount_column="RP",
        at_column="WAKTU",
        pln_ref_column="PLN",
        at_format="%d/%m/%Y %H.%M",
        zone="Asia/Makassar",
    )
    set_file_format(channel=channel, form=form, actor="t", now=town.now)
    sold, errors = read_file(
        b"WAKTU,RP,NO,PLN,REF,X\n16/02/2026 09.15,20000,1,P,r1,z\n", ChannelFileFormat.objects.get()
    )
    assert errors == [] and (sold[0].reference, sold[0].pln_ref) == ("r1", "P")
    assert sold[0].at == dt.datetime(2026, 2, 16, 1, 15, tzinfo=dt.UTC)
    for wrong in (
        {"delimiter": "ab"},
        {"delimiter": "a"},
        {"encoding": "base64"},
        {"reference_column": "meter"},
        {"at_format": "%H:%M"},
        {"zone": "Mars"},
    ):
        with pytest.raises(FormatRefused):
            set_file_format(channel=channel, form=FileFormat(**wrong), actor="t", now=town.now)
    assert ChannelFileFormat.objects.get().delimiter == ","
    assert AuditRecord.objects.filter(refused=True, verb="vending.set_file_format").count() == 6


def test_a_line_is_explained_once(town: Town) -> None:
    channel = bank(town)
    town.house(wallet_idr=0)
    paid(town, channel, "r1")
    line = compare(town, channel, file_of()).lines.get()
    with pytest.raises(CorrectionRefused):
        explain_line(line_id=line.pk, reason=" ", actor="t", now=town.now)
    explain_line(line_id=line.pk, reason="In tomorrow's file", actor="t", now=town.now)
    with pytest.raises(CorrectionRefused):
        explain_line(line_id=line.pk, reason="Again", actor="t", now=town.now)
    assert LineResolution.objects.get().reason == "In tomorrow's file"
    assert Deposit.objects.get().balance_sen == (1_000_000 - 102_500) * 100


def test_money_goes_back_after_a_second_persons_word_and_never_twice(town: Town) -> None:
    channel = bank(town)
    town.house(wallet_idr=0)
    one, two = Login.objects.create_user("one"), Login.objects.create_user("two")
    paid(town, channel, "r1")
    lines = [compare(town, channel, file_of()).lines.get() for _ in range(2)]
    asked = [
        request_correction(line=line, how=how, reason="Never sold", requested_by=one, now=town.now)
        for line, how in zip(lines, ("REFUND", "WRITE_OFF"), strict=True)
    ]
    before = balances()
    with pytest.raises(ApprovalRefused):
        correct_line(approval_id=asked[0].pk, actor="x", now=town.now)
    assert balances() == before
    for each in asked:
        decide_approval(approval_id=each.pk, approve=True, decided_by=two, now=town.now)
    row = correct_line(approval_id=asked[0].pk, actor="login:2", now=town.now)
    assert (row.how, row.entry is not None) == ("REFUND", True)
    assert Deposit.objects.get().balance_sen == (1_000_000 - 2_500) * 100
    found = balances()
    assert found["pln:refunds"] == 10_000_000
    assert found[f"deposit:{channel.pk}"] == -Deposit.objects.get().balance_sen
    # The same payment in another comparison: nothing goes back a second time, and the approval stays unused.
    with pytest.raises(CorrectionRefused):
        correct_line(approval_id=asked[1].pk, actor="login:2", now=town.now)
    with pytest.raises(ApprovalRefused):
        correct_line(approval_id=asked[0].pk, actor="login:2", now=town.now)
    assert balances() == found and LineResolution.objects.count() == 1
    assert Approval.objects.get(pk=asked[1].pk).state == "APPROVED"
    assert AuditRecord.objects.filter(refused=True, verb="vending.correct_line").count() == 3


def test_what_the_books_did_not_take_cannot_go_back(town: Town) -> None:
    channel, house = bank(town), town.house(wallet_idr=0)
    one = Login.objects.create_user("one")
    paid(town, channel, "more", 50_000)
    drn, at = house.meter.drn, "2026-02-16 08:00:00"
    made = compare(town, channel, file_of(f"more;{drn};100000;{at}", f"theirs;{drn};20000;{at}"))
    for line in made.lines.all():
        with pytest.raises(CorrectionRefused) as refused:
            request_correction(line=line, how="REFUND", reason="x", requested_by=one, now=town.now)
        assert refused.value.code == "nothing_to_return"
    assert Approval.objects.count() == 0


def test_a_file_of_100000_lines_takes_seconds(town: Town) -> None:
    channel, house = bank(town), town.house(wallet_idr=0)
    purchases(channel=channel, meters=[house.meter], count=100_000, first=START.replace(hour=1))
    drn = house.meter.drn
    rows = [f"b{n};{drn};{50_000 if n % 1_000 == 0 else 100_000};2026-02-16 01:00:00" for n in range(101, 100_001)]
    rows += [f"x{n};{drn};20000;2026-02-16 01:00:00" for n in range(100)]
    began = time.monotonic()
    made = compare(town, channel, file_of(*rows))
    took_s = time.monotonic() - began
    print(f"{len(rows)} lines compared in {took_s:.2f} s")
    assert (made.ours_only, made.theirs_only, made.different, made.matched) == (100, 100, 100, 99_800)
    assert (made.ours_only_idr, made.different_idr) == (10_000_000, -5_000_000)
    assert Payment.objects.count() == 100_000 and took_s < 30
