"""How an operator writes his records: kept once it makes sense, audited with what was before."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.sms.shop import NOW, Shop

from duaarah.audit.models import AuditRecord
from duaarah.sms.models import RecordFormat
from duaarah.sms.package.formats import Format, FormatRefused, set_record_format

pytestmark = pytest.mark.slow
GOOD = Format(
    delimiter=";",
    encoding="utf-8-sig",
    message_id_column="message_id",
    at_column="time",
    destination_column="destination",
    class_column="",
    price_column="price",
    at_format="%d/%m/%Y %H:%M:%S",
    zone="Asia/Jakarta",
    classes={"P2A": ["RECEIPT", "WARNING"]},
)


@pytest.fixture
def shop(database: str) -> Shop:
    return Shop()


def test_a_format_is_kept_and_replaced_and_the_record_has_both(shop: Shop) -> None:
    set_record_format(operator=shop.operator, form=GOOD, actor="test", now=NOW)
    set_record_format(operator=shop.operator, form=replace(GOOD, delimiter=","), actor="test", now=NOW)
    row = RecordFormat.objects.get()
    assert (row.delimiter, row.classes) == (",", {"P2A": ["RECEIPT", "WARNING"]})
    details = AuditRecord.objects.filter(verb="sms.set_record_format").order_by("pk").values_list("detail", flat=True)
    assert [d["before"] and d["before"]["delimiter"] for d in details] == [None, ";"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"delimiter": ""}, "delimiter"),
        ({"delimiter": "a"}, "delimiter"),
        ({"encoding": "klingon"}, "encoding"),
        ({"encoding": "base64"}, "encoding"),
        ({"price_column": "time"}, "columns"),
        ({"at_column": ""}, "columns"),
        ({"at_format": "%Y-%m-%d"}, "at_format"),
        ({"at_format": "%Q"}, "at_format"),
        ({"zone": "Jakarta"}, "zone"),
        ({"classes": {"P2A": ["SOMETHING"]}}, "classes"),
        ({"classes": {"P2A": []}}, "classes"),
    ],
)
def test_what_makes_no_sense_is_refused_audited_and_nothing_is_kept(
    shop: Shop, change: dict[str, object], code: str
) -> None:
    with pytest.raises(FormatRefused) as refused:
        set_record_format(operator=shop.operator, form=replace(GOOD, **change), actor="test", now=NOW)
    assert refused.value.code == code and RecordFormat.objects.count() == 0
    assert AuditRecord.objects.filter(refused=True).values_list("verb", "code").get() == ("sms.set_record_format", code)
