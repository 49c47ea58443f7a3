"""Tokens that a channel sold elsewhere come in a file: each loads itself once, whatever is sent twice and whoever dies."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from tests.flows.house import START, Town
from tests.vending.batchbank import ENERGY_WH, SECRET, FileBank

from duaarah.audit.models import AuditRecord
from duaarah.clock import operations as clock_operations
from duaarah.headend.models import Command
from duaarah.registry.models import Pairing
from duaarah.vending.batch_models import TokenBatch, TokenBatchRow
from duaarah.vending.models import Channel, Notification, Token, Vend
from duaarah.vending.operations import Sale, take_notification
from duaarah.vending.operations.batches import check_batch, load_batch, receive_batch, resume_batches
from duaarah.wiring import keystores
from duaarah.workers.token_folder import run_token_folder

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture
def town(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    made = Town(tmp_path)
    monkeypatch.setattr(settings, "KEYSTORE_FILE", tmp_path / "keys")
    monkeypatch.setattr(settings, "KEYSTORE_PASSPHRASE", "a passphrase for tests")
    keystores.key_store.cache_clear()
    clock_operations.move(at=START, rate=1, founding=True)
    yield made
    keystores.key_store.cache_clear()


@pytest.fixture
def bank(town: Town) -> FileBank:
    return FileBank(town)


def receive(bank: FileBank, content: bytes, name: str = "a.csv") -> TokenBatch:
    said = {"channel": bank.channel, "file_name": name, "content": content, "secret": SECRET}
    return receive_batch(**said, actor="t", now=bank.town.now)[0]


def bring(bank: FileBank, content: bytes) -> TokenBatch:
    made = receive(bank, content)
    load_batch(batch_id=made.pk, reader=bank.town.source, now=bank.town.now)
    made.refresh_from_db()
    return made


def states(made: TokenBatch) -> list[tuple[str, str]]:
    return list(made.rows.order_by("line").values_list("state", "code"))


def refusals() -> list[str]:
    return list(AuditRecord.objects.filter(refused=True).order_by("id").values_list("code", flat=True))


def test_good_rows_load_themselves_and_wrong_ones_say_why(town: Town, bank: FileBank) -> None:
    one, two = town.house(credit_wh=0), town.house(credit_wh=0)
    rows = [
        bank.row(one, 1),
        bank.row(two, 2, idpel="535110000002"),
        bank.row(one, 3, token="1" * 20),
        bank.row(one, 4, drn="99000000999"),
        bank.row(two, 5, idpel="535110000001"),
        bank.row(one, 6, amount_idr="-1"),
        bank.row(one, 7, token=bank.token(one, 1)),
        bank.row(one, 1),
    ]
    made = bring(bank, bank.file(rows))
    assert (made.state, made.batch_id, made.count, made.sum_idr) == ("DONE", "B1", 8, 350_000)
    assert states(made) == [
        *[("TAKEN", "")] * 2,
        ("REFUSED", "token_not_for_meter"),
        *[("REFUSED", "meter_unknown")] * 2,
        ("REFUSED", "bad_amount_idr"),
        ("REFUSED", "token_known"),
        ("REPEATED", ""),
    ]
    assert sorted(refusals()) == sorted(code for _, code in states(made) if code)
    town.run()
    assert (one.sim.credit_wh, two.sim.credit_wh) == (ENERGY_WH, ENERGY_WH)
    assert set(Vend.objects.values_list("state", "origin")) == {("LOADED", "ELSEWHERE")}
    assert Notification.objects.count() == Token.objects.count() == Command.objects.count() == 2
    said = str(list(AuditRecord.objects.values_list("subject", "reason", "detail")))
    assert not [digits for digits in Token.objects.values_list("digits", flat=True) if digits in said]


def test_a_file_twice_and_a_sale_by_http_and_by_file_are_one(town: Town, bank: FileBank) -> None:
    house = town.house(credit_wh=0)
    by_http = Sale(
        notification_id="sale-1", digest=b"h" * 32, drn=house.meter.drn, idpel=None, digits=bank.token(house, 1),
        amount_idr=50_000,
    )  # fmt: skip
    vend, repeated = take_notification(channel=bank.channel, sale=by_http, reader=town.source, now=town.now)
    content = bank.file([bank.row(house, 1), bank.row(house, 2)])
    first = bring(bank, content)
    assert (repeated, states(first)) == (False, [("REPEATED", ""), ("TAKEN", "")])
    assert first.rows.get(line=3).vend == vend
    assert bring(bank, content).pk == first.pk and TokenBatch.objects.count() == 1
    # The same sale in another file, and after the file by HTTP; the same id with another nominal is a contradiction.
    assert states(bring(bank, bank.file([bank.row(house, 2)], batch="B2"))) == [("REPEATED", "")]
    later = Sale(**{**by_http.__dict__, "notification_id": "sale-2", "digits": bank.token(house, 2)})
    assert take_notification(channel=bank.channel, sale=later, reader=town.source, now=town.now)[1]
    other = bring(bank, bank.file([bank.row(house, 1, amount_idr="100000")], batch="B3"))
    assert states(other) == [("REFUSED", "notification_conflict")]
    town.run()
    assert house.sim.tokens_accepted == Vend.objects.count() == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"count": 2}, "wrong_count"),
        ({"total": 49_999}, "wrong_sum"),
        ({"head": "duaarah-tokens,1,PPOB,B1,2026-02-16"}, "wrong_channel"),
        ({"columns": "id,drn,idpel,token,amount_idr,sold_at"}, "bad_columns"),
    ],
    ids=str,
)
def test_a_file_that_lies_is_refused_whole(town: Town, bank: FileBank, change: dict[str, Any], code: str) -> None:
    made = bring(bank, bank.file([bank.row(town.house(), 1)], **change))
    assert (made.state, made.code, made.rows.count(), Vend.objects.count()) == ("REFUSED", code, 0, 0)
    assert refusals() == [code]


def test_the_same_batch_id_with_other_rows_is_a_conflict_and_a_refused_file_may_be_mended(
    town: Town, bank: FileBank
) -> None:
    house = town.house()
    assert bring(bank, bank.file([bank.row(house, 1)], count=9)).code == "wrong_count"
    assert bring(bank, bank.file([bank.row(house, 1)])).state == "DONE"
    other = bring(bank, bank.file([bank.row(house, 2)]))
    assert (other.state, other.code, Vend.objects.count()) == ("REFUSED", "batch_conflict", 1)
    Channel.objects.update(active=False)
    bank.channel.refresh_from_db()
    assert bring(bank, bank.file([bank.row(house, 3)], batch="B9")).code == "channel_refused"


def test_a_check_judges_each_row_and_writes_nothing(town: Town, bank: FileBank) -> None:
    house = town.house()
    bring(bank, bank.file([bank.row(house, 1)]))
    before = (Vend.objects.count(), AuditRecord.objects.count(), TokenBatch.objects.count(), Command.objects.count())
    rows = [bank.row(house, 1), bank.row(house, 2), bank.row(house, 3, token="2" * 20), bank.row(house, 4, drn="x")]
    rows.append(bank.row(house, 5, token=bank.token(house, 1)))
    said = {"channel": bank.channel, "secret": SECRET, "reader": town.source, "now": town.now}
    found = list(check_batch(content=bank.file(rows, batch="B2"), **said))
    assert [(v.line, v.state, v.code) for v in found] == [
        (3, "REPEATED", ""),
        (4, "TAKEN", ""),
        (5, "REFUSED", "token_not_for_meter"),
        (6, "REFUSED", "bad_drn"),
        (7, "REFUSED", "token_known"),
    ]
    after = (Vend.objects.count(), AuditRecord.objects.count(), TokenBatch.objects.count(), Command.objects.count())
    assert after == before


@pytest.mark.parametrize(("where", "after", "taken"), [("before", 2, 2), ("within", 1, 1), ("after", 1, 2)])
def test_killed_between_rows_the_next_run_goes_on(
    town: Town, bank: FileBank, database: str, tmp_path: Path, where: str, after: int, taken: int
) -> None:
    house = town.house(credit_wh=0)
    made = receive(bank, bank.file([bank.row(house, n) for n in range(1, 6)]))
    environment = {**os.environ, "DUAARAH_DATABASE_URL": database, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    arguments = ["-m", "tests.vending.killable_batch", str(made.pk), str(tmp_path / "keys"), where, str(after)]
    died = subprocess.run([sys.executable, *arguments], env=environment, cwd=ROOT, check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    # A row and its vend are one: neither is there without the other.
    assert Vend.objects.count() == made.rows.filter(state="TAKEN").count() == taken
    assert resume_batches(reader=town.source, now=town.now) == 5 - taken
    assert states(made) == [("TAKEN", "")] * 5
    town.run()
    assert house.sim.credit_wh == 5 * ENERGY_WH and house.sim.tokens_accepted == 5
    assert resume_batches(reader=town.source, now=town.now) == 0


# -- the folder ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "drop" / "ATM" / "in").mkdir(parents=True)
    return tmp_path / "drop"


def turn(town: Town, folder: Path) -> int:
    return run_token_folder(folder=folder, reader=town.source, now=town.now)


def named(folder: Path, place: str) -> list[str]:
    path = folder / "ATM" / place
    return sorted(p.name for p in path.iterdir()) if path.exists() else []


def test_a_dropped_file_is_taken_and_put_away_with_its_result(town: Town, bank: FileBank, folder: Path) -> None:
    house, incoming = town.house(credit_wh=0), folder / "ATM" / "in"
    (incoming / "b1.csv").write_bytes(bank.file([bank.row(house, 1), bank.row(house, 2, token="3" * 20)]))
    (incoming / "b2.csv").write_bytes(bank.file([bank.row(house, 3)], batch="B2", count=7))
    (incoming / "writing.part").write_bytes(b"x")
    (incoming / ".hidden.csv").write_bytes(b"x")
    (incoming / "link.csv").symlink_to(incoming / "b1.csv")
    assert turn(town, folder) == 2
    assert named(folder, "in") == [".hidden.csv", "link.csv", "writing.part"]
    assert named(folder, "done") == ["b1.csv", "b1.csv.result.csv"]
    assert named(folder, "refused") == ["b2.csv", "b2.csv.result.csv"]
    result = list(csv.reader(io.StringIO((folder / "ATM" / "done" / "b1.csv.result.csv").read_text())))
    assert result == [
        ["line", "notification_id", "state", "code"],
        ["3", "sale-1", "TAKEN", ""],
        ["4", "sale-2", "REFUSED", "token_not_for_meter"],
    ]
    refused = (folder / "ATM" / "refused" / "b2.csv.result.csv").read_text()
    assert refused == "line,notification_id,state,code\n,,REFUSED,wrong_count\n"
    town.run()
    assert house.sim.credit_wh == ENERGY_WH
    # The same file again: nothing is loaded, and the earlier one is not written over.
    (incoming / "b1.csv").write_bytes((folder / "ATM" / "done" / "b1.csv").read_bytes())
    assert turn(town, folder) == 1 and TokenBatch.objects.count() == 2
    assert named(folder, "done") == ["b1-2.csv", "b1-2.csv.result.csv", "b1.csv", "b1.csv.result.csv"]


def test_a_half_written_file_is_left_until_it_has_been_quiet(town: Town, bank: FileBank, folder: Path) -> None:
    house, path = town.house(), folder / "ATM" / "in" / "b.csv"
    whole = bank.file([bank.row(house, 1)])
    path.write_bytes(whole[:-40])
    assert turn(town, folder) == 0 and TokenBatch.objects.count() == 0
    path.write_bytes(whole)
    assert turn(town, folder) == 1 and Vend.objects.count() == 1
    path.write_bytes(bank.file([bank.row(house, 2)], batch="B2")[:100])
    old = time.time() - 3600
    os.utime(path, (old, old))
    assert turn(town, folder) == 1
    assert TokenBatch.objects.get(state="REFUSED").code == "trailer_missing" and Vend.objects.count() == 1


@pytest.mark.parametrize("name", ["receive_batch", "load_batch", "_put_away", "file_away"])
@pytest.mark.parametrize("wrong", [False, True])
def test_a_death_around_any_step_of_the_folder_is_mended(
    town: Town, bank: FileBank, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, wrong: bool
) -> None:
    """The step is done and the process dies before the next one."""
    from duaarah.workers import token_folder

    class Died(BaseException):
        pass

    house = town.house(credit_wh=0)
    content = bank.file([bank.row(house, 1)], **({"count": 5} if wrong else {}))
    (folder / "ATM" / "in" / "b.csv").write_bytes(content)
    step = getattr(token_folder, name)

    def deadly(*args: Any, **said: Any) -> None:
        step(*args, **said)
        raise Died

    monkeypatch.setattr(token_folder, name, deadly)
    if name == "load_batch" and wrong:
        turn(town, folder)
    else:
        with pytest.raises(Died):
            turn(town, folder)
    monkeypatch.setattr(token_folder, name, step)
    turn(town, folder)
    place = "refused" if wrong else "done"
    assert named(folder, "in") == [] and named(folder, place) == ["b.csv", "b.csv.result.csv"]
    assert (TokenBatch.objects.count(), Vend.objects.count()) == (1, 0 if wrong else 1)
    assert len(refusals()) == int(wrong)


def test_a_folder_of_no_channel_is_refused(town: Town, folder: Path) -> None:
    (folder / "NOBODY" / "in").mkdir(parents=True)
    (folder / "NOBODY" / "in" / "b.csv").write_bytes(b"a\nend,0,0,v1=" + b"0" * 64)
    assert turn(town, folder) == 1 and refusals() == ["channel_unknown"]
    assert (folder / "NOBODY" / "refused" / "b.csv").exists()
    assert run_token_folder(folder=folder / "none", reader=town.source, now=town.now) == 0


# -- the command ---------------------------------------------------------------------------------------------------------


def command(town: Town, capsys: pytest.CaptureFixture[str], verb: str, **said: Any) -> tuple[int, list[Any], str]:
    from duaarah.cli import tokens

    args = SimpleNamespace(verb=verb, channel="ATM", **said)
    content = args.file.read_bytes() if hasattr(args, "file") else b""
    try:
        status = {"import": tokens._import, "check": tokens._check, "batches": tokens._batches}[verb](args, content)
    except LookupError as error:
        status = tokens._say(str(error.args[0]))
    out, err = capsys.readouterr()
    return status, [json.loads(line) for line in out.splitlines()], err


def test_the_command_imports_checks_and_lists(
    town: Town, bank: FileBank, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house, path = town.house(), tmp_path / "sold.csv"
    path.write_bytes(bank.file([bank.row(house, 1), bank.row(house, 2, token="4" * 20)]))
    status, lines, said = command(town, capsys, "check", file=path)
    assert (status, [line["state"] for line in lines], Vend.objects.count()) == (1, ["taken", "refused"], 0)
    assert "1 would be loaded, 0 are known already, 1 are wrong" in said
    status, lines, _ = command(town, capsys, "import", file=path)
    assert (status, lines[0]) == (1, {"line": 4, "notification_id": "sale-2", "code": "token_not_for_meter"})
    assert {"taken": 1, "refused": 1, "count": 2, "sum_idr": 100_000, "state": "DONE"}.items() <= lines[1].items()
    assert "nothing was loaded twice" in command(town, capsys, "import", file=path)[2] and Vend.objects.count() == 1
    path.write_bytes(path.read_bytes().replace(b"sale-2", b"sale-3"))
    status, lines, said = command(town, capsys, "import", file=path)
    assert (status, lines) == (1, []) and "The file was refused, nothing of it was loaded" in said
    assert "refused whole" in command(town, capsys, "check", file=path)[2]
    status, lines, _ = command(town, capsys, "batches")
    assert [(line["state"], line["code"]) for line in lines] == [("REFUSED", "signature_refused"), ("DONE", None)]
    said_digits = json.dumps(lines)
    assert not [d for d in TokenBatchRow.objects.values_list("digits", flat=True) if d in said_digits]


def test_a_meter_without_service_gets_its_digits_by_sms(town: Town, bank: FileBank) -> None:
    house = town.house(credit_wh=0)
    Pairing.objects.all().delete()
    bring(bank, bank.file([bank.row(house, 1)]))
    vend = Vend.objects.get()
    assert (vend.phone, vend.digits_sent_at, vend.command) == ("", None, None)
