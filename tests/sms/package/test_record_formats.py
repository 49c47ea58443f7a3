"""How an operator writes his records is set by a verb and by the command line; a wrong one is refused and nothing moves."""

from __future__ import annotations

import argparse
import json

import pytest
from tests.sms.shop import Shop

from duaarah.audit.models import AuditRecord
from duaarah.cli import sms
from duaarah.sms.models import RecordFormat

pytestmark = pytest.mark.slow


@pytest.fixture
def shop(database: str) -> Shop:
    return Shop()


def command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[dict[str, object]], str]:
    parser = argparse.ArgumentParser()
    sms.add_arguments(parser)
    status = sms._record_format(parser.parse_args(["record-format", *words]))
    said = capsys.readouterr()
    return status, [json.loads(line) for line in said.out.splitlines()], said.err


def test_a_format_is_set_changed_in_part_and_shown(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(capsys) == (0, [], "")
    set_it = ["--operator", "OPX", "--delimiter", ",", "--price-column", "harga", "--class", "P2A=RECEIPT,WARNING"]
    status, (line,), _ = command(capsys, *set_it)
    assert (status, line["operator"], line["delimiter"], line["price_column"]) == (0, "OPX", ",", "harga")
    assert command(capsys, "--operator", "OPX", "--at-format", "%d/%m/%Y %H:%M:%S")[0] == 0
    (line,) = command(capsys)[1]
    assert (line["delimiter"], line["at_format"], line["zone"]) == (",", "%d/%m/%Y %H:%M:%S", "Asia/Jakarta")
    assert line["classes"] == {"P2A": ["RECEIPT", "WARNING"]}
    audited = AuditRecord.objects.filter(verb="sms.set_record_format", refused=False).order_by("id")
    assert [(a.subject, a.detail["after"]["at_format"]) for a in audited] == [
        ("operator:OPX", "%Y-%m-%d %H:%M:%S"),
        ("operator:OPX", "%d/%m/%Y %H:%M:%S"),
    ]


def test_words_that_fit_nothing_are_a_sentence(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(capsys, "--zone", "Asia/Jayapura")[::2] == (
        1,
        "duaarah: Name the operator whose format this is: --operator CODE.\n",
    )
    assert command(capsys, "--operator", "OPX", "--zone", "Asia/Nowhere")[::2] == (
        1,
        "duaarah: This time zone is not known.\n",
    )
    with pytest.raises(LookupError, match="no mobile operator DOX"):
        command(capsys, "--operator", "DOX", "--zone", "Asia/Jakarta")
    assert not RecordFormat.objects.exists()
