"""Vending for third parties: one message id is one sale, money and tokens agree, refusals move nothing and are in the audit."""

from __future__ import annotations

import csv
import datetime as dt
import io
import logging
import threading
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.db.utils import ProgrammingError
from tests.flows.house import START, House, Town
from tests.web.vendors import (
    Caller,
    money_agrees,
    nothing_said,
    one_way,
    refusals,
    state_of_things,
    vendor,
)

from duaarah.audit.models import AuditRecord
from duaarah.clock import operations as clock_operations
from duaarah.registry.models import Meter
from duaarah.vending.models import Channel, Deposit, LedgerLine, Payment, Token, Vend
from duaarah.vending.operations import fill_deposit, open_arrears, resume_paid, set_channel_limits, top_up
from duaarah.vending.operations.arrears import Terms
from duaarah.vending.operations.vendors import revoke_vendor_key
from duaarah.vending.ports import Refused, Unknown
from duaarah.vending.vendor_models import VendorKey, VendorMessage
from duaarah.web.api import vending
from duaarah.wiring import keystores

pytestmark = pytest.mark.slow
PASSPHRASE = "a passphrase for tests"


@pytest.fixture
def town(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    made = Town(tmp_path)
    monkeypatch.setattr(settings, "KEYSTORE_FILE", tmp_path / "keys")
    monkeypatch.setattr(settings, "KEYSTORE_PASSPHRASE", PASSPHRASE)
    monkeypatch.setattr(settings, "VENDING_API_NETWORKS", (ip_network("127.0.0.0/8"), ip_network("::1")))
    keystores.key_store.cache_clear()
    clock_operations.move(at=START, rate=0, founding=True)
    yield made
    keystores.key_store.cache_clear()


@pytest.fixture
def caller(town: Town) -> Caller:
    return vendor()


def order(house: House, message_id: str = "m-1", nominal_idr: int = 100_000) -> dict[str, Any]:
    return {"message_id": message_id, "drn": house.meter.drn, "nominal_idr": nominal_idr}


class Source:
    """A token source that answers as it is told, once each; then as its own keys do."""

    def __init__(self, town: Town, *answers: Any) -> None:
        self.answers, self.own, self.asked = list(answers), town.source, 0

    def obtain(self, request: Any) -> Any:
        self.asked += 1
        return self.answers.pop(0) if self.answers else self.own.obtain(request)


def says(monkeypatch: pytest.MonkeyPatch, town: Town, *answers: Any) -> Source:
    made = Source(town, *answers)
    monkeypatch.setattr(vending, "OwnKeys", lambda store: made)
    return made


# -- what is sold ---------------------------------------------------------------------------------------------------------


def test_a_sale_for_a_two_way_meter_loads_itself(town: Town, caller: Caller) -> None:
    house = town.house(wallet_idr=0)
    status, made = caller.call("vend", order(house))
    assert (status, made["status"], made["loads_itself"], made["meter_says"]) == (201, "sold", True, "waiting")
    assert (made["kind"], made["drn"], made["energy_wh"], made["repeated"]) == ("vend", house.meter.drn, 67_200, False)
    assert made["deposit_sen"] == (1_000_000 - 102_500) * 100
    lines = made["lines"]
    assert (lines["total_idr"], lines["admin_idr"], lines["rate_idr_per_kwh"]) == (102_500, 2_500, "1444.70")
    assert (lines["stroom_sen"], lines["ppj_sen"]) == (9_708_738, 291_262)
    named = ("stroom_sen", "ppj_sen", "ppn_sen", "stamp_sen", "instalment_sen")
    assert sum(lines[name] for name in named) == 10_000_000
    town.run()
    assert house.sim.credit_wh == 6_000 + 67_200
    again = caller.call("vend", order(house))[1]
    assert again == {**made, "repeated": True, "meter_says": "loaded"}
    nothing_said(made["token"])
    money_agrees()


def test_a_sale_for_a_meter_that_does_not_talk(town: Town, caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    house = one_way(town)
    status, made = caller.call("vend", order(house))
    assert (status, made["loads_itself"], made["meter_says"]) == (201, False, None)
    assert house.sim.keypad(made["token"], town.now)[0] == "accept"
    assert house.sim.credit_wh == 6_000 + 67_200
    for _ in range(2):
        assert caller.call("vend", order(house)) == (200, {**made, "repeated": True})
    assert caller.call("advice/m-1") == caller.call("advice/m-1", {}) == (200, {**made, "repeated": True})
    assert (Payment.objects.count(), Token.objects.count(), Deposit.objects.get().balance_sen) == (1, 1, 89_750_000)
    assert made["token"] not in caplog.text
    nothing_said(made["token"])
    money_agrees()


def test_the_same_id_with_another_body_is_refused(town: Town, caller: Caller) -> None:
    house, other = town.house(wallet_idr=0), town.house(wallet_idr=0)
    assert caller.call("vend", order(house))[0] == 201
    before = state_of_things()
    for wrong in (order(house, nominal_idr=50_000), order(other)):
        status, said = caller.call("vend", wrong)
        assert (status, said["title"]) == (409, "message_id_reused")
    free = {"message_id": "m-1", "drn": house.meter.drn, "energy_wh": 1_000, "reason": "test"}
    assert caller.call("free-issue", free)[1]["title"] == "message_id_reused"
    assert state_of_things() == before
    assert [code for _, code in refusals()] == ["message_id_reused"] * 3
    # By idpel it is the same meter, hence the same sale.
    same = {"message_id": "m-1", "idpel": house.meter.customer.idpel, "nominal_idr": 100_000}
    assert caller.call("vend", same)[0] == 200


def test_each_vendor_has_its_own_message_ids_and_sales(town: Town, caller: Caller) -> None:
    house, other = town.house(wallet_idr=0), vendor("LAIN")
    mine, theirs = caller.call("vend", order(house))[1], other.call("vend", order(house))[1]
    assert mine["token"] != theirs["token"] and Deposit.objects.count() == 2
    shown = caller.call(f"reprint?drn={house.meter.drn}")[1]
    assert [one["token"] for one in shown] == [mine["token"]]
    third = vendor("TIGA")
    assert third.call(f"reprint?drn={house.meter.drn}") == (200, [])
    assert third.call("reprint?message_id=m-1")[0] == third.call("advice/m-1")[0] == 404
    assert AuditRecord.objects.filter(verb="vending.reprint").count() == 2
    nothing_said(mine["token"], theirs["token"])


def test_four_threads_with_one_id_are_one_sale(town: Town, caller: Caller) -> None:
    house = town.house(wallet_idr=0)
    start, found = threading.Barrier(4), []

    def buy() -> None:
        try:
            start.wait(30)
            found.append(caller.call("vend", order(house)))
        finally:
            connection.close()

    threads = [threading.Thread(target=buy) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, _ in found) == [200, 200, 200, 201]
    assert len({made["token"] for _, made in found}) == 1
    assert (Payment.objects.count(), Vend.objects.count(), Token.objects.count()) == (1, 1, 1)
    assert Deposit.objects.get().balance_sen == 89_750_000
    assert refusals() == []
    money_agrees()


def test_two_at_once_do_not_pass_the_month(town: Town, caller: Caller) -> None:
    # 900 VA: 648 kWh a month; Rp500,000 at Rp1,352 is 359 kWh.
    house = town.house(wallet_idr=0, tariff_group="R-1M", contracted_va=900)
    fill_deposit(channel=caller.key.channel, amount_idr=5_000_000, reference="f2", actor="t", now=town.now)
    start, found = threading.Barrier(2), []

    def buy(number: int) -> None:
        try:
            start.wait(30)
            found.append(caller.call("vend", order(house, f"m-{number}", 500_000))[0])
        finally:
            connection.close()

    threads = [threading.Thread(target=buy, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [201, 422] and refusals()[0][1] == "cap_reached"
    left_wh = 648_000 - Vend.objects.get().encoded_wh
    assert caller.call("confirm", {"drn": house.meter.drn})[1]["month_left_wh"] == left_wh
    clock_operations.move(at=START.replace(month=3, day=1), rate=0)
    assert caller.call("confirm", {"drn": house.meter.drn})[1]["month_left_wh"] == 648_000


def test_the_months_limit_counts_every_channel(town: Town, caller: Caller) -> None:
    house = town.house(wallet_idr=200_000)
    top_up(
        pairing=house.pairing,
        amount_idr=50_000,
        channel=town.channel,
        reference="sms",
        token_source=town.source,
        now=town.now,
    )
    had_wh = Vend.objects.get().encoded_wh
    assert caller.call("confirm", {"drn": house.meter.drn})[1]["month_left_wh"] == 936_000 - had_wh


# -- before and after a sale ----------------------------------------------------------------------------------------------


def test_confirm_masks_the_name_and_trial_writes_nothing(town: Town, caller: Caller) -> None:
    house = town.house(wallet_idr=0)
    before = state_of_things()
    for named in ({"drn": house.meter.drn}, {"idpel": house.meter.customer.idpel}):
        status, said = caller.call("confirm", named)
        assert (status, said["name"], said["idpel"]) == (200, "Co**** 00*", house.meter.customer.idpel)
        assert (said["tariff"], said["contracted_va"], said["two_way"], said["arrears"]) == ("R-1", 1300, True, False)
        assert said["month_left_wh"] == 936_000
    status, tried = caller.call("trial", {"drn": house.meter.drn, "nominal_idr": 100_000})
    assert (status, tried["enough"], tried["energy_wh"]) == (200, True, 67_200)
    assert caller.call("trial", {"drn": house.meter.drn, "nominal_idr": 1_000_000})[1]["enough"] is False
    assert state_of_things() == before
    assert caller.call("vend", order(house))[1]["lines"] == tried["lines"]


def test_arrears_are_hinted_at_tried_and_taken(town: Town, caller: Caller) -> None:
    house = town.house(wallet_idr=0)
    terms = Terms(total_idr=100_000, amount_idr=10_000)
    day = dt.date(2026, 1, 1)
    open_arrears(owner=house.meter, reference="a", title="P2TL", terms=terms, from_date=day, actor="t", now=town.now)
    assert caller.call("confirm", {"drn": house.meter.drn})[1]["arrears"] is True
    tried = caller.call("trial", {"drn": house.meter.drn, "nominal_idr": 100_000})[1]
    made = caller.call("vend", order(house))[1]
    assert made["lines"] == tried["lines"] and made["lines"]["instalment_sen"] == 1_000_000
    money_agrees()


def test_a_source_that_does_not_answer_holds_the_money(
    town: Town, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, source = town.house(wallet_idr=0), says(monkeypatch, town, *[Unknown("away")] * 3)
    status, made = caller.call("vend", order(house))
    assert (status, made["status"], made["token"], made["loads_itself"]) == (202, "pending", None, False)
    assert made["deposit_sen"] == 89_750_000
    assert caller.call("vend", order(house))[0] == 202
    # A look changes nothing and asks nobody; an advice asks the source for the same token again.
    assert (caller.call("advice/m-1")[1]["status"], source.asked) == ("pending", 2)
    assert (caller.call("advice/m-1", {})[1]["status"], source.asked) == ("pending", 3)
    sold = caller.call("advice/m-1", {})[1]
    assert (sold["status"], source.asked) == ("sold", 4)
    assert (Payment.objects.count(), Token.objects.count()) == (1, 1)
    assert house.sim.keypad(sold["token"], town.now)[0] == "accept"
    assert resume_paid(token_source=town.source, now=town.now) == 0
    money_agrees()


def test_refused_by_the_source_the_money_is_back_and_nobody_is_told_of_a_wallet(
    town: Town, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = town.house(wallet_idr=0)
    says(monkeypatch, town, Refused("no_key", "There is none."))
    status, said = caller.call("vend", order(house))
    assert (status, said["title"]) == (422, "no_token") and "back in your deposit" in said["detail"]
    assert caller.call("vend", order(house))[1]["title"] == "no_token"
    told = caller.call("advice/m-1", {})[1]
    assert (told["status"], told["code"], told["token"]) == ("failed", "no_key", None)
    assert told["deposit_sen"] == 100_000_000
    town.run()
    assert town.words_to(house) == []
    money_agrees()


def test_an_advice_of_what_never_came_closes_its_id(town: Town, caller: Caller) -> None:
    house = town.house(wallet_idr=0)
    assert caller.call("advice/m-1")[1]["title"] == "message_unknown"
    assert VendorMessage.objects.count() == 0
    for _ in range(2):
        status, said = caller.call("advice/m-1", {})
        assert (status, said["kind"], said["status"], said["code"]) == (200, "closed", "failed", "nothing_sold")
    # The sale that was late buys nothing.
    status, said = caller.call("vend", order(house))
    assert (status, said["title"]) == (409, "message_closed")
    assert Payment.objects.count() == 0 and Deposit.objects.get().balance_sen == 100_000_000
    assert caller.call("vend", order(house, "m-2"))[0] == 201


def test_an_advice_and_its_sale_at_once_agree(town: Town, caller: Caller) -> None:
    house = town.house(wallet_idr=0)
    for number in range(5):
        start, found = threading.Barrier(2), {}

        def ask(name: str, path: str, body: Any, start: Any = start, found: Any = found) -> None:
            try:
                start.wait(30)
                found[name] = caller.call(path, body)
            finally:
                connection.close()

        threads = [
            threading.Thread(target=ask, args=("vend", "vend", order(house, f"m-{number}", 20_000))),
            threading.Thread(target=ask, args=("advice", f"advice/m-{number}", {})),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        status = found["vend"][0]
        if found["advice"][1]["kind"] == "closed":
            assert (status, found["vend"][1]["title"]) == (409, "message_closed")
        else:
            # 200: the advice has asked for the token, the sale has found it.
            assert status == 201 and found["advice"][1]["token"] in (None, found["vend"][1]["token"])
    money_agrees()


def test_a_reprint_shows_the_last_ten_of_a_meter(town: Town, caller: Caller) -> None:
    house = town.house(wallet_idr=0)
    tokens = [caller.call("vend", order(house, f"m-{number}", 20_000))[1]["token"] for number in range(12)]
    shown = caller.call(f"reprint?idpel={house.meter.customer.idpel}")[1]
    assert [one["token"] for one in shown] == tokens[:1:-1]
    assert [one["token"] for one in caller.call("reprint?message_id=m-0")[1]] == tokens[:1]
    nothing_said(*tokens)


# -- the statement --------------------------------------------------------------------------------------------------------


def test_the_statement_is_the_ledger(town: Town, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    house, channel = town.house(wallet_idr=0), caller.key.channel
    vendor("LAIN").call("vend", order(house, "x"))
    for day in range(3):
        clock_operations.move(at=START + dt.timedelta(days=day), rate=0)
        for number in range(2):
            assert caller.call("vend", order(house, f"d{day}-{number}", 20_000))[0] == 201
    says(monkeypatch, town, Refused("no_key", "There is none."))
    assert caller.call("vend", order(house, "back", 50_000))[0] == 422
    whole = caller.call("statement?from=2026-02-01&to=2026-02-28")[1]
    assert (whole["opening_sen"], whole["closing_sen"], whole["next"]) == (
        0,
        Deposit.objects.get(channel=channel).balance_sen,
        None,
    )
    ledger = LedgerLine.objects.filter(account__code=f"deposit:{channel.pk}").values_list("amount_sen", flat=True)
    assert sorted(one["amount_sen"] for one in whole["lines"]) == sorted(-amount for amount in ledger)
    assert [one["kind"] for one in whole["lines"]].count("PAYMENT_TAKEN") == 7
    assert whole["lines"][-1]["balance_sen"] == whole["closing_sen"]
    assert {"d0-0", "back", "f1"} <= {one["reference"] for one in whole["lines"]}
    assert whole["lines"][1]["commission_idr"] == 1_000

    # In parts, and by day: the same lines, balances that go on, sums that fit.
    parts, after = [], ""
    while after is not None:
        part = caller.call(f"statement?from=2026-02-01&to=2026-02-28&limit=4&after={after}")[1]
        assert (part["opening_sen"], part["closing_sen"]) == (whole["opening_sen"], whole["closing_sen"])
        parts += part["lines"]
        after = part["next"]
    assert parts == whole["lines"] and len(parts) == 9
    day = caller.call("statement?from=2026-02-17&to=2026-02-17")[1]
    assert len(day["lines"]) == 2
    assert day["opening_sen"] + sum(one["amount_sen"] for one in day["lines"]) == day["closing_sen"]

    file = caller.call("statement?from=2026-02-01&to=2026-02-28&limit=4", accept="text/csv")[1]
    rows = list(csv.DictReader(io.StringIO(file.content.decode())))
    assert [int(row["amount_sen"]) for row in rows] == [one["amount_sen"] for one in whole["lines"][:4]]
    assert 'rel="next"' in file["Link"] and file["X-Closing-Sen"] == str(whole["closing_sen"])


@pytest.mark.parametrize(
    "query",
    ["", "from=2026-02-02&to=2026-02-01", "from=2025-01-01&to=2026-02-01", "from=2026-02-01&to=2026-02-02&limit=501"]
    + [f"from=2026-02-01&to=2026-02-02&after={after}" for after in ("x", "MjAyNg", "4oCm", "MjAyNi0wMi0wMXwx")],
)
def test_a_statement_of_nonsense_is_refused(caller: Caller, query: str) -> None:
    status, said = caller.call(f"statement?{query}")
    assert (status, said["title"]) == (400, "bad_request")
    assert refusals()[-1][1] == "bad_request"


# -- who may, and what is refused -----------------------------------------------------------------------------------------


def test_who_is_answered(town: Town, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    house = town.house(wallet_idr=0)
    before = state_of_things()
    there = Caller(caller.key, caller.plain, "192.0.2.1")
    assert there.call("vend", order(house))[1]["title"] == "not_found"
    forwarded = {"x-forwarded-for": "127.0.0.1"}
    assert caller.call("vend", order(house), **forwarded)[1]["title"] == "not_found"
    assert Caller(caller.key, "dv_wrong").call("vend", order(house))[1]["title"] == "key_refused"
    assert Caller(caller.key, "").call("advice/m-1")[1]["title"] == "key_refused"
    assert len(refusals()) == 4 and state_of_things() == before
    monkeypatch.setattr(settings, "VENDING_API_PROXY", True)
    assert caller.call("vend", order(house), **forwarded)[0] == 201
    monkeypatch.setattr(settings, "VENDING_API_NETWORKS", ())
    assert caller.call("advice/m-1")[0] == 404


def test_a_key_notes_its_use_and_ends(town: Town, caller: Caller) -> None:
    assert VendorKey.objects.get().used_at is None
    caller.call("advice/m-1")
    assert VendorKey.objects.get().used_at == START
    Channel.objects.filter(pk=caller.key.channel_id).update(active=False)
    assert caller.call("advice/m-1")[0] == 401
    Channel.objects.filter(pk=caller.key.channel_id).update(active=True)
    assert revoke_vendor_key(key_id=caller.key.pk, actor="t", now=town.now)
    assert not revoke_vendor_key(key_id=caller.key.pk, actor="t", now=town.now)
    assert caller.call("advice/m-1")[0] == 401


def test_a_scope_opens_its_own_and_nothing_else(town: Town) -> None:
    house = town.house(wallet_idr=0)
    free = {"message_id": "m-1", "drn": house.meter.drn, "energy_wh": 1_000, "reason": "test"}
    again = {"message_id": "m-1", "replaces": "m-0", "reason": "test"}
    calls: dict[str, list[tuple[str, Any]]] = {
        "vend": [
            ("vend", order(house)),
            ("confirm", {"drn": house.meter.drn}),
            ("trial", {"drn": house.meter.drn, "nominal_idr": 20_000}),
            ("advice/m-1", None),
            ("advice/m-1", {}),
            (f"reprint?drn={house.meter.drn}", None),
            ("replacement", again),
        ],
        "free_issue": [("free-issue", free)],
        "statement": [("statement?from=2026-02-01&to=2026-02-01", None)],
    }
    for scope in calls:
        caller = vendor(scopes=(scope,))
        before, lines = state_of_things(), len(refusals())
        for other in set(calls) - {scope}:
            for path, body in calls[other]:
                status, said = caller.call(path, body)
                assert (status, said["title"]) == (403, "scope_refused"), (scope, path)
                lines += 1
        assert state_of_things() == before and len(refusals()) == lines


def test_what_is_refused_moves_nothing(town: Town, caller: Caller) -> None:
    house = town.house(wallet_idr=0)
    strange = town.house(wallet_idr=0, region="Nowhere")
    drn = house.meter.drn
    cases: list[tuple[str, Any, int, str]] = [
        ("vend", order(house, nominal_idr=12_345), 422, "wrong_nominal"),
        ("vend", order(strange), 409, "no_price"),
        ("trial", {"drn": drn, "nominal_idr": 12_345}, 422, "wrong_nominal"),
        ("trial", {"drn": strange.meter.drn, "nominal_idr": 20_000}, 409, "no_price"),
        ("vend", order(house, nominal_idr=1_000_000), 402, "deposit_too_low"),
        ("vend", {**order(house), "drn": "99999999999"}, 404, "meter_unknown"),
        ("vend", {**order(house), "idpel": strange.meter.customer.idpel}, 404, "meter_unknown"),
        ("confirm", {}, 404, "meter_unknown"),
        ("vend", {**order(house), "message_id": "a b"}, 400, "bad_request"),
        ("vend", {**order(house), "message_id": "x" * 41}, 400, "bad_request"),
        ("vend", {**order(house), "nominal_idr": "100000"}, 400, "bad_request"),
        ("vend", {**order(house), "nominal_idr": True}, 400, "bad_request"),
        ("vend", {**order(house), "more": 1}, 400, "bad_request"),
        ("vend", b"{", 400, "bad_request"),
        ("vend", b"x" * 70_000, 413, "body_too_large"),
        ("advice/a%20b", None, 404, "message_unknown"),
        ("reprint?message_id=m-9", None, 404, "message_unknown"),
        ("reprint", None, 404, "meter_unknown"),
        ("replacement", {"message_id": "r", "replaces": "m-9", "reason": "lost"}, 404, "message_unknown"),
    ]
    before = state_of_things()
    for path, body, status, code in cases:
        found = caller.call(path, body)
        assert (found[0], found[1]["title"]) == (status, code), (path, body)
    assert state_of_things() == before
    assert [code for _, code in refusals()] == [code for *_, code in cases]


def test_an_idpel_with_two_meters_needs_the_meter(town: Town, caller: Caller) -> None:
    one, two = town.house(wallet_idr=0), town.house(wallet_idr=0)
    Meter.objects.filter(pk=two.meter.pk).update(customer=one.meter.customer)
    assert caller.call("confirm", {"idpel": one.meter.customer.idpel})[1]["title"] == "meter_ambiguous"
    both = {"idpel": one.meter.customer.idpel, "drn": two.meter.drn}
    assert caller.call("confirm", both)[1]["drn"] == two.meter.drn


def test_a_key_past_its_expiry_sells_nothing(town: Town, caller: Caller) -> None:
    house = town.house(wallet_idr=0)
    Meter.objects.update(ken=1)
    before = state_of_things()
    status, said = caller.call("vend", order(house))
    assert (status, said["title"]) == (422, "key_expired")
    assert state_of_things() == before and refusals() == [("vending.take_payment", "key_expired")]


def test_a_channels_own_limit(town: Town, caller: Caller) -> None:
    house = town.house(wallet_idr=0)
    day = dt.date(2026, 1, 1)
    set_channel_limits(
        channel=caller.key.channel, from_date=day, purchase_idr=50_000, day_idr=60_000, actor="t", now=town.now
    )
    assert caller.call("vend", order(house))[1]["title"] == "channel_limit"
    assert caller.call("vend", order(house, "m-2", 50_000))[0] == 201
    assert caller.call("vend", order(house, "m-3", 20_000))[1]["title"] == "channel_limit"
    money_agrees()


def test_messages_are_never_rewritten(town: Town, caller: Caller) -> None:
    caller.call("advice/m-1", {})
    with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
        VendorMessage.objects.update(kind="VEND")


def test_the_document_says_what_is_refused(town: Town, caller: Caller) -> None:
    from duaarah.web.api.urls import api

    paths = api.get_openapi_schema(path_prefix="/api/v1/")["paths"]
    mine = {path: one for path, one in paths.items() if "/vending/" in path}
    assert {path.rpartition("/vending/")[2] for path in mine} == {
        *("confirm", "trial", "vend", "advice/{message_id}", "reprint", "free-issue", "replacement", "statement")
    }
    for path, methods in mine.items():
        for operation in methods.values():
            refused = [a for s, a in operation["responses"].items() if int(s) >= 400]
            assert refused and all("example" in a["content"]["application/problem+json"] for a in refused), path
