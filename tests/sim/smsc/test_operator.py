"""The operator's desk: SIMs, packages, charging records, and the faults of a real desk."""

from __future__ import annotations

import pytest
from tests.sim.smsc.peers import METER, running

from duaarah.net.jsonport import ControlFailed, call
from duaarah.sim.smsc.operator import DAY_S, NoPackage, Operator, PackageRunning, RequestReused, UnknownSIM
from duaarah.wire.smpp import receipt

ICCID = "8962000000000000001"
PHONE = "628120000009"


def order(operator: Operator, op: str, number: int, now: float = 0, **content: object) -> dict[str, object]:
    return operator.do({"op": op, "request_id": f"r{number}", **content}, now=now)


def stocked() -> Operator:
    operator = Operator()
    order(operator, "sim_stock", 0, sims=[[ICCID, METER], ["8962000000000000002", "628110000002"]])
    return operator


def test_a_sim_lives_from_stock_to_its_second_package() -> None:
    operator = stocked()
    assert order(operator, "sim_activate", 1, sim=ICCID)["state"] == "ACTIVE"
    first = order(operator, "package_register", 2, now=100, sim=METER, package="TWO_WAY_28")
    assert (first["segments"], first["price_idr"], first["until_at"]) == (28, 10_000, 100 + 30 * DAY_S)
    for n in range(3):
        operator.charge(str(n), "3123", METER, now=200)
    operator.charge("3", METER, "3123", now=300)
    sim = operator.sim(METER)
    assert (sim.used, sim.heard_at) == (4, 300)
    with pytest.raises(PackageRunning):
        order(operator, "package_register", 3, now=200, sim=METER, package="TWO_WAY_28")
    renewed = order(operator, "package_renew", 4, now=400, sim=METER)
    assert (renewed["until_at"], renewed["used"]) == (100 + 60 * DAY_S, 0)
    late = order(operator, "package_renew", 5, now=1000 * DAY_S, sim=METER)
    assert late["until_at"] == 1030 * DAY_S
    assert order(operator, "sim_suspend", 6, sim=METER)["state"] == "SUSPENDED"


def test_one_request_id_is_one_deed() -> None:
    operator = stocked()
    order(operator, "sim_activate", 1, sim=ICCID)
    order(operator, "package_register", 2, sim=ICCID, package="TWO_WAY_28")
    first = order(operator, "package_renew", 3, now=5, sim=ICCID)
    assert order(operator, "package_renew", 3, now=9, sim=ICCID) == first
    assert operator.sim(ICCID).until_at == 60 * DAY_S
    with pytest.raises(RequestReused):
        order(operator, "sim_suspend", 3, sim=ICCID)
    assert operator.sim(ICCID).state == "ACTIVE"
    with pytest.raises(NoPackage):
        order(operator, "sim_activate", 4, sim="8962000000000000002")
        order(operator, "package_renew", 5, sim="8962000000000000002")
    with pytest.raises(UnknownSIM):
        operator.sim("628999")


@pytest.mark.parametrize(
    ("op", "content", "error"),
    [
        ("sim_activate", {"sim": "nobody"}, "UnknownSIM"),
        ("sim_activate", {"sim": ICCID}, "AlreadyActive"),
        ("sim_suspend", {"sim": "8962000000000000002"}, "NotActive"),
        ("package_register", {"sim": ICCID, "package": "GOLD"}, "UnknownPackage"),
        ("package_renew", {"sim": ICCID}, "NoPackage"),
        ("sim_stock", {"sims": [["new", "62899"], [ICCID, "62898"]]}, "SIMExists"),
        ("sim_stock", {"sims": [["new", METER]]}, "SIMExists"),
    ],
)
def test_refusals_name_themselves_and_move_nothing(op: str, content: dict[str, object], error: str) -> None:
    with running() as smsc:
        sims = [[ICCID, METER], ["8962000000000000002", "628110000002"]]
        smsc.ask("sim_stock", request_id="1", sims=sims)
        smsc.ask("sim_activate", request_id="2", sim=ICCID)
        before = smsc.ask("sims")
        with pytest.raises(ControlFailed, match=f"^{error}: "):
            smsc.ask(op, request_id="3", **content)
        assert smsc.ask("sims") == before


def test_maintenance_does_nothing_and_a_lost_answer_was_done_once() -> None:
    with running() as smsc:
        smsc.ask("sim_stock", request_id="1", sims=[[ICCID, METER]])
        smsc.ask("fault", maintenance=1, desk_lost=1)
        request = {"op": "sim_activate", "request_id": "2", "sim": METER}
        with pytest.raises(ControlFailed, match=r"^Maintenance: "):
            call(smsc.control, request)
        assert smsc.ask("sim", sim=METER)["state"] == "STOCK"
        with pytest.raises(ControlFailed, match="does not answer"):
            call(smsc.control, request, timeout_s=0.3)
        assert call(smsc.control, request)["state"] == smsc.ask("sim", sim=METER)["state"] == "ACTIVE"
        with pytest.raises(ControlFailed, match=r"^AlreadyActive: "):
            smsc.ask("sim_activate", request_id="3", sim=METER)
        assert [sim["iccid"] for sim in smsc.ask("sims", state="ACTIVE", heard=False)["sims"]] == [ICCID]


def test_a_suspended_sim_neither_receives_nor_sends() -> None:
    with running() as smsc:
        platform, town = smsc.pair()
        smsc.ask("sim_stock", request_id="1", sims=[[ICCID, METER]], state="ACTIVE")
        smsc.ask("sim_suspend", request_id="2", sim=METER)
        platform.submit(receipt=True)
        answers = [platform.next(), platform.next()]
        told = next(r for r in map(receipt.parse, answers) if r is not None)
        assert told.state == 5 and town.nothing()
        assert smsc.ask("mo", **{"from": METER, "to": "3123", "text": "x"}) == {"parts": 1, "sent": 0}
        smsc.ask("sim_activate", request_id="3", sim=METER)
        platform.submit(b"now")
        assert town.deliver().payload == b"now"


def test_charging_records_price_each_segment_by_its_class() -> None:
    with running() as smsc:
        platform, town = smsc.pair()
        smsc.ask("sim_stock", request_id="1", sims=[[ICCID, METER]], state="ACTIVE")
        for to in (METER, PHONE):
            platform.submit(to=to)
            assert platform.next().status == 0
            town.deliver()
        smsc.ask("mo", **{"from": PHONE, "to": "3123", "text": "SALDO"})
        smsc.ask("fault", cdr_lose=1)
        platform.submit(to=METER)
        head, *lines = smsc.ask("cdr")["csv"].splitlines()
        assert head == "message_id,time,source,destination,class,price_idr"
        rows = [line.split(",") for line in lines]
        assert [(r[0], *r[2:]) for r in rows] == [
            ("0000000001", "3123", METER, "m2m", "350"),
            ("0000000002", "3123", PHONE, "mobile", "350"),
            ("0000000003", PHONE, "3123", "premium", "1000"),
        ]
        assert all(r[1].endswith("+00:00") for r in rows)
        assert smsc.ask("cdr", since=2)["records"] == 1
        assert [r["number"] for r in smsc.ask("latest", number=PHONE)["records"]] == [3, 2]
        assert smsc.ask("stats")["binds"][0]["classes"]["mobile"] == 1
