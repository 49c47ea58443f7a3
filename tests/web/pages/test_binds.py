"""Links set up in the portal: the form, the second look, the trial; what is refused changes nothing."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from html import unescape
from typing import Any

import psycopg
import pytest
from django.db.models.functions import Now
from django.test import Client
from psycopg.rows import dict_row
from tests.flows.house import Town
from tests.net.test_smpp_trial import SMSC
from tests.web.pages.conftest import SignIn
from tests.web.pages.test_dataop import queued

from duaarah.audit.models import AuditRecord
from duaarah.people.models import Login, Membership
from duaarah.sms.bind_rules import FIELDS, check, defaults, fingerprint
from duaarah.sms.models import Bind, BindDraft, BindTrial, OutboundSegment
from duaarah.web.dataop import bind_words, binds
from duaarah.wiring.keystores import wrap_bind_password
from duaarah.workers import chores, links_rows
from duaarah.workers.links_trials import start_trials

pytestmark = pytest.mark.slow
SECRET = "pw-9x"
NEW = {
    "name": "opsel-2",
    "kind": "TRX",
    "host": "smsc.opsel.example",
    "port": "2775",
    "system_id": "dua",
    "password": SECRET,
    "short_codes": "3123, 8123",
    "tariffs": "3123=PREM; 8123 = SOC",
    "window": "10",
    "tps_max": "50",
    "long_text": "PAYLOAD",
}


@pytest.fixture(autouse=True)
def keys(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binds, "key_store", lambda: town.store)
    monkeypatch.setattr("duaarah.wiring.keystores.key_store", lambda: town.store)


@pytest.fixture
def client(sign_in: SignIn) -> Client:
    return sign_in("dataop")


def password_of(town: Town, row: Bind) -> str:
    return town.store.wrapping_key.unwrap(bytes(row.password_wrapped), f"bind:{row.name}").decode()


def proposed(client: Client, path: str, form: dict[str, str]) -> str:
    response = client.post(path, form)
    assert response.status_code == 302, re.findall(r'class="wrongly">([^<]*)', response.content.decode())
    return str(response["Location"])


def test_a_new_link_begins_off_and_keeps_its_password_to_itself(client: Client, town: Town) -> None:
    page = client.get("/data/jalur/baru/").content.decode()
    assert 'value="2775"' in page and "Opsel" in page
    look = proposed(client, "/data/jalur/baru/", {**NEW, "operator": str(town.operator.pk)})
    assert Bind.objects.count() == 1
    page = client.get(look).content.decode()
    assert "begins switched off" in page and "smsc.opsel.example" in page and SECRET not in page
    answer = client.post(look, {"reason": "contract 7"}, follow=True).content.decode()
    row = Bind.objects.get(name="opsel-2")
    assert (row.active, row.window, row.short_codes, row.operator) == (False, 10, ["3123", "8123"], town.operator)
    assert row.tariffs == {"3123": "PREM", "8123": "SOC"} and row.long_text == "PAYLOAD"
    assert password_of(town, row) == SECRET and SECRET not in answer
    assert BindDraft.objects.get().password_wrapped == b""
    line = AuditRecord.objects.get(verb="sms.set_bind")
    assert (line.subject, line.reason, line.refused) == ("bind:opsel-2", "contract 7", False)
    assert SECRET not in str(line.detail) and line.detail["host"] == ["", "smsc.opsel.example"]
    for path in (f"/data/jalur/{row.pk}/", f"/data/jalur/{row.pk}/ubah/", "/data/jalur/"):
        assert SECRET not in client.get(path).content.decode()


def test_a_pair_is_two_links_of_one_group_with_one_password(client: Client, town: Town) -> None:
    look = proposed(client, "/data/jalur/baru/", {**NEW, "kind": "PAIR", "operator": str(town.operator.pk)})
    client.post(look, {"reason": "the SMSC wants a pair"})
    made = list(Bind.objects.filter(name__startswith="opsel-2").order_by("name"))
    assert [(b.name, b.kind, b.bind_group, b.active) for b in made] == [
        ("opsel-2-rx", "RX", "opsel-2", False),
        ("opsel-2-tx", "TX", "opsel-2", False),
    ]
    assert [password_of(town, b) for b in made] == [SECRET, SECRET]


WRONG = [
    ("name", "Opsel 2", "name_form"),
    ("name", "test", "name_taken"),
    ("operator", "0", "operator"),
    ("host", "https://smsc", "host_form"),
    ("host", "1.2.3", "host_form"),
    ("port", "70000", "range_port"),
    ("port", "x", "number"),
    ("window", "0", "range_window"),
    ("tps_max", "0", "range_tps_max"),
    ("enquire_link_s", "1", "range_enquire_link_s"),
    ("response_timeout_s", "60", "response_after_lease"),
    ("short_codes", "31x", "short_code_form"),
    ("short_codes", "", "short_codes_missing"),
    ("short_codes", "3123,3123", "short_codes_many"),
    ("tariffs", "3123=PREMIUM", "tariff_form"),
    ("tariffs", "9999=PREM", "tariff_code"),
    ("system_id", "", "system_id_missing"),
    ("system_id", "a" * 16, "long_system_id"),
    ("password", "", "password_missing"),
    ("password", "p" * 33, "password_long"),
    ("tls_pin", "00", "pin_form"),
    ("tls_pin", "00" * 32, "tls_off"),
    ("tls_ca", "no", "ca_form"),
    ("receipt_zone", "Asia/Atlantis", "zone"),
    ("id_base", "OCTAL", "choice"),
    ("long_text", "CUT", "choice"),
    ("msisdn_npi", "2", "npi"),
    ("msisdn_ton", "7", "range_ton"),
]


def test_a_field_that_cannot_be_says_so_and_keeps_the_rest(client: Client, town: Town) -> None:
    for field, value, code in WRONG:
        response = client.post("/data/jalur/baru/", {**NEW, "operator": str(town.operator.pk), field: value})
        page = response.content.decode()
        said = [unescape(words) for words in re.findall(r'class="wrongly">([^<]*)', page)]
        assert (response.status_code, said) == (422, [bind_words.problem(code)]), (field, value)
        assert 'value="dua"' in page or field == "system_id"
        assert SECRET not in page
    assert (Bind.objects.count(), BindDraft.objects.count()) == (1, 0)


def test_every_problem_has_its_sentence_and_every_field_its_words() -> None:
    assert set(FIELDS) <= set(bind_words.LABELS)
    shown = {name for _, names in bind_words.GROUPS for name in names}
    assert shown == (set(FIELDS) - {"active"}) | {"operator", "password"}
    whole = {**defaults(), "name": "a", "host": "h", "system_id": "x", "short_codes": ["3123"]}
    assert check(whole, lease_s=60) == {}


def test_a_change_is_looked_at_first_and_says_what_it_interrupts(client: Client, town: Town) -> None:
    house = town.houses[0]
    rows = [queued(town, house) for _ in range(3)]
    OutboundSegment.objects.filter(pk=rows[0].pk).update(state="SUBMITTING")
    row = town.bind
    Bind.objects.update(password_wrapped=wrap_bind_password(town.store, "test", "old"), state="UP")
    look = proposed(client, f"/data/jalur/{row.pk}/ubah/", {"window": "5", "host": "10.0.0.9", "password": ""})
    page = client.get(look).content.decode()
    for words in ("10.0.0.9", "127.0.0.1", "1 SMS without a response", "2 SMS in its queue wait", "This link is up"):
        assert words in page
    assert Bind.objects.get(pk=row.pk).window == 20
    assert "Say why" in client.post(look, {"reason": " "}).content.decode()
    assert Bind.objects.get(pk=row.pk).window == 20
    client.post(look, {"reason": "moved"})
    row.refresh_from_db()
    assert (row.window, row.host, row.state, password_of(town, row)) == (5, "10.0.0.9", "UP", "old")
    lines = AuditRecord.objects.filter(verb="sms.set_bind").order_by("id")
    assert [(r.refused, r.code) for r in lines] == [(True, "bind_values_refused"), (False, "")]
    assert lines[1].detail == {"host": ["127.0.0.1", "10.0.0.9"], "window": [20, 5]}
    # Once only.
    assert "used already" in client.post(look, {"reason": "again"}).content.decode()
    assert AuditRecord.objects.filter(code="bind_draft_gone").count() == 1


def test_who_was_overtaken_changes_nothing(client: Client, town: Town) -> None:
    look = proposed(client, f"/data/jalur/{town.bind.pk}/ubah/", {"window": "5"})
    Bind.objects.update(tps_max=7)
    page = client.get(look).content.decode()
    assert "Somebody else changed this link after you began" in page
    answer = client.post(look, {"reason": "r"}).content.decode()
    assert "Somebody else changed this link meanwhile" in answer
    assert (Bind.objects.get().window, Bind.objects.get().tps_max) == (20, 7)
    assert AuditRecord.objects.get(verb="sms.set_bind").code == "bind_changed_meanwhile"
    # What the links worker writes is no change of a person's.
    look = proposed(client, f"/data/jalur/{town.bind.pk}/ubah/", {"window": "5"})
    Bind.objects.update(state="DOWN", state_reason="lost")
    client.post(look, {"reason": "r"})
    assert (Bind.objects.get().window, Bind.objects.get().state_reason) == (5, "lost")


def test_a_new_password_alone_is_a_change(client: Client, town: Town) -> None:
    before = fingerprint(town.bind)
    look = proposed(client, f"/data/jalur/{town.bind.pk}/ubah/", {"password": SECRET})
    page = client.get(look).content.decode()
    assert "another one" in page and SECRET not in page
    # Back to the form and on again: the password goes along without being shown.
    draft = look.rstrip("/").split("/")[-1]
    form = client.get(f"/data/jalur/{town.bind.pk}/ubah/?usul={draft}").content.decode()
    assert f'name="draft" value="{draft}"' in form and SECRET not in form
    look = proposed(client, f"/data/jalur/{town.bind.pk}/ubah/", {"draft": draft, "window": "6"})
    client.post(look, {"reason": "rotated"})
    row = Bind.objects.get()
    assert (password_of(town, row), row.window, fingerprint(row) != before) == (SECRET, 6, True)
    assert AuditRecord.objects.get(verb="sms.set_bind").detail["password"] == ["", "another one"]


def test_a_proposal_that_nobody_confirms_loses_its_password_and_its_force(client: Client, town: Town) -> None:
    look = proposed(client, f"/data/jalur/{town.bind.pk}/ubah/", {"password": SECRET, "window": "5"})
    chores.run_drafts()
    assert bytes(BindDraft.objects.get().password_wrapped) != b""
    BindDraft.objects.update(kept_from_at=Now() - dt.timedelta(minutes=61))
    chores.run_drafts()
    assert bytes(BindDraft.objects.get().password_wrapped) == b""
    client.post(look, {"reason": "r"})
    assert Bind.objects.get().window == 20
    assert AuditRecord.objects.get(verb="sms.set_bind").code == "bind_draft_gone"


def test_switching_off_names_the_codes_that_nobody_serves_then(client: Client, town: Town) -> None:
    path = f"/data/jalur/{town.bind.pk}/sakelar/"
    look = proposed(client, path, {})
    assert "No other link that is on sends from 3123" in client.get(look).content.decode()
    client.post(look, {"reason": "maintenance"})
    assert Bind.objects.get().active is False
    look = proposed(client, path, {})
    assert "binds within seconds" in client.get(look).content.decode()
    client.post(look, {"reason": "done"})
    assert Bind.objects.get().active is True


def test_viewers_and_others_change_nothing(client: Client, sign_in: SignIn, town: Town) -> None:
    look = proposed(client, f"/data/jalur/{town.bind.pk}/ubah/", {"window": "5"})
    other = Login.objects.create_user("second")
    Membership.objects.create(login=other, unit=Membership.objects.get(login__username="dataop").unit, role="OPERATOR")
    assert sign_in("second").get(look).status_code == 404
    assert sign_in("second").post(look, {"reason": "r"}).status_code == 404
    Membership.objects.filter(login__username="dataop").update(role="VIEWER")
    assert client.get("/data/jalur/").status_code == client.get(f"/data/jalur/{town.bind.pk}/").status_code == 200
    for path in (look, f"/data/jalur/{town.bind.pk}/ubah/", f"/data/jalur/{town.bind.pk}/uji/", f"{look}uji/"):
        assert client.post(path, {"reason": "r", "window": "5"}).status_code == 403, path
    assert Bind.objects.get().window == 20 and BindTrial.objects.count() == 0


def run_trials(conninfo: str, smsc: SMSC | None = None) -> None:
    """The links worker's step, with an SMSC at the port that the bind names."""

    async def run() -> None:
        server = await asyncio.start_server(smsc.serve, "127.0.0.1", 0) if smsc else None
        if server is not None:
            Bind.objects.update(port=server.sockets[0].getsockname()[1])
            BindTrial.objects.update(values={**BindTrial.objects.get().values, "port": Bind.objects.get().port})
        tasks: set[asyncio.Task[Any]] = set()
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True, row_factory=dict_row) as db:
            await start_trials(db, conninfo, tasks)
        await asyncio.gather(*tasks)
        if server is not None:
            server.close()

    import os

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    try:
        asyncio.run(run())
    finally:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


def test_a_trial_is_a_row_an_attempt_and_an_outcome(
    client: Client, town: Town, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        links_rows,
        "unwrap_bind_password",
        lambda name, wrapped: town.store.wrapping_key.unwrap(wrapped, f"bind:{name}").decode(),
    )
    Bind.objects.update(password_wrapped=wrap_bind_password(town.store, "test", SECRET))
    page = proposed(client, f"/data/jalur/{town.bind.pk}/uji/", {})
    assert "under way" in client.get(page).content.decode()
    # A second one at once is refused, and nothing is asked.
    assert client.post(f"/data/jalur/{town.bind.pk}/uji/")["Location"] == f"/data/jalur/{town.bind.pk}/"
    assert BindTrial.objects.count() == 1 and AuditRecord.objects.filter(code="bind_trial_refused").count() == 1
    smsc = SMSC(status=5)
    run_trials(database, smsc)
    trial = BindTrial.objects.get()
    assert (trial.state, trial.outcome, trial.status, bytes(trial.password_wrapped)) == ("DONE", "refused", 5, b"")
    assert smsc.passwords == [SECRET]
    part = client.get(page, headers={"hx-request": "true"}).content.decode()
    assert "this account is bound already (ESME_RALYBND)" in part and "allow one session" in part and SECRET not in part
    # The row and the bind are as they were.
    assert Bind.objects.get().state == "DOWN" and Bind.objects.get().active


def test_trials_are_few_and_an_abandoned_one_is_not_repeated(client: Client, town: Town, database: str) -> None:
    path = f"/data/jalur/{town.bind.pk}/uji/"
    for _ in range(5):
        client.post(path)
        BindTrial.objects.update(state="DONE", outcome="bound", took_ms=12)
    assert "five in ten minutes" in client.post(path, follow=True).content.decode()
    assert BindTrial.objects.count() == 5
    old = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    first, second, *_ = BindTrial.objects.order_by("pk")
    BindTrial.objects.filter(pk=first.pk).update(state="RUNNING", lease_until_at=old, outcome="")
    BindTrial.objects.filter(pk=second.pk).update(state="ASKED", queued_at=old, outcome="")
    run_trials(database)
    found = dict(BindTrial.objects.values_list("pk", "outcome"))
    assert (found[first.pk], found[second.pk]) == ("lost", "unheard")
    for code in ("lost", "unheard", "bound"):
        pk = next(pk for pk, outcome in found.items() if outcome == code)
        assert client.get(f"/data/jalur/uji/{pk}/").status_code == 200
