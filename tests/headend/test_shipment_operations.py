"""A shipment read, checked and taken up: meters that work at once, keys that are in no row, nothing on refusal."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.flows.house import Town
from tests.headend.shipments import TRANSPORT_KEY, drn_of, file_of, imei_of, keys_of, row_of

from duaarah.audit.models import AuditRecord
from duaarah.headend.models import InvocationCounter, Maker, Shipment
from duaarah.headend.shipments.operations import (
    ShipmentClosed,
    ShipmentStale,
    ShipmentWrong,
    discard_shipment,
    read_shipment,
    set_maker,
    take_shipment,
)
from duaarah.headend.shipments.table import BadTable
from duaarah.registry.models import Meter, Modem, Sim
from duaarah.wiring.shipments import TransportKeyRefused, taking, wrap_transport_key

pytestmark = pytest.mark.slow


@pytest.fixture
def town(database: str, tmp_path: Path) -> Town:
    return Town(tmp_path)


@pytest.fixture
def maker(town: Town) -> Maker:
    wrapped = wrap_transport_key(town.store, "ACME", TRANSPORT_KEY)
    return set_maker(code="ACME", name="Acme", transport_key_wrapped=wrapped, actor="test", now=town.now)


def read(town: Town, maker: Maker, content: bytes, *, clear: bool = False) -> Shipment:
    judged = taking(town.store, maker, clear=clear)
    return read_shipment(maker=maker, file_name="a.csv", content=content, taking=judged, actor="test", now=town.now)


def take(town: Town, shipment: Shipment, *, without_wrong: bool = False) -> int:
    return take_shipment(shipment_id=shipment.pk, without_wrong=without_wrong, actor="test", now=town.now)


def faults(shipment: Shipment) -> list[tuple[int, str, str]]:
    lines = shipment.lines.filter(fine=False).order_by("row")
    return [(line.row, fault["column"], fault["code"]) for line in lines for fault in line.faults]


def test_meters_of_a_file_work_with_its_keys(town: Town, maker: Maker) -> None:
    sim = Sim.objects.create(iccid="8962980000000000015", msisdn="628110000999", operator=town.operator)
    first = row_of(1)
    first[9] = sim.iccid
    shipment = read(town, maker, file_of([first, row_of(2)]))
    assert (shipment.rows, shipment.wrong, shipment.keys_clear, Meter.objects.count()) == (2, 0, False, 0)
    assert read(town, maker, file_of([first, row_of(2)])).pk == shipment.pk
    assert take(town, shipment) == take(town, shipment) == 2
    for number in (1, 2):
        meter = Meter.objects.get(drn=drn_of(number))
        opened = town.keys.meter_keys(drn=meter.drn, wrapped=bytes(meter.dlms_keys_wrapped))
        assert (opened.encryption, opened.authentication) == keys_of(number)
        assert (meter.sts_register, meter.sgc, meter.krn, meter.ti, meter.customer) == ("test", "999901", 1, "01", None)
        assert InvocationCounter.objects.get(meter=meter).to_meter_latest == 0
    assert set(Modem.objects.values_list("imei", flat=True)) == {imei_of(1), imei_of(2)}
    sim.refresh_from_db()
    assert sim.state == "IN_MODEM"
    verbs = list(AuditRecord.objects.order_by("pk").values_list("verb", "refused"))
    assert verbs == [("headend.set_maker", False), ("headend.read_shipment", False), ("headend.take_shipment", False)]


def test_no_key_is_in_any_row_or_record(town: Town, maker: Maker) -> None:
    shipment = read(town, maker, file_of([row_of(1), row_of(2, clear=True)]), clear=True)
    assert shipment.keys_clear and shipment.wrong == 0
    kept = (
        repr(list(shipment.lines.values()))
        + repr(list(AuditRecord.objects.values()))
        + repr(list(Maker.objects.values()))
    )
    for number in (1, 2):
        for key in keys_of(number):
            assert key.hex() not in kept and repr(key)[2:-1] not in kept
    assert TRANSPORT_KEY.hex() not in kept


def test_every_wrong_row_is_listed_with_its_cell(town: Town, maker: Maker) -> None:
    known = town.house().meter
    rows = [row_of(number) for number in range(1, 9)]
    rows[0][0] = known.drn
    rows[1][2] = rows[2][2]
    rows[3][3] = rows[4][3][:-2] + "00"
    rows[5][5] = "123456"
    rows[6][3:5] = rows[7][3:5]
    rows.append(row_of(9, clear=True))
    shipment = read(town, maker, file_of(rows))
    assert faults(shipment) == [
        (2, "drn", "known"),
        (4, "system_title", "twice"),
        (5, "encryption", "not_opened"),
        (7, "sgc", "no_register"),
        (9, "encryption", "twice"),
        (10, "encryption", "clear_key"),
    ]
    assert all(bytes(line.keys_wrapped) == b"" for line in shipment.lines.filter(fine=False))
    with pytest.raises(ShipmentWrong):
        take(town, shipment)
    assert Meter.objects.count() == 1
    assert AuditRecord.objects.filter(refused=True, code="shipment_wrong").count() == 1
    assert take(town, shipment, without_wrong=True) == 3
    assert Meter.objects.count() == 4


def test_what_the_registry_got_meanwhile_makes_it_stale(town: Town, maker: Maker) -> None:
    shipment = read(town, maker, file_of([row_of(1), row_of(2)]))
    Modem.objects.create(imei=imei_of(2))
    with pytest.raises(ShipmentStale):
        take(town, shipment)
    assert (Meter.objects.count(), InvocationCounter.objects.count(), Modem.objects.count()) == (0, 0, 1)
    assert Shipment.objects.get().state == "READ"


def test_a_discarded_shipment_keeps_no_key_and_may_come_again(town: Town, maker: Maker) -> None:
    content = file_of([row_of(1)])
    shipment = read(town, maker, content)
    discard_shipment(shipment_id=shipment.pk, actor="test", now=town.now)
    assert bytes(shipment.lines.get().keys_wrapped) == b""
    with pytest.raises(ShipmentClosed):
        take(town, shipment)
    again = read(town, maker, content)
    assert again.pk != shipment.pk and take(town, again) == 1
    with pytest.raises(ShipmentClosed):
        discard_shipment(shipment_id=again.pk, actor="test", now=town.now)
    assert Meter.objects.count() == 1


def test_a_file_without_a_meter_leaves_one_audit_line(town: Town, maker: Maker) -> None:
    for content in (b"", file_of([]), b"DRN,EK\n1,2\n"):
        with pytest.raises(BadTable):
            read(town, maker, content)
    assert Shipment.objects.count() == 0 and AuditRecord.objects.filter(refused=True).count() == 3


def test_a_transport_key_is_an_aes_key(town: Town) -> None:
    with pytest.raises(TransportKeyRefused):
        wrap_transport_key(town.store, "ACME", bytes(15))
    bare = set_maker(code="BARE", name="Bare", transport_key_wrapped=None, actor="test", now=town.now)
    shipment = read(town, bare, file_of([row_of(1)]))
    assert faults(shipment) == [(2, "encryption", "no_transport_key")]
