"""The STS interface: who may call, what is made, the same token for the same message, limits that hold, nothing on refusal."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
import threading
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.db.utils import ProgrammingError
from django.test import Client
from tests.flows.house import CONFIGURATION, START, VENDING_KEY, WIB, House, Town

from duaarah.audit.models import AuditRecord
from duaarah.clock import operations as clock_operations
from duaarah.core.sts import DecoderKey, decode, derive, issue_key_change, pan_of, tid_at
from duaarah.keystore import FileKeyStore
from duaarah.people.models import OperatorKey, Organisation, Unit
from duaarah.people.operator_keys import make_operator_key, revoke_operator_key
from duaarah.registry.models import Meter
from duaarah.vending.models import TIDSequence, Token, Vend
from duaarah.vending.operations import sts_issue, top_up
from duaarah.vending.operations.sts_limits import LimitRefused, set_limit
from duaarah.vending.operations.tids import next_tid, next_tid_of_pan
from duaarah.vending.sts_models import PANSequence, STSLimit, STSOrder, STSOutcome, STSUsage
from duaarah.wiring import keystores

pytestmark = pytest.mark.slow
PASSPHRASE = "a passphrase for tests"
STRANGER = "01234567897"  # in no registry
NOW_TID = tid_at(START.astimezone(WIB).replace(tzinfo=None), 2014)
ALL = ("sts:issue", "sts:engineering", "sts:decode")


class Caller:
    """A program with a key, calling from an address."""

    def __init__(self, key: OperatorKey, plain: str, address: str = "127.0.0.1") -> None:
        self.key, self.plain, self.address = key, plain, address

    def call(self, path: str, body: Any = None, **extra: Any) -> tuple[int, Any]:
        client = Client(SERVER_NAME="localhost", REMOTE_ADDR=self.address)
        headers = {"authorization": f"Bearer {self.plain}", **extra.pop("headers", {})}
        if body is None:
            response = client.get(f"/api/v1/sts/{path}", headers=headers)
        else:
            octets = body if isinstance(body, bytes) else json.dumps(body).encode()
            kind = extra.get("content_type", "application/json")
            response = client.post(f"/api/v1/sts/{path}", octets, content_type=kind, headers=headers)
        if response.status_code >= 400:
            assert response["Content-Type"] == "application/problem+json"
        if "ndjson" in response["Content-Type"]:
            return response.status_code, [json.loads(line) for line in response.content.splitlines()]
        return response.status_code, response.json()


def operator(
    code: str = "PLN", *, unit: str = "", scopes: tuple[str, ...] = ALL, registers: tuple[str, ...] = ("test",)
) -> Caller:
    organisation, _ = Organisation.objects.get_or_create(code=code, defaults={"name": code, "kind": "UTILITY"})
    row = Unit.objects.get_or_create(organisation=organisation, code=unit, defaults={"name": unit})[0] if unit else None
    made = make_operator_key(
        organisation=organisation, unit=row, name="till", scopes=scopes, registers=registers, actor="test", now=START
    )
    return Caller(*made)


def limit(caller: Caller | None = None, *, register: str = "", period: str = "DAY", **changed: Any) -> STSLimit:
    """A limit of the caller's organisation and of a register, with fields changed."""
    nothing = {"tokens_max": None, "energy_wh_max": None, "value_max": None}
    wanted = {
        "organisation": caller.key.organisation if caller else None,
        "unit": None,
        "key": None,
        **nothing,
        **changed,
    }
    return set_limit(register=register, period=period, active=True, actor="test", now=START, **wanted)


@pytest.fixture
def town(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Town(tmp_path)
    monkeypatch.setattr(settings, "KEYSTORE_FILE", tmp_path / "keys")
    monkeypatch.setattr(settings, "KEYSTORE_PASSPHRASE", PASSPHRASE)
    monkeypatch.setattr(settings, "STS_API_NETWORKS", (ip_network("127.0.0.0/8"), ip_network("::1")))
    keystores.key_store.cache_clear()
    clock_operations.move(at=START, rate=0, founding=True)
    yield made
    keystores.key_store.cache_clear()


@pytest.fixture
def caller(town: Town) -> Caller:
    made = operator()
    limit(made, tokens_max=1_000)
    return made


def stranger(**changed: Any) -> dict[str, Any]:
    """An order for a meter that is in no registry, with fields changed (None: left out)."""
    order = {
        "message_id": "m-1",
        "drn": STRANGER,
        "register": "test",
        "ea": "07",
        "ti": "01",
        "class": 0,
        "subclass": 0,
        "amount": "25.6",
        **changed,
    }
    return {name: value for name, value in order.items() if value is not None}


def known(house: House, **changed: Any) -> dict[str, Any]:
    return stranger(drn=house.meter.drn, register=None, ea=None, ti=None, **changed)


def state_of_things() -> dict[str, Any]:
    """Everything that a refusal must leave as it was."""
    return {
        "orders": STSOrder.objects.count(),
        "outcomes": STSOutcome.objects.count(),
        "usage": sorted(STSUsage.objects.values_list("limit_id", "period_date", "tokens", "energy_wh", "value")),
        "tids": sorted(TIDSequence.objects.values_list("meter_id", "latest_tid")),
        "pans": sorted(PANSequence.objects.values_list("pan", "latest_tid")),
        "vends": Vend.objects.count(),
        "deeds": AuditRecord.objects.filter(refused=False).count(),
    }


def refusals() -> list[tuple[str, str]]:
    return list(AuditRecord.objects.filter(refused=True).order_by("pk").values_list("verb", "code"))


def nothing_said(*digits: str) -> None:
    """No audit line and no table holds the digits or a key as they are."""
    lines = repr(list(AuditRecord.objects.values_list())) + repr(list(STSOrder.objects.values_list()))
    lines += repr([bytes(wrapped) for wrapped in STSOutcome.objects.values_list("digits_wrapped", flat=True)])
    assert not [one for one in digits if one in lines]
    assert "do_" not in lines


def meter_reads(digits: str, pan: str, ea: str = "07") -> Any:
    return decode(digits, DecoderKey(ea, derive(VENDING_KEY, CONFIGURATION, pan)))


# -- what is made --------------------------------------------------------------------------------------------------------


def test_a_credit_for_a_meter_of_the_registry_is_what_its_meter_takes(town: Town, caller: Caller) -> None:
    house = town.house()
    status, made = caller.call("issue", known(house))
    assert (status, made["drn"], made["tid"], made["issued_at"]) == (201, house.meter.drn, NOW_TID, "2026-02-16T08:00")
    assert (made["requested"], made["encoded"], made["unit"], made["register"]) == ("25.6", "25.6", "kWh", "test")
    fields = meter_reads(made["token"], house.meter.pan).fields
    assert (fields.kind, fields.tid, fields.values["rnd"], fields.values["field"]) == (
        (0, 0),
        NOW_TID,
        made["rnd"],
        256,
    )
    row = STSOrder.objects.get()
    assert (row.tid, row.rnd, row.energy_wh, row.meter_id) == (NOW_TID, made["rnd"], 25_600, house.meter.pk)
    assert (row.dkga, row.ea, row.sgc, row.ti, row.krn, row.kt, row.ken, row.base_date) == (
        *("04", "07", "999901", "01", 1, 2, 255, 2014),
    )
    assert (TIDSequence.objects.get().latest_tid, PANSequence.objects.count()) == (NOW_TID, 0)
    assert (Vend.objects.count(), Token.objects.count()) == (0, 0)
    nothing_said(made["token"])


@pytest.mark.parametrize(
    ("changed", "encoded", "kind", "values"),
    [
        ({"amount": "25.61"}, "25.7", (0, 0), {"field": 257}),
        ({"amount": "1638.41"}, "1639.4", (0, 0), {"field": 0x4001}),
        ({"subclass": 1, "amount": "3"}, "3.0", (0, 1), {"field": 30}),
        ({"subclass": 4, "amount": "1.0"}, "1.00004", (0, 4), {}),
        ({"subclass": 4, "amount": "-1.0"}, "-0.99994", (0, 4), {}),
        ({"class": 2, "amount": "1300"}, "1300", (2, 0), {"field": 1300}),
        ({"class": 2, "amount": None, "field": 5}, None, (2, 0), {"field": 5}),
        ({"class": 2, "subclass": 1, "amount": None, "field": 65535}, None, (2, 1), {"field": 65535}),
        ({"class": 2, "subclass": 5, "amount": None}, None, (2, 5), {"field": 0}),
        ({"class": 2, "subclass": 10, "amount": None, "field": 77}, None, (2, 10), {"field": 77}),
    ],
)
def test_each_class_carries_what_was_asked_rounded_up(
    caller: Caller, changed: dict[str, Any], encoded: str | None, kind: tuple[int, int], values: dict[str, int]
) -> None:
    status, made = caller.call("issue", stranger(**changed))
    assert (status, made["encoded"], made["tid"]) == (201, encoded, NOW_TID)
    fields = meter_reads(made["token"], pan_of(STRANGER)).fields
    assert (fields.kind, fields.tid) == (kind, NOW_TID)
    assert {name: fields.values[name] for name in values} == values
    assert caller.call(
        "decode", {"drn": STRANGER, "register": "test", "ea": "07", "ti": "01", "token": made["token"]}
    ) == (
        200,
        {
            "result": "accept",
            "class": kind[0],
            "subclass": kind[1],
            "drn": STRANGER,
            "tid": NOW_TID,
            "issued_at": "2026-02-16T08:00",
            "amount": encoded if encoded is not None else ("5" if kind == (2, 0) else None),
            "unit": {(0, 0): "kWh", (0, 1): "m3", (2, 0): "W"}.get(kind),
            "fields": dict(fields.values),
        },
    )
    nothing_said(made["token"])


def test_a_meter_test_needs_no_meter_and_no_key(caller: Caller) -> None:
    order = {"message_id": "t", "class": 1, "subclass": 0, "control": "1FFFFFFFF", "mfr": "00"}
    status, made = caller.call("issue", order)
    assert (status, made["tid"], made["pan"], made["register"]) == (201, None, None, None)
    fields = decode(made["token"], None).fields
    assert (fields.kind, fields.values) == ((1, 0), {"control": 0x1FFFFFFFF, "mfr": 0})


def test_a_key_change_is_read_without_its_parts_of_the_new_key(caller: Caller) -> None:
    pan = pan_of(STRANGER)
    old = DecoderKey("07", derive(VENDING_KEY, CONFIGURATION, pan))
    new = DecoderKey("07", bytes.fromhex("0123456789abcdef"))
    for digits, shown in zip(
        issue_key_change(old, new, CONFIGURATION, rollover=False).tokens,
        ({"kenho": 15, "krn": 1, "ro": 0, "kct": 0, "kt": 2}, {"kenlo": 15, "ti": 1}),
        strict=True,
    ):
        status, read = caller.call(
            "decode", {"drn": STRANGER, "register": "test", "ea": "07", "ti": "01", "token": digits}
        )
        assert (status, read["result"], read["fields"], read["amount"]) == (200, "accept", shown, None)


def test_two_tokens_in_one_minute_have_consecutive_tids_shared_with_vends(town: Town, caller: Caller) -> None:
    house = town.house()
    tids = [caller.call("issue", known(house, message_id=f"m-{n}"))[1]["tid"] for n in range(2)]
    bought = top_up(
        pairing=house.pairing,
        amount_idr=50_000,
        channel=town.channel,
        reference="r",
        token_source=town.source,
        now=START,
    )
    last = caller.call("issue", known(house, message_id="m-9", **{"class": 2, "subclass": 5, "amount": None}))[1]["tid"]
    assert [*tids, bought.vend.tid, last] == [NOW_TID, NOW_TID + 1, NOW_TID + 2, NOW_TID + 3]
    strangers = [caller.call("issue", stranger(message_id=f"s-{n}"))[1]["tid"] for n in range(2)]
    assert strangers == [NOW_TID, NOW_TID + 1]


def test_a_meter_registered_later_goes_on_above_the_tids_of_its_pan(town: Town, caller: Caller) -> None:
    for number in range(3):
        caller.call("issue", stranger(message_id=f"m-{number}"))
    house = town.house()
    Meter.objects.filter(pk=house.meter.pk).update(drn=STRANGER, pan=pan_of(STRANGER))
    house.meter.refresh_from_db()
    assert caller.call("issue", known(house, message_id="m-9"))[1]["tid"] == NOW_TID + 3
    assert caller.call("issue", known(house, message_id="m-10"))[1]["tid"] == NOW_TID + 4
    pairs = list(STSOrder.objects.values_list("pan", "tid"))
    assert len(set(pairs)) == len(pairs) == 5


# -- the same message ----------------------------------------------------------------------------------------------------


def test_the_same_message_is_the_same_token_and_fetches_it(caller: Caller) -> None:
    first = caller.call("issue", stranger())
    before = state_of_things()
    again, fetched = caller.call("issue", stranger()), caller.call("tokens/m-1")
    assert (first[0], again[0], fetched[0]) == (201, 200, 200)
    assert again[1] == fetched[1] == {**first[1], "repeated": True}
    assert state_of_things() == before and refusals() == []


@pytest.mark.parametrize("changed", [{"amount": "25.7"}, {"subclass": 1}, {"ti": "02"}, {"ea": "11"}])
def test_the_same_message_for_something_else_is_refused(caller: Caller, changed: dict[str, Any]) -> None:
    caller.call("issue", stranger())
    before = state_of_things()
    status, answer = caller.call("issue", stranger(**changed))
    assert (status, answer["title"]) == (409, "message_id_reused")
    assert state_of_things() == before and refusals() == [("vending.issue_sts", "message_id_reused")]


def test_message_ids_are_the_callers_own_and_outlive_a_key(caller: Caller) -> None:
    first = caller.call("issue", stranger())[1]["token"]
    second_key, unit, other = operator(), operator(unit="JKT"), operator("OTHER")
    limit(other, tokens_max=9)
    assert second_key.call("issue", stranger())[1]["token"] == first
    for another in (unit, other):
        assert another.call("tokens/m-1")[0] == 404
        assert another.call("issue", stranger())[1]["token"] != first
    assert STSOrder.objects.count() == 3


def test_a_key_roll_between_leaves_the_token_as_it_was(town: Town, caller: Caller) -> None:
    house = town.house()
    first = caller.call("issue", known(house))[1]
    Meter.objects.filter(pk=house.meter.pk).update(ti="02", ken=1, sts_register="away")
    assert caller.call("issue", known(house)) == (200, {**first, "repeated": True})


@pytest.mark.parametrize("step", ["make", "wrap", "record"])
def test_a_crash_between_order_and_token_gives_the_same_digits_once(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Dies after T1, after the token exists, and before T2 commits; what was stored decides the digits."""
    from duaarah.web.api.sts import machine as own

    seen: list[str] = []
    make = own.make

    def noted(**order: Any) -> str:
        if step == "make":
            raise KeyboardInterrupt
        seen.append(make(**order))
        return seen[-1]

    def dead(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(own, "make", noted)
        if step == "wrap":
            patched.setattr(own, "wrap", dead)
        if step == "record":
            patched.setattr(
                sts_issue.audit, "record", lambda **k: dead() if k["verb"] == "vending.make_sts" else audit(**k)
            )
        with pytest.raises(KeyboardInterrupt):
            caller.call("issue", stranger())
    assert (STSOrder.objects.count(), STSOutcome.objects.count()) == (1, 0)
    row = STSOrder.objects.get()
    fetched = caller.call("tokens/m-1")[1]
    assert caller.call("issue", stranger()) == (200, fetched)
    assert (fetched["tid"], fetched["rnd"]) == (row.tid, row.rnd)
    assert set(seen) <= {fetched["token"]} and bool(seen) == (step != "make")
    assert (STSOutcome.objects.count(), STSUsage.objects.get().tokens) == (1, 1)
    assert meter_reads(fetched["token"], pan_of(STRANGER)).fields.tid == NOW_TID


audit = sts_issue.audit.record


def test_while_the_keys_are_away_the_order_stands(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from duaarah.vending.sts_ports import MachineAway
    from duaarah.web.api import sts

    def away(**_: Any) -> str:
        raise MachineAway("The keys cannot be reached now.")

    with monkeypatch.context() as patched:
        patched.setattr(sts.machine, "make", away)
        status, answer = caller.call("issue", stranger())
    assert (status, answer["title"], STSOrder.objects.count()) == (503, "keys_unavailable", 1)
    assert caller.call("issue", stranger())[0] == 200 and STSOrder.objects.count() == 1
    monkeypatch.setattr(settings, "KEYSTORE_FILE", tmp_path / "nowhere")
    keystores.key_store.cache_clear()
    before = state_of_things()
    status, answer = caller.call("issue", stranger(message_id="m-2"))
    assert (status, answer["title"], str(tmp_path) in str(answer)) == (503, "keys_unavailable", False)
    assert state_of_things() == before


def test_orders_and_outcomes_are_neither_changed_nor_removed(caller: Caller) -> None:
    caller.call("issue", stranger())
    for table in ("vending_stsorder", "vending_stsoutcome"):
        for statement in (f"UPDATE {table} SET id = id", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
            with pytest.raises(ProgrammingError, match="append-only"), connection.cursor() as cursor:
                cursor.execute(statement)


# -- at once -------------------------------------------------------------------------------------------------------------


def together(calls: list[tuple[Caller, dict[str, Any]]]) -> list[tuple[int, Any]]:
    """The orders issued at the same moment, each from a thread and a connection of its own."""
    barrier = threading.Barrier(len(calls))
    answers: list[tuple[int, Any]] = []

    def ask(caller: Caller, order: dict[str, Any]) -> None:
        try:
            barrier.wait(30)
            answers.append(caller.call("issue", order))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == len(calls)
    return answers


def test_one_message_at_once_from_four_threads_is_one_token_even_at_the_limit(town: Town) -> None:
    caller = operator()
    limit(caller, tokens_max=1)
    answers = together([(caller, stranger())] * 4)
    assert sorted(status for status, _ in answers) == [200, 200, 200, 201]
    assert len({made["token"] for _, made in answers}) == 1
    assert (STSOrder.objects.count(), STSUsage.objects.get().tokens, refusals()) == (1, 1, [])


def test_two_orders_at_once_never_pass_a_limit_nor_share_a_tid(town: Town) -> None:
    callers = [operator("PLN"), operator("OTHER")]
    for caller in callers:
        limit(caller, tokens_max=100)
    limit(register="test", energy_wh_max=60_000)
    answers = together([(callers[n % 2], stranger(message_id=f"m-{n}", amount="20")) for n in range(4)])
    assert sorted(status for status, _ in answers) == [201, 201, 201, 429]
    usage = STSUsage.objects.get(limit__register="test")
    assert (usage.tokens, usage.energy_wh) == (3, 60_000)
    assert sorted(STSOrder.objects.values_list("tid", flat=True)) == [NOW_TID, NOW_TID + 1, NOW_TID + 2]
    assert refusals() == [("vending.issue_sts", "limit_reached")]


def test_a_first_vend_and_a_stranger_order_at_once_never_share_a_tid(town: Town) -> None:
    """The PAN is registered while an order for it is open: the meter's first TID waits, and stands above."""
    house = town.house()
    pan = pan_of(STRANGER)
    Meter.objects.filter(pk=house.meter.pk).update(pan="0" * 18)
    waiting, given = threading.Event(), []

    def first_of_meter() -> None:
        try:
            Meter.objects.filter(pk=house.meter.pk).update(pan=pan)
            waiting.set()
            with transaction.atomic():
                given.append(next_tid(meter_id=house.meter.pk, base_date=2014, ken=255, now=START))
        finally:
            connection.close()

    with transaction.atomic():
        ours = next_tid_of_pan(pan=pan, base_date=2014, ken=255, now=START)
        thread = threading.Thread(target=first_of_meter)
        thread.start()
        assert waiting.wait(10)
        thread.join(0.3)
        assert given == [] and thread.is_alive()
    thread.join(10)
    assert (ours, given) == (NOW_TID, [NOW_TID + 1])


# -- limits --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "order", "of"),
    [
        ({"tokens_max": 1}, {}, "tokens"),
        ({"energy_wh_max": 51_100}, {}, "energy_wh"),
        ({"value_max": Decimal("3")}, {"subclass": 4, "amount": "2"}, "value"),
        ({"value_max": Decimal("3")}, {"subclass": 4, "amount": "-2"}, "value"),
    ],
)
def test_a_limit_is_named_and_nothing_moves(
    town: Town, numbers: dict[str, Any], order: dict[str, Any], of: str
) -> None:
    caller = operator()
    row = limit(caller, register="test", **numbers)
    assert caller.call("issue", stranger(**order))[0] == 201
    before = state_of_things()
    status, answer = caller.call("issue", stranger(message_id="m-2", **order))
    assert (status, answer["title"], state_of_things()) == (429, "limit_reached", before)
    assert (answer["limit"]["id"], answer["limit"]["of"], answer["limit"]["register"]) == (row.pk, of, "test")
    assert answer["limit"]["organisation"] == "PLN" and answer["limit"]["period"] == "DAY"
    assert refusals() == [("vending.issue_sts", "limit_reached")]
    assert AuditRecord.objects.get(refused=True).detail["limit"]["of"] == of
    clock_operations.move(at=START.replace(day=17), rate=0)
    assert caller.call("issue", stranger(message_id="m-2", **order))[0] == 201
    used = {(limit_row["tokens"], limit_row["energy_wh"]) for limit_row in caller.call("limits")[1]}
    assert used == {(1, 0 if "subclass" in order else 25_600)}


def test_an_operator_without_a_limit_issues_nothing(town: Town) -> None:
    caller = operator()
    limit(register="test", tokens_max=100)
    before = state_of_things()
    status, answer = caller.call("issue", stranger())
    assert (status, answer["title"], state_of_things()) == (403, "limit_missing", before)


def test_limits_of_a_unit_and_of_one_key_are_theirs_alone(town: Town) -> None:
    jakarta, second, bandung = operator(unit="JKT"), operator(unit="JKT"), operator(unit="BDG")
    limit(organisation=None, unit=jakarta.key.unit, tokens_max=3)
    limit(organisation=None, key=jakarta.key, tokens_max=1)
    limit(organisation=None, key=bandung.key, register="other", tokens_max=0)
    orders = [(jakarta, 201), (jakarta, 429), (second, 201), (second, 201), (second, 429), (bandung, 403)]
    assert [who.call("issue", stranger(message_id=f"m-{n}"))[0] for n, (who, _) in enumerate(orders)] == [
        status for _, status in orders
    ]
    assert [row["tokens"] for row in jakarta.call("limits")[1]] == [3, 1]
    assert [row["tokens"] for row in second.call("limits")[1]] == [3]
    assert bandung.call("limits")[1] == []


def test_a_month_and_ever_are_counted_in_local_days(town: Town) -> None:
    caller = operator()
    for period in ("MONTH", "TOTAL"):
        limit(caller, period=period, tokens_max=2 if period == "MONTH" else 3)
    statuses = [caller.call("issue", stranger(message_id=f"a{n}"))[0] for n in range(3)]
    clock_operations.move(at=START.replace(month=3, day=1, hour=0, minute=30), rate=0)
    statuses += [caller.call("issue", stranger(message_id=f"b{n}"))[0] for n in range(2)]
    assert statuses == [201, 201, 429, 201, 429]
    dates = STSUsage.objects.order_by("period_date").values_list("period_date", "tokens")
    assert [(str(date), tokens) for date, tokens in dates] == [("1970-01-01", 3), ("2026-02-01", 2), ("2026-03-01", 1)]


def test_a_limit_that_says_nothing_is_refused(town: Town) -> None:
    for numbers, register in (({}, "test"), ({"tokens_max": 1}, ""), ({"tokens_max": -1}, "test")):
        with pytest.raises(LimitRefused):
            limit(register=register, **numbers)
    assert STSLimit.objects.count() == 0


# -- who may -------------------------------------------------------------------------------------------------------------


def test_only_named_addresses_are_answered(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    away = Caller(caller.key, caller.plain, address="192.0.2.7")
    before = state_of_things()
    for who, headers in ((away, {}), (caller, {"X-Forwarded-For": "127.0.0.1"}), (caller, {"Forwarded": "for=[::1]"})):
        status, answer = who.call("issue", stranger(), headers=headers)
        assert (status, answer["title"]) == (404, "not_found")
    monkeypatch.setattr(settings, "STS_API_NETWORKS", ())
    assert caller.call("issue", stranger())[0] == 404
    assert state_of_things() == before and [code for _, code in refusals()] == ["not_found"] * 4
    monkeypatch.setattr(settings, "STS_API_NETWORKS", (ip_network("192.0.2.0/24"),))
    assert away.call("issue", stranger())[0] == 201


def test_a_wrong_or_revoked_key_opens_nothing(caller: Caller) -> None:
    before = state_of_things()
    for wrong in ("", "do_", caller.plain[:-1], "da_" + caller.plain[3:], "x" * 200):
        assert Caller(caller.key, wrong).call("issue", stranger())[0] == 401
    assert state_of_things() == before
    assert revoke_operator_key(key_id=caller.key.pk, actor="test", now=START)
    assert not revoke_operator_key(key_id=caller.key.pk, actor="test", now=START)
    for path in ("registers", "limits", "tokens/m-1"):
        assert caller.call(path)[0] == 401
    assert [code for _, code in refusals()] == ["key_refused"] * 8


def test_scopes_and_registers_hold_for_each_verb(town: Town) -> None:
    credit, reader = operator(scopes=("sts:issue",)), operator(scopes=("sts:decode",))
    elsewhere = operator(registers=("other",))
    limit(credit, tokens_max=9)
    digits = credit.call("issue", stranger())[1]["token"]
    before = state_of_things()
    power, read = (
        stranger(message_id="p", **{"class": 2}),
        {"drn": STRANGER, "register": "test", "ea": "07", "ti": "01"},
    )
    for who, path, body, code in (
        (credit, "issue", power, "scope_refused"),
        (credit, "decode", {**read, "token": digits}, "scope_refused"),
        (reader, "issue", stranger(), "scope_refused"),
        (reader, "tokens/m-1", None, "scope_refused"),
        (elsewhere, "issue", stranger(message_id="e"), "register_refused"),
        (elsewhere, "tokens/m-1", None, "register_refused"),
        (elsewhere, "decode", {**read, "token": digits}, "register_refused"),
    ):
        assert (who.call(path, body)[1]["title"], state_of_things()) == (code, before)
    assert len(refusals()) == 7
    assert [one["register_id"] for one in credit.call("registers")[1]] == ["test"]
    assert elsewhere.call("registers") == (200, [])


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"amount": "-1"}, 422, "amount_negative"),
        ({"amount": "1820162.5"}, 422, "amount_range"),
        ({"amount": "1e3"}, 400, "bad_request"),
        ({"amount": 25.6}, 400, "bad_request"),
        ({"amount": None}, 400, "bad_request"),
        ({"field": 1}, 400, "bad_request"),
        ({"drn": "01234567890"}, 422, "drn_luhn"),
        ({"pan": "600727012345678975"}, 400, "bad_request"),
        ({"drn": None, "pan": "600727012345678970"}, 422, "pan_luhn"),
        ({"register": None}, 400, "bad_request"),
        ({"register": "nobody"}, 403, "register_refused"),
        ({"subclass": 8}, 400, "bad_request"),
        ({"class": 2, "subclass": 3, "amount": None, "field": 1}, 400, "bad_request"),
        ({"class": 2, "subclass": 1, "amount": None, "field": 9}, 422, "field_range"),
        ({"class": 3}, 400, "bad_request"),
        ({"message_id": "a b"}, 400, "bad_request"),
        ({"message_id": None}, 400, "bad_request"),
        ({"vending_key": "00"}, 400, "bad_request"),
    ],
)
def test_what_cannot_be_made_says_why_moves_nothing_and_leaves_one_line(
    caller: Caller, changed: dict[str, Any], status: int, code: str
) -> None:
    before = state_of_things()
    answer = caller.call("issue", stranger(**changed))
    assert (answer[0], answer[1]["title"], state_of_things()) == (status, code, before), answer
    assert [found for _, found in refusals()] == [code]


def test_the_registry_knows_its_meters_better_than_a_request(town: Town, caller: Caller) -> None:
    house = town.house()
    before = state_of_things()
    status, answer = caller.call("issue", known(house) | {"ti": "05"})
    assert (status, answer["title"], state_of_things()) == (409, "configuration_conflict", before)
    Meter.objects.filter(pk=house.meter.pk).update(ken=0)
    assert caller.call("issue", known(house))[1]["title"] == "ken_expired"
    Meter.objects.filter(pk=house.meter.pk).update(ken=255, sgc="999902")
    assert caller.call("issue", known(house))[1]["title"] == "unknown_register"
    assert state_of_things() == before and len(refusals()) == 3
    assert caller.call("issue", known(house) | {"ti": "01", "message_id": "b"})[1]["title"] == "unknown_register"


# -- many ----------------------------------------------------------------------------------------------------------------


def test_many_orders_each_with_its_own_answer_as_an_array_or_lines(caller: Caller) -> None:
    rows = [stranger(), stranger(), stranger(amount="1"), {"message_id": "x"}, stranger(message_id="m-2"), "?"]
    status, answers = caller.call("issue/bulk", rows)
    assert (status, [one["status"] for one in answers]) == (200, [201, 200, 409, 400, 201, 400])
    assert answers[0]["token"] == answers[1]["token"] != answers[4]["token"]
    assert [one.get("error") for one in answers] == [
        None,
        None,
        "message_id_reused",
        "bad_request",
        None,
        "bad_request",
    ]
    assert len(refusals()) == 3
    body = b"\n".join([*(json.dumps(row).encode() for row in rows[:5]), b"", b"{broken"])
    status, again = caller.call("issue/bulk", body, content_type="application/x-ndjson")
    assert (status, [one["status"] for one in again]) == (200, [200, 200, 409, 400, 200, 400])
    assert [one.get("token") for one in again] == [one.get("token") for one in answers]
    assert STSOrder.objects.count() == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"register": "a\x00b"},
        {"register": "\ud800"},
        {"message_id": "m\n"},
        {"message_id": "\u0661"},
        {"drn": "\u0661" * 11},
        {"amount": "9" * 40},
        {"amount": "1." + "0" * 50},
        {"amount": "NaN"},
        {"subclass": True},
        {"class": "0"},
        {"class": 10**30},
        {"ti": "001"},
        {"control": "1"},
        {"drn": ["1"]},
        {"drn": {"a" * 9_000: 1}},
    ],
    ids=lambda changed: ascii(changed)[:30],
)
def test_strange_rows_are_refused_alone_and_by_themselves(caller: Caller, changed: dict[str, Any]) -> None:
    before = state_of_things()
    single = caller.call("issue", stranger(**changed))
    (row,) = caller.call("issue/bulk", [stranger(**changed)])[1]
    assert (400 <= single[0] < 429, row["status"], row["error"]) == (True, single[0], single[1]["title"])
    assert state_of_things() == before and len(refusals()) == 2


def test_a_message_id_is_fetched_whole(caller: Caller) -> None:
    caller.call("issue", stranger(message_id="m" * 64))
    assert caller.call("tokens/" + "m" * 64)[0] == 200
    for other in ("m" * 65, "m" * 63, "M" * 64, "m%00", "%F0%9F%8D%8C"):
        assert caller.call(f"tokens/{other}")[1]["title"] == "message_unknown"


def test_too_many_rows_or_no_rows_make_nothing(caller: Caller) -> None:
    before = state_of_things()
    for body, status, code in (
        ([{}] * 201, 413, "too_many_rows"),
        ({"rows": []}, 400, "bad_request"),
        (b"x" * 70_000, 413, "body_too_large"),
    ):
        answer = caller.call("issue/bulk", body)
        assert (answer[0], answer[1]["title"], state_of_things()) == (status, code, before)
    assert len(refusals()) == 3


def test_a_limit_in_the_middle_of_many_stops_only_what_passes_it(town: Town) -> None:
    caller = operator()
    limit(caller, energy_wh_max=50_000)
    amounts = ["30", "30", "10", "10", "10"]
    rows = [stranger(message_id=f"m-{n}", amount=amount) for n, amount in enumerate(amounts)]
    answers = caller.call("issue/bulk", rows)[1]
    assert [one["status"] for one in answers] == [201, 429, 201, 201, 429]
    assert answers[1]["limit"]["of"] == "energy_wh"
    assert STSUsage.objects.get().energy_wh == 50_000


def test_a_token_is_explained_bit_by_bit_without_its_digits_in_the_audit(caller: Caller) -> None:
    _, made = caller.call("issue", stranger())
    read = {"drn": STRANGER, "register": "test", "ea": "07", "ti": "01"}
    status, told = caller.call("explain", {**read, "token": made["token"]})
    assert (status, told["result"], told["class"], told["subclass"]) == (200, "accept", 0, 0)
    assert {step["stage"] for step in told["steps"]} == {"entry", "class", "cipher", "fields", "check", "verdict"}
    assert any("25.6 kWh" in step["meaning"] for step in told["steps"])
    assert AuditRecord.objects.get(verb="vending.explain_sts").detail == {"result": "accept", "register": "test"}
    nothing_said(made["token"])


def test_a_register_that_is_not_active_orders_nothing(caller: Caller, tmp_path: Path) -> None:
    store = FileKeyStore.open(tmp_path / "keys", PASSPHRASE)
    (register,) = store.registers()
    store.update(
        dataclasses.replace(register, active_from=START.astimezone(WIB).replace(tzinfo=None) + dt.timedelta(minutes=1))
    )
    keystores.key_store.cache_clear()
    before = state_of_things()
    status, said = caller.call("issue", stranger())
    assert (status, said["title"]) == (422, "register_not_active")
    assert state_of_things() == before and refusals() == [("vending.issue_sts", "register_not_active")]


# -- documented ----------------------------------------------------------------------------------------------------------


def test_every_refusal_is_in_the_document_and_on_the_page(town: Town) -> None:
    client = Client(SERVER_NAME="localhost")
    document = client.get("/api/v1/openapi.json").json()
    paths = {path: methods for path, methods in document["paths"].items() if "/sts/" in path}
    assert sorted(path.rpartition("/sts/")[2] for path in paths) == [
        *("decode", "explain", "issue", "issue/bulk", "limits", "registers", "tokens/{message_id}"),
    ]
    issue = paths["/api/v1/sts/issue"]["post"]["responses"]
    assert sorted(issue) == ["200", "201", "400", "401", "403", "404", "409", "422", "429", "503"]
    assert "limit_reached" in issue["429"]["description"] and list(issue["429"]["content"]) == [
        "application/problem+json"
    ]
    page = client.get("/api/v1/").content.decode()
    for word in ("/api/v1/sts/issue/bulk", "limit_reached", "message_id_reused", "Bearer do_"):
        assert word in page
    assert not re.search(r"curl[^<]*\{message_id\}", page)
