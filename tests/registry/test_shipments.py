"""Lists of SIM cards: read as anybody writes them, judged row by row, taken into stock once."""

from __future__ import annotations

from datetime import date

import pytest
from django.db import transaction
from tests.flows.house import START, Town

from duaarah.audit.models import AuditRecord
from duaarah.core.sts import luhn_digit
from duaarah.people.models import Organisation
from duaarah.registry.models import Modem, NumberRange, Sim, SimShipment
from duaarah.registry.operations import (
    RangesRefused,
    ShipmentRefused,
    SimStateRefused,
    look_at_shipment,
    pair,
    receive_shipment,
    set_number_ranges,
)
from duaarah.registry.shipments import ListRefused, Row, judge, parse, text_of

A, B, C, D, E, F = (head + luhn_digit(head) for head in (f"89629800000000000{n}" for n in range(1, 7)))
PLAIN = [
    Row(line=1, iccid=A, msisdn="6281100001111", imsi="510010000000001"),
    Row(line=2, iccid=B, msisdn="6281100002222", imsi=""),
]
slow = pytest.mark.slow


def rows(text: str) -> list[tuple[str, str, str]]:
    return [(row.iccid, row.msisdn, row.imsi) for row in parse(text)]


@pytest.mark.parametrize(
    "text",
    [
        f"{A};081100001111;510010000000001\n{B};0811 0000 2222;\n",
        f"\ufeffICCID;MSISDN;IMSI\r\n{A};+6281100001111;510010000000001\r\n{B};6281100002222;\r\n",
        f"sep=,\nmsisdn,imsi,iccid\n81100001111,510010000000001,{A}\n0811-0000-2222,,{B}\n",
        f"No HP\tNomor SIM\tIMSI\n081100001111\t{A}F\t510010000000001\n081100002222\t{B}f\t\n",
        f"{A} 081100001111 510010000000001\n\n   \n{B} 081100002222\n",
        f'"{A}","081100001111","510010000000001"\n="{B}",\'081100002222,\n',
        f"510010000000001|081100001111|{A}\n|081100002222|{B}\n",
    ],
)
def test_a_list_is_read_as_anybody_writes_it(text: str) -> None:
    assert rows(text) == [(row.iccid, row.msisdn, row.imsi) for row in PLAIN]


def test_a_file_is_read_in_the_encodings_of_spreadsheets() -> None:
    text = f"ICCID;MSISDN\n{A};081100001111\n"
    for octets in (text.encode(), text.encode("utf-8-sig"), text.encode("utf-16"), b"\xe9" + text.encode("latin-1")):
        assert rows(text_of(octets))[0][:2] == (A, "6281100001111")


def test_lines_are_counted_as_a_person_sees_them() -> None:
    assert [row.line for row in parse(f"ICCID;MSISDN\n\n{A};0811\n{B};0812\n")] == [3, 4]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n;;\n", "empty"),
        ("ICCID;MSISDN\n", "empty"),
        (f"ICCID;Warna\n{A};biru\n", "no_columns"),
        ("x;y\n" * 5_002, "no_columns"),
        (f"{A};08110001111\n" * 5_001, "too_long"),
    ],
)
def test_what_is_no_list_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ListRefused) as refused:
        parse(text)
    assert refused.value.reason == reason


@slow
def test_each_row_says_what_is_wrong_with_it(town: Town) -> None:
    other = Organisation.objects.create(code="LAIN", name="Lain", kind="MOBILE_OPERATOR")
    Sim.objects.create(iccid=C, msisdn="6281100003333", imsi="510010000000003", operator=town.operator)
    for prefix, operator in (("62811", town.operator), ("62855", other), ("6281155", other)):
        NumberRange.objects.create(prefix=prefix, operator=operator)
    wrong_digit = A[:-1] + str((int(A[-1]) + 1) % 10)
    lines = [
        (f"{A};081100001111;510010000000001", []),
        (f"{wrong_digit};081100001112;", [("iccid_luhn", A[-1])]),
        ("8.96298E+18;081100001113;", [("rounded", "")]),
        ("1234;021555;12", [("iccid_form", "1234"), ("msisdn_form", "021555"), ("imsi_form", "12")]),
        (f"{A};081100001111;510010000000001", [("iccid_twice", "2"), ("msisdn_twice", "2"), ("imsi_twice", "2")]),
        (f"{B};081100003333;510010000000003", [("msisdn_known", C), ("imsi_known", C)]),
        (f"{C};081100009999;", [("iccid_known", C)]),
        (f"{D};085512345678;", [("msisdn_other", "Lain")]),
        (f"{E};081155123456;", [("msisdn_other", "Lain")]),
        (f"{F};089912345678;", [("msisdn_outside", "")]),
    ]
    judged = judge(parse("iccid;msisdn;imsi\n" + "\n".join(line for line, _ in lines)), operator_id=town.operator.pk)
    assert [(each.row.line, each.problems) for each in judged] == [
        (number, problems) for number, (_, problems) in enumerate(lines, 2)
    ]
    assert [each.good for each in judged] == [True] + [False] * 9
    # An operator without ranges: his own number is not judged, another's is.
    third = Organisation.objects.create(code="TIGA", name="Tiga", kind="MOBILE_OPERATOR")
    judged = judge(parse(f"{A};089912345678\n{B};081100001111\n"), operator_id=third.pk)
    assert [each.problems for each in judged] == [[], [("msisdn_other", "Opsel")]]


@slow
def test_two_rows_that_contradict_each_other_both_stay_out(town: Town) -> None:
    judged = judge(parse(f"{A};081100001111\n{A};081100002222\n{B};081100003333\n"), operator_id=town.operator.pk)
    assert [each.problems for each in judged] == [[("iccid_twice", "2")], [("iccid_twice", "1")], []]


@slow
def test_a_shipment_comes_into_stock_once(town: Town) -> None:
    text = f"{A};081100001111;510010000000001\n{B};081100002222\n{C};x\n"
    ask = {"operator_id": town.operator.pk, "text": text, "file_name": "a.csv", "actor": "login:1", "now": START}
    shipment = look_at_shipment(**ask)
    assert Sim.objects.count() == 0 and look_at_shipment(**ask).pk == shipment.pk
    for _ in range(2):
        done = receive_shipment(shipment_id=shipment.pk, good_seen=2, actor="login:1", now=START)
        assert (done.state, done.added, done.received_at) == ("RECEIVED", 2, START)
    assert list(Sim.objects.order_by("iccid").values_list("iccid", "msisdn", "imsi", "state", "state_at")) == [
        (A, "6281100001111", "510010000000001", "IN_STOCK", START),
        (B, "6281100002222", "", "IN_STOCK", START),
    ]
    line = AuditRecord.objects.get(verb="registry.receive_shipment")
    assert (line.refused, line.detail) == (False, {"operator": "OPS", "good": 2, "rows": 3})
    # Another list with the same SIMs brings nothing.
    again = look_at_shipment(**{**ask, "text": text.replace("x", "y")})
    judged = judge(parse(again.text), operator_id=town.operator.pk)
    assert [(each.here, each.good) for each in judged] == [(True, False), (True, False), (False, False)]
    with pytest.raises(ShipmentRefused):
        receive_shipment(shipment_id=again.pk, good_seen=0, actor="login:1", now=START)
    assert Sim.objects.count() == 2


@slow
def test_a_stock_that_moved_since_the_look_takes_nothing(town: Town) -> None:
    text = f"{A};081100001111\n{B};081100002222\n"
    shipment = look_at_shipment(operator_id=town.operator.pk, text=text, file_name="", actor="login:1", now=START)
    Sim.objects.create(iccid=C, msisdn="6281100001111", operator=town.operator)
    with pytest.raises(ShipmentRefused) as refused:
        receive_shipment(shipment_id=shipment.pk, good_seen=2, actor="login:1", now=START)
    assert refused.value.reason == "changed"
    assert Sim.objects.count() == 1 and SimShipment.objects.get().state == "PREVIEW"
    line = AuditRecord.objects.get(verb="registry.receive_shipment")
    assert (line.refused, line.code, line.detail["seen"]) == (True, "sim_shipment_refused", 2)


@slow
def test_number_ranges_are_one_operators_each(town: Town) -> None:
    other = Organisation.objects.create(code="LAIN", name="Lain", kind="MOBILE_OPERATOR")
    ask = {"operator_id": town.operator.pk, "reason": "r", "actor": "login:1", "now": START}
    set_number_ranges(prefixes=["62811", "62812", "62811"], **ask)
    set_number_ranges(prefixes=["62811", "62813"], **ask)
    assert sorted(NumberRange.objects.values_list("prefix", flat=True)) == ["62811", "62813"]
    for wrong in (
        {"operator_id": other.pk, "prefixes": ["62811"]},
        {"prefixes": ["6221"]},
        {"prefixes": ["62811"], "reason": " "},
    ):
        with pytest.raises(RangesRefused):
            set_number_ranges(**{**ask, **wrong})
    assert sorted(NumberRange.objects.values_list("prefix", "operator__code")) == [("62811", "OPS"), ("62813", "OPS")]
    assert [r.refused for r in AuditRecord.objects.order_by("id")] == [False, False, True, True, True]


@slow
@pytest.mark.parametrize(
    ("state", "active", "after"),
    [
        ("IN_STOCK", False, "IN_MODEM"),
        ("IN_STOCK", True, "ACTIVE"),
        ("IN_MODEM", True, "ACTIVE"),
        ("SUSPENDED", True, "SUSPENDED"),
    ],
)
def test_pairing_takes_a_sim_out_of_the_drawer(town: Town, state: str, active: bool, after: str) -> None:
    meter, old = town.house().meter, town.houses[0].pairing
    old.valid = (old.valid[0] if isinstance(old.valid, tuple) else old.valid.lower, START)
    old.save()
    sim = Sim.objects.create(iccid=A, msisdn="6281100009999", operator=town.operator, state=state)
    ask = {"meter": meter, "sim": sim, "modem": Modem.objects.create(imei="9" * 15), "phone": "6281200000000"}
    with pytest.raises(transaction.TransactionManagementError):
        pair(**ask, since=START, active=active, actor="a", now=START)
    with transaction.atomic():
        made = pair(**ask, since=START, active=active, actor="a", now=START)
    assert (made.sim.state, Sim.objects.get(pk=sim.pk).state) == (after, after)
    line = AuditRecord.objects.get(verb="registry.pair")
    assert (line.detail["from"], line.detail["to"]) == (state, after)


@slow
def test_a_sim_that_has_ended_is_not_paired(town: Town) -> None:
    house = town.house()
    sim = Sim.objects.create(iccid=A, msisdn="6281100009999", operator=town.operator, state="ENDED")
    modem = Modem.objects.create(imei="9" * 15)
    with pytest.raises(SimStateRefused), transaction.atomic():
        pair(meter=house.meter, sim=sim, modem=modem, phone="6281", since=START, active=True, actor="a", now=START)
    assert sim.pairings.count() == 0


def test_the_day_on_which_a_sim_expires_is_read_where_the_list_has_it() -> None:
    head = "iccid;msisdn;masa aktif\n"
    found = parse(head + f"{A};081100001111;31/12/2027\n{B};081100002222;2028-02-29\n{C};081100003333;\n")
    assert [row.expires_date for row in found] == [date(2027, 12, 31), date(2028, 2, 29), None]
    (wrong,) = parse(head + f"{A};081100001111;31/02/2027")
    assert (wrong.expires, wrong.expires_date) == ("31/02/2027", None)
