"""An operator's file against our month: three lists line by line, errors per row, the ambiguous ones decided."""

from __future__ import annotations

import argparse
import datetime as dt
import json
from pathlib import Path

import pytest
from django.db import transaction
from tests.sms.shop import MONTH, NOW, WIB, Shop

from duaarah.audit.models import AuditRecord
from duaarah.core.smsplan import Bucket
from duaarah.registry.models import Meter
from duaarah.sms.models import (
    OutboundSegment,
    PackageEntry,
    Reconciliation,
    ReconciliationLine,
    RecordFormat,
)
from duaarah.sms.operations import NotAmbiguous, decide_segment
from duaarah.sms.package.operations import subscribe
from duaarah.sms.package.queries import Spent, spent
from duaarah.sms.package.reconcile import reconcile
from duaarah.sms.package.records import BadFile

pytestmark = pytest.mark.slow
AFTER = dt.datetime(2026, 4, 2, 9, 0, tzinfo=WIB)
HEAD = "message_id;time;destination;class;price"
PHONE = "081200000001"


@pytest.fixture
def shop(database: str) -> Shop:
    made = Shop()
    RecordFormat.objects.create(operator=made.operator, classes={"P2A": ["RECEIPT", "WARNING"]})
    return made


def sold(shop: Shop) -> Meter:
    shop.terms()
    meter = shop.meter()
    subscribe(meter=meter, plan=shop.plan, from_month_date=MONTH, actor="test", now=NOW)
    return meter


def accepted(shop: Shop, meter: Meter, message_id: str, **values: object) -> int:
    (pk,) = shop.send(meter)
    shop.outcome("SETTLE", [pk])
    OutboundSegment.objects.filter(pk=pk).update(
        state="ACCEPTED", smsc_message_id=message_id, submitted_at=NOW, **values
    )
    return pk


def ambiguous(shop: Shop, meter: Meter, destination: str, at: dt.datetime = NOW) -> int:
    (pk,) = shop.send(meter, destination=destination)
    OutboundSegment.objects.filter(pk=pk).update(state="AMBIGUOUS", submitted_at=at)
    return pk


def run(shop: Shop, *rows: str, now: dt.datetime = AFTER) -> Reconciliation:
    content = "\r\n".join([HEAD, *rows]).encode()
    return reconcile(operator=shop.operator, month_date=MONTH, content=content, actor="test", now=now)


def lines(made: Reconciliation) -> list[tuple[object, ...]]:
    return list(made.lines.order_by("pk").values_list("list", "row", "segment_id", "code"))


def test_what_agrees_is_counted_and_what_differs_is_listed_line_by_line(shop: Shop) -> None:
    meter = sold(shop)
    accepted(shop, meter, "00AB1")
    dear, other = accepted(shop, meter, "2"), accepted(shop, meter, "3")
    missing = accepted(shop, meter, "4")
    made = run(
        shop,
        f"ab1;2026-03-05 09:00:01;{PHONE};P2A;350",
        f"2;2026-03-05 09:00:01;{PHONE};P2A;400",
        "3;2026-03-05 10:00:00;081200000002;P2A;350",
        f"9;2026-03-05 09:00:01;{PHONE};P2A;350",
    )
    assert made.matched == 1
    assert lines(made) == [
        ("DIFFERENT", 3, dear, "price"),
        ("DIFFERENT", 4, other, "destination"),
        ("DIFFERENT", 4, other, "time"),
        ("THEIRS_ONLY", 5, None, ""),
        ("OURS_ONLY", None, missing, ""),
    ]
    assert made.lines.get(code="price").ours == "350" and made.lines.get(code="price").theirs == "400"
    assert made.lines.get(code="destination").theirs == "...002"


def test_an_ambiguous_one_with_its_record_is_settled_one_without_is_released(shop: Shop) -> None:
    meter = sold(shop)
    went, lost = ambiguous(shop, meter, "6281200000001"), ambiguous(shop, meter, "6281200000002")
    assert spent(MONTH)[meter.pk][Bucket.TOKEN] == Spent(2, 0)
    made = run(shop, f"77;2026-03-05 09:01:00;{PHONE};P2A;350")
    assert lines(made) == [("SETTLED", 2, went, ""), ("RELEASED", None, lost, "")]
    assert spent(MONTH)[meter.pk][Bucket.TOKEN] == Spent(1, 1)
    assert list(OutboundSegment.objects.order_by("pk").values_list("state", "smsc_message_id")) == [
        ("ACCEPTED", "77"),
        ("CANCELLED", ""),
    ]
    assert list(
        AuditRecord.objects.filter(subject__startswith="segment:").order_by("pk").values_list("verb", "subject")
    ) == [
        ("sms.decide_ambiguous", f"segment:{went}"),
        ("sms.decide_ambiguous", f"segment:{lost}"),
    ]
    again = run(shop, f"77;2026-03-05 09:01:00;{PHONE};P2A;350")
    assert (again.matched, lines(again)) == (1, [])


@pytest.mark.parametrize(
    ("rows", "now", "code"),
    [
        ([f"77;2026-03-05 09:01;{PHONE};P2A;350"], AFTER, "incomplete"),
        ([], NOW, "incomplete"),
        (
            [f"77;2026-03-05 09:01:00;{PHONE};P2A;350", f"78;2026-03-05 09:02:00;{PHONE};P2A;350"],
            AFTER,
            "several",
        ),
    ],
)
def test_an_ambiguous_one_in_doubt_is_left_to_a_person(
    shop: Shop, rows: list[str], now: dt.datetime, code: str
) -> None:
    meter = sold(shop)
    pk = ambiguous(shop, meter, "6281200000001")
    before = PackageEntry.objects.count()
    made = run(shop, *rows, now=now)
    assert made.lines.get(segment_id=pk).code == code
    assert OutboundSegment.objects.get(pk=pk).state == "AMBIGUOUS"
    assert PackageEntry.objects.count() == before


def test_two_ambiguous_ones_do_not_share_one_record(shop: Shop) -> None:
    meter = sold(shop)
    first, second = (ambiguous(shop, meter, "6281200000001") for _ in range(2))
    made = run(shop, f"77;2026-03-05 09:01:00;{PHONE};P2A;350")
    assert lines(made) == [
        ("UNDECIDED", None, first, "several"),
        ("UNDECIDED", None, second, "several"),
        ("THEIRS_ONLY", 2, None, ""),
    ]


def test_a_bad_row_is_an_error_of_its_own(shop: Shop) -> None:
    sold(shop)
    made = run(
        shop,
        f"1;yesterday;{PHONE};P2A;350",
        "2;2026-03-05 09:00:00;12;P2A;350",
        f"3;2026-03-05 09:00:00;{PHONE};P2A;3,5",
        f"4;2026-03-05 09:00:00;{PHONE}",
        f";2026-03-05 09:00:00;{PHONE};P2A;350",
        f"5;2026-03-05 09:00:00;{PHONE};P2A;350",
        f"05;2026-03-05 09:00:00;{PHONE};P2A;350",
    )
    assert [(x[0], x[1], x[3]) for x in lines(made)] == [
        ("ERROR", 2, "time"),
        ("ERROR", 3, "destination"),
        ("ERROR", 4, "price"),
        ("ERROR", 5, "columns"),
        ("ERROR", 6, "message_id"),
        ("ERROR", 8, "duplicate"),
        ("THEIRS_ONLY", 7, ""),
    ]


@pytest.mark.parametrize(("content", "code"), [(b"id;when\n", "head"), (b"\xff\xfe", "encoding"), (b"", "head")])
def test_a_wrong_file_is_refused_audited_and_nothing_moves(shop: Shop, content: bytes, code: str) -> None:
    pk = ambiguous(shop, sold(shop), "6281200000001")
    with pytest.raises(BadFile) as bad:
        reconcile(operator=shop.operator, month_date=MONTH, content=content, actor="test", now=AFTER)
    assert bad.value.code == code
    assert OutboundSegment.objects.get(pk=pk).state == "AMBIGUOUS"
    assert (Reconciliation.objects.count(), ReconciliationLine.objects.count()) == (0, 0)
    assert AuditRecord.objects.filter(refused=True).values_list("verb", "code").get() == ("sms.reconcile", code)


def test_only_a_held_segment_is_decided_and_only_inside_a_transaction(shop: Shop) -> None:
    pk = accepted(shop, sold(shop), "1")
    before = PackageEntry.objects.count()
    with pytest.raises(NotAmbiguous), transaction.atomic():
        decide_segment(segment_id=pk, sent=False, reason="", actor="test", now=NOW)
    with pytest.raises(transaction.TransactionManagementError):
        decide_segment(segment_id=pk, sent=True, smsc_message_id="1", reason="", actor="test", now=NOW)
    assert PackageEntry.objects.count() == before


def test_the_command_prints_each_difference_and_then_the_counts(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    from duaarah.cli import sms

    monkeypatch.setenv("DUAARAH_DATABASE_URL", database)
    accepted(shop, sold(shop), "1")
    file = tmp_path / "records.csv"
    file.write_text(f"{HEAD}\n1;2026-03-05 09:00:00;{PHONE};P2A;999\n")
    parser = argparse.ArgumentParser()
    sms.add_arguments(parser)
    assert sms.run(parser.parse_args(["reconcile", str(file), "--operator", "OPX", "--month", "2026-03"])) == 1
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (said[0]["list"], said[0]["code"], said[0]["ours"], said[0]["theirs"]) == (
        "DIFFERENT",
        "price",
        "350",
        "999",
    )
    assert (said[1]["matched"], said[1]["DIFFERENT"]) == (0, 1)
