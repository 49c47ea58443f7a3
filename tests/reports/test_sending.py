"""
Reports against a real SMTP conversation: what is due is sent once, refusals and silence are told apart, and whoever dies
where, nothing is lost and nothing comes more than twice, then as the same message.
"""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from tests.reports.smtp_peer import Peer, peer

from duaarah.clock import operations as clock_operations
from duaarah.people.models import Login, Membership, Organisation, Unit
from duaarah.reports import composing, sending
from duaarah.reports.composing import Attachment, Letter
from duaarah.reports.models import Attempt, Issue, Subscription
from duaarah.reports.operations import OPEN_MAX, ReportRefused, ask_trial, make_due, subscribe, unsubscribe
from duaarah.reports.sending import PAUSES_MIN, send_next

pytestmark = pytest.mark.slow
START = dt.datetime(2026, 11, 25, 2, 30, tzinfo=dt.UTC)  # 09.30 WIB, a Wednesday
ROOT = Path(__file__).parents[2]
SENDER = "Dua Arah <laporan@pln.example>"


class Mail:
    """A subscriber, a server, and the time, which goes on when it is told to."""

    def __init__(self, server: Peer) -> None:
        self.server, self.now = server, START
        organisation = Organisation.objects.create(code="pln", name="PLN", kind="UTILITY")
        self.unit = Unit.objects.create(organisation=organisation, code="U1", name="Unit 1")
        self.login = Login.objects.create_user("melati")
        Membership.objects.create(login=self.login, unit=self.unit, role="VIEWER")

    def subscribe(self, **changed: Any) -> Subscription:
        wish: dict[str, Any] = {
            "login": self.login, "email": "melati@pln.example", "report": "MORNING", "rhythm": "DAILY", "hour": 6,
            "weekday": 0, "unit": None, "language": "id", "domains": (), "now": self.now,
        }  # fmt: skip
        return subscribe(**{**wish, **changed})

    def on(self, **span: float) -> None:
        self.now += dt.timedelta(**span)

    def turn(self) -> int:
        """One run of the chore; returns how many tries it made."""
        make_due(sender=SENDER, now=self.now)
        tries = 0
        while send_next(now=lambda: self.now):
            tries += 1
        return tries

    def outcomes(self) -> list[str]:
        return list(Attempt.objects.order_by("pk").values_list("outcome", flat=True))

    @property
    def issue(self) -> Issue:
        return Issue.objects.get()


@pytest.fixture
def mail(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    clock_operations.move(at=START, rate=1, founding=True)
    with peer() as server:
        for name, value in {
            "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend", "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": server.server_address[1], "EMAIL_USE_TLS": False, "EMAIL_TIMEOUT": 3, "DEFAULT_FROM_EMAIL": SENDER,
        }.items():  # fmt: skip
            monkeypatch.setattr(settings, name, value)
        monkeypatch.setattr(composing, "_makers", [letter])
        yield Mail(server)


def letter(subscription: Subscription, due_at: dt.datetime, now: dt.datetime) -> Letter:
    return Letter(
        subject="Jaringan pagi ini · semua", text="teks", html="<p>html</p>", headers={"List-Unsubscribe": "<https://x/>"},
        attachments=(Attachment(name="a.pdf", content=b"%PDF-", kind="application/pdf"),),
    )  # fmt: skip


def test_what_is_due_is_sent_once_with_all_its_parts(mail: Mail) -> None:
    mail.subscribe()
    assert mail.turn() == 0
    mail.on(hours=21)
    assert mail.turn() == 1 and mail.turn() == 0
    (got,) = mail.server.taken
    assert got["Message-ID"] == mail.issue.message_id and got["Message-ID"].endswith("@pln.example>")
    assert got["Subject"] == "Jaringan pagi ini · semua" and got["To"] == "melati@pln.example" and got["From"] == SENDER
    assert got["List-Unsubscribe"] == "<https://x/>"
    kinds = [part.get_content_type() for part in got.walk() if not part.is_multipart()]
    assert kinds == ["text/plain", "text/html", "application/pdf"]
    assert mail.issue.state == "SENT" and mail.outcomes() == ["SENT"]
    assert mail.issue.due_at.isoformat() == "2026-11-25T23:00:00+00:00"


def test_after_a_long_silence_only_the_newest_comes(mail: Mail) -> None:
    mail.subscribe()
    mail.on(days=9)
    mail.turn()
    assert mail.issue.due_at == dt.datetime(2026, 12, 3, 23, tzinfo=dt.UTC)
    mail.on(days=1)
    mail.turn()
    assert len(mail.server.taken) == 2


@pytest.mark.parametrize("stage", ["mail", "rcpt", "end", "data"])
def test_a_refusal_for_good_is_not_tried_again(mail: Mail, stage: str) -> None:
    mail.subscribe()
    mail.on(days=1)
    mail.server.scripts = [{stage: "550 no such mailbox"}]
    mail.turn()
    assert mail.issue.state == "FAILED" and mail.outcomes() == ["REFUSED"]
    last = Attempt.objects.get()
    assert (last.code, last.words) == (550, "no such mailbox")
    mail.on(hours=20)
    assert mail.turn() == 0


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "end"])
def test_not_now_is_tried_again_after_a_pause(mail: Mail, stage: str) -> None:
    mail.subscribe()
    mail.on(days=1)
    mail.server.scripts = [{stage: "451 greylisted"}, {stage: "451 greylisted"}]
    assert mail.turn() == 1 and mail.turn() == 0
    mail.on(minutes=PAUSES_MIN[0])
    assert mail.turn() == 1
    mail.on(minutes=PAUSES_MIN[1] - 1)
    assert mail.turn() == 0
    mail.on(minutes=1)
    assert mail.turn() == 1
    assert mail.outcomes() == ["DEFERRED", "DEFERRED", "SENT"] and len(mail.server.taken) == 1


def test_a_server_that_is_away_is_waited_for_and_at_last_given_up(mail: Mail) -> None:
    mail.subscribe()
    mail.on(days=1)
    mail.server.scripts = [{"greeting": ""}, {"greeting": "421 busy"}] + [{"greeting": "554 never"}] * 9
    tries = mail.turn()
    for pause in PAUSES_MIN:
        mail.on(minutes=pause)
        # The next day's report comes meanwhile; only this one is looked at.
        Subscription.objects.update(next_due_at=mail.now + dt.timedelta(days=9))
        tries += mail.turn()
    assert tries == len(PAUSES_MIN) + 1 and mail.issue.state == "FAILED"
    assert set(mail.outcomes()) == {"UNREACHED"} and mail.server.whole == []


def test_no_answer_to_a_message_that_was_handed_over_is_repeated_once_as_the_same_one(mail: Mail) -> None:
    mail.subscribe()
    mail.on(days=1)
    mail.server.scripts = [{"end": ""}]
    mail.turn()
    assert mail.issue.state == "WAITING" and mail.outcomes() == ["NO_ANSWER"]
    mail.on(minutes=PAUSES_MIN[0])
    mail.turn()
    assert mail.issue.state == "SENT" and len(mail.server.whole) == 2
    assert len({each["Message-ID"] for each in mail.server.whole}) == 1


def test_twice_no_answer_is_told_and_not_tried_a_third_time(mail: Mail) -> None:
    mail.subscribe()
    mail.on(days=1)
    mail.server.scripts = [{"end": ""}, {"end": ""}]
    mail.turn()
    mail.on(minutes=PAUSES_MIN[0])
    mail.turn()
    mail.on(hours=5)
    assert mail.turn() == 0 and mail.issue.state == "UNSURE" and len(mail.server.whole) == 2


def test_a_leave_that_fails_takes_nothing_back(mail: Mail) -> None:
    mail.subscribe()
    mail.on(days=1)
    mail.server.scripts = [{"quit": "451 what?"}]
    mail.turn()
    assert mail.issue.state == "SENT" and len(mail.server.taken) == 1


class Death(BaseException):
    """A process that is gone: nothing after it runs."""


def dies_at(monkeypatch: pytest.MonkeyPatch, name: str, *, after: bool = False) -> Callable[[], None]:
    usual = getattr(sending, name)

    def dead(*args: Any, **kwargs: Any) -> Any:
        if after:
            usual(*args, **kwargs)
        raise Death

    monkeypatch.setattr(sending, name, dead)
    return lambda: monkeypatch.setattr(sending, name, usual)


@pytest.mark.parametrize(
    ("name", "after", "messages", "outcomes"),
    [
        ("_try", False, 1, ["DIED", "SENT"]),  # the try is noted, nothing more
        ("letter_of", True, 1, ["DIED", "SENT"]),  # the report is made
        ("_message", True, 1, ["DIED", "SENT"]),  # just before the server is reached
        ("_handed", False, 1, ["NO_ANSWER", "SENT"]),  # told that it goes, it did not
        ("_handed", True, 2, ["NO_ANSWER", "SENT"]),  # the server took it, nobody noted
        ("_close", False, 2, ["NO_ANSWER", "SENT"]),
        ("_settle", True, 2, ["NO_ANSWER", "SENT"]),  # the outcome was never committed
    ],
)
def test_whoever_dies_where_it_comes_and_at_most_twice(
    mail: Mail, monkeypatch: pytest.MonkeyPatch, name: str, after: bool, messages: int, outcomes: list[str]
) -> None:
    mail.subscribe()
    mail.on(days=1)
    revive = dies_at(monkeypatch, name, after=after)
    with pytest.raises(Death):
        mail.turn()
    revive()
    assert mail.turn() == 0  # somebody may still be at it
    mail.on(minutes=15)
    mail.turn()
    mail.on(minutes=PAUSES_MIN[0])
    mail.turn()
    assert mail.issue.state == "SENT" and mail.outcomes() == outcomes
    assert len(mail.server.taken) == messages and len({each["Message-ID"] for each in mail.server.taken}) == 1


KILLED = """
import os, sys
import django
django.setup()
from django.conf import settings
settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "127.0.0.1", int(sys.argv[1]), False
settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
from datetime import datetime
from duaarah.reports import composing, sending
composing.use_maker(lambda *_: composing.Letter(subject="s", text="t", html="h"))
sending._close = lambda *_: os.kill(os.getpid(), 9)
sending.send_next(now=lambda: datetime.fromisoformat(sys.argv[2]))
"""


def test_a_killed_process_has_sent_once_and_the_next_repeats_the_same_message(mail: Mail, database: str) -> None:
    mail.subscribe()
    mail.on(days=1)
    make_due(sender=SENDER, now=mail.now)
    port = str(mail.server.server_address[1])
    environment = {**os.environ, "DUAARAH_DATABASE_URL": database, "PYTHONPATH": str(ROOT / "src")}
    run = subprocess.run([sys.executable, "-c", KILLED, port, mail.now.isoformat()], env=environment, timeout=60)
    assert run.returncode == -9 and len(mail.server.taken) == 1
    assert mail.issue.state == "SENDING" and Attempt.objects.get().handed_at is not None
    mail.on(minutes=15)
    mail.turn()
    mail.on(minutes=PAUSES_MIN[0])
    mail.turn()
    assert mail.issue.state == "SENT" and mail.outcomes() == ["NO_ANSWER", "SENT"]
    assert len(mail.server.taken) == 2 and len({each["Message-ID"] for each in mail.server.taken}) == 1


def test_a_death_while_due_ones_are_made_loses_none_and_doubles_none(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    from duaarah.reports import operations

    mail.subscribe()
    mail.subscribe(report="LOSSES")
    mail.on(days=1)
    usual = operations.next_due
    calls = []

    def dead(**kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise Death
        return usual(**kwargs)

    monkeypatch.setattr(operations, "next_due", dead)
    with pytest.raises(Death):
        mail.turn()
    assert Issue.objects.count() == 1
    monkeypatch.setattr(operations, "next_due", usual)
    mail.turn()
    assert Issue.objects.count() == 2 and len(mail.server.taken) == 2


def test_a_sender_that_was_taken_for_dead_and_was_not_ends_the_repeat(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail.subscribe()
    mail.on(days=1)
    usual = sending._close
    late: list[tuple[Any, ...]] = []
    monkeypatch.setattr(sending, "_close", lambda *args: late.append(args))
    mail.turn()
    monkeypatch.setattr(sending, "_close", usual)
    mail.on(minutes=15)
    mail.turn()
    assert mail.issue.state == "WAITING"
    usual(*late[0])
    mail.on(hours=1)
    assert mail.turn() == 0 and mail.issue.state == "SENT" and mail.outcomes() == ["SENT"]


def test_a_report_that_cannot_be_made_is_tried_again_and_told(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    mail.subscribe()
    mail.on(days=1)

    def broken(*_: object) -> Letter:
        raise ZeroDivisionError

    monkeypatch.setattr(composing, "_makers", [broken])
    mail.turn()
    assert Attempt.objects.get().words == "ZeroDivisionError" and mail.server.connections == 0
    monkeypatch.setattr(composing, "_makers", [letter])
    mail.on(minutes=PAUSES_MIN[0])
    mail.turn()
    assert mail.outcomes() == ["NOT_MADE", "SENT"]


def test_a_name_with_a_line_break_breaks_no_header(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    mail.subscribe()
    monkeypatch.setattr(composing, "_makers", [lambda *args: replace(letter(*args), subject="Unit\nBcc: x@x.example")])
    mail.on(days=1)
    mail.turn()
    assert mail.server.taken[0]["Subject"] == "Unit Bcc: x@x.example" and mail.server.taken[0]["Bcc"] is None
    bad = {"List-Unsubscribe": "<https://x/>\nBcc: x@x.example"}
    monkeypatch.setattr(composing, "_makers", [lambda *args: replace(letter(*args), headers=bad)])
    mail.on(days=1)
    mail.turn()
    assert mail.outcomes()[-1] == "NOT_MADE" and len(mail.server.whole) == 1


def test_whoever_ended_it_or_left_the_utility_gets_nothing(mail: Mail) -> None:
    ended, left = mail.subscribe(), mail.subscribe(report="RELIABILITY")
    mail.on(days=1)
    make_due(sender=SENDER, now=mail.now)
    assert unsubscribe(subscription_id=ended.pk, actor="link", now=mail.now)
    assert not unsubscribe(subscription_id=ended.pk, actor="link", now=mail.now)
    Membership.objects.all().delete()
    assert not send_next(now=lambda: mail.now)
    mail.on(days=1)
    mail.turn()
    assert mail.server.connections == 0
    assert set(Issue.objects.values_list("state", flat=True)) == {"WITHDRAWN"}
    left.refresh_from_db()
    assert left.ended_by == "system:not_a_member"


def test_a_trial_comes_now_and_changes_nothing(mail: Mail) -> None:
    own = mail.subscribe(rhythm="MONTHLY")
    ask_trial(subscription_id=own.pk, sender=SENDER, now=mail.now)
    with pytest.raises(ReportRefused) as waits:
        ask_trial(subscription_id=own.pk, sender=SENDER, now=mail.now)
    mail.turn()
    assert waits.value.code == "trial_waits" and mail.issue.trial and len(mail.server.taken) == 1
    ask_trial(subscription_id=own.pk, sender=SENDER, now=mail.now)
    due_at = own.next_due_at
    own.refresh_from_db()
    assert own.next_due_at == due_at


def test_one_who_left_holds_up_nobody(mail: Mail) -> None:
    mail.subscribe()
    other = Login.objects.create_user("kenanga")
    Membership.objects.create(login=other, unit=mail.unit, role="VIEWER")
    mail.on(seconds=1)
    mail.subscribe(login=other, email="kenanga@pln.example")
    mail.on(days=1)
    make_due(sender=SENDER, now=mail.now)
    mail.login.memberships.all().delete()
    assert send_next(now=lambda: mail.now)
    assert [each["To"] for each in mail.server.taken] == ["kenanga@pln.example"]


@pytest.mark.parametrize(("given", "wanted"), [
    ("", ("", 587, "starttls")), ("mail.pln.example", ("mail.pln.example", 587, "starttls")),
    ("mail.pln.example,tls", ("mail.pln.example", 465, "tls")), ("127.0.0.1:2525,plain", ("127.0.0.1", 2525, "plain")),
])  # fmt: skip
def test_the_servers_place_is_read(monkeypatch: pytest.MonkeyPatch, given: str, wanted: tuple[str, int, str]) -> None:
    from duaarah.project import settings as of_environment

    monkeypatch.setenv("DUAARAH_SMTP", given)
    assert of_environment._mail_server() == wanted
    for wrong in ("mail:x", "mail,ssl"):
        monkeypatch.setenv("DUAARAH_SMTP", wrong)
        with pytest.raises(ValueError, match="DUAARAH_SMTP"):
            of_environment._mail_server()


def test_what_is_no_subscription_is_refused(mail: Mail) -> None:
    first = mail.subscribe()
    for changed, code in (
        ({"email": "nobody"}, "email"), ({"domains": ("other.example",), "report": "LOSSES"}, "domain"), ({"hour": 24}, "choice"),
        ({"rhythm": "X"}, "choice"), ({"report": "X"}, "choice"), ({}, "twice"), ({"weekday": 7}, "choice"),
    ):  # fmt: skip
        with pytest.raises(ReportRefused) as refused:
            mail.subscribe(**changed)
        assert refused.value.code == code, changed
    unsubscribe(subscription_id=first.pk, actor="test", now=mail.now)
    for number in range(OPEN_MAX):
        mail.subscribe(email=f"m{number}@pln.example")
    with pytest.raises(ReportRefused) as refused:
        mail.subscribe(email="more@pln.example")
    assert refused.value.code == "many"
