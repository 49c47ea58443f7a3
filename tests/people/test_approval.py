"""The second person of a dangerous deed: asked, decided once by somebody else before it expires, spent once."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
from django.db import IntegrityError, connection, transaction

from duaarah.audit.models import AuditRecord
from duaarah.people.models import Approval, Login
from duaarah.people.operations import (
    APPROVAL_LIFE_S,
    ApprovalRefused,
    decide_approval,
    request_approval,
    use_approval,
)

pytestmark = pytest.mark.slow
AT = dt.datetime(2026, 2, 16, 8, 0, tzinfo=dt.timezone(dt.timedelta(hours=7)))
END = AT + dt.timedelta(seconds=APPROVAL_LIFE_S)
MICROSECOND = dt.timedelta(microseconds=1)
VERB, SUBJECT = "tests.open_relay", "meter:7"


@pytest.fixture
def asker(database: str) -> Login:
    return Login.objects.create_user("contoh.satu", "a password for tests")


@pytest.fixture
def second(database: str) -> Login:
    return Login.objects.create_user("contoh.dua", "a password for tests")


def ask(asker: Login) -> Approval:
    return request_approval(
        verb=VERB, subject=SUBJECT, detail={"why": 1}, reason="  A reason.  ", requested_by=asker, now=AT
    )


def approved(asker: Login, second: Login) -> Approval:
    return decide_approval(approval_id=ask(asker).pk, approve=True, decided_by=second, now=AT)


def use(approval: Approval, *, verb: str = VERB, subject: str = SUBJECT, now: dt.datetime = AT) -> Approval:
    with transaction.atomic():
        return use_approval(approval_id=approval.pk, verb=verb, subject=subject, now=now)


def approvals() -> list[tuple[object, ...]]:
    return list(Approval.objects.order_by("pk").values_list())


def lines() -> list[tuple[str, str, str, bool, str]]:
    return list(AuditRecord.objects.order_by("pk").values_list("actor", "verb", "subject", "refused", "code"))


def refused_lines() -> list[tuple[str, str, str, str]]:
    return [(actor, verb, subject, code) for actor, verb, subject, refused, code in lines() if refused]


def test_asked_decided_and_used(asker: Login, second: Login) -> None:
    approval = ask(asker)
    assert (approval.state, approval.reason, approval.requested_at, approval.expires_at) == (
        "REQUESTED",
        "A reason.",
        AT,
        AT + dt.timedelta(hours=24),
    )
    later = AT + dt.timedelta(hours=1)
    decided = decide_approval(approval_id=approval.pk, approve=True, decided_by=second, now=later)
    assert (decided.state, decided.decided_by_id, decided.decided_at) == ("APPROVED", second.pk, later)
    assert use(approval, now=later).state == "USED"

    stored = Approval.objects.get()
    assert (stored.state, stored.decided_by_id, stored.decided_at) == ("USED", second.pk, later)
    subject = f"approval:{approval.pk}"
    assert lines() == [
        (f"login:{asker.pk}", "people.request_approval", subject, False, ""),
        (f"login:{second.pk}", "people.decide_approval", subject, False, ""),
    ]
    assert [r.detail["state"] for r in AuditRecord.objects.order_by("pk")] == ["REQUESTED", "APPROVED"]
    assert set(AuditRecord.objects.values_list("reason", flat=True)) == {"A reason."}


def test_the_second_person_may_say_no_and_that_stays(asker: Login, second: Login) -> None:
    approval = ask(asker)
    decided = decide_approval(approval_id=approval.pk, approve=False, decided_by=second, now=AT)
    assert decided.state == "REFUSED"
    before = approvals()
    with pytest.raises(ApprovalRefused):
        use(approval)
    with pytest.raises(ApprovalRefused):
        decide_approval(approval_id=approval.pk, approve=True, decided_by=second, now=AT)
    assert approvals() == before


@pytest.mark.parametrize("reason", ["", "  ", "\n"])
def test_a_reason_is_mandatory(asker: Login, reason: str) -> None:
    with pytest.raises(ValueError, match="reason"):
        request_approval(verb=VERB, subject=SUBJECT, detail={}, reason=reason, requested_by=asker, now=AT)
    assert approvals() == [] and lines() == []


@pytest.mark.parametrize("approve", [True, False])
def test_the_one_who_asks_cannot_decide(asker: Login, second: Login, approve: bool) -> None:
    approval = ask(asker)
    before = approvals()
    with pytest.raises(ApprovalRefused, match="one who asks") as refused:
        decide_approval(approval_id=approval.pk, approve=approve, decided_by=asker, now=AT)
    assert refused.value.code == "approval_refused"
    assert approvals() == before
    assert refused_lines() == [
        (f"login:{asker.pk}", "people.decide_approval", f"approval:{approval.pk}", "approval_refused")
    ]
    # The request stands; the second person can still decide it.
    assert decide_approval(approval_id=approval.pk, approve=True, decided_by=second, now=AT).state == "APPROVED"


def test_the_database_itself_refuses_one_person_twice(asker: Login) -> None:
    approval = ask(asker)
    before = approvals()
    with pytest.raises(IntegrityError, match="people_approval_second_person"):
        Approval.objects.filter(pk=approval.pk).update(state="APPROVED", decided_by=asker, decided_at=AT)
    assert approvals() == before


def test_a_request_expires_by_business_time(asker: Login, second: Login) -> None:
    in_time, late = ask(asker), ask(asker)
    decide_approval(approval_id=in_time.pk, approve=True, decided_by=second, now=END - MICROSECOND)
    before = approvals()
    for approve in (True, False):
        with pytest.raises(ApprovalRefused, match="expired"):
            decide_approval(approval_id=late.pk, approve=approve, decided_by=second, now=END)
    assert approvals() == before
    assert len(refused_lines()) == 2


def test_an_approval_expires_by_business_time(asker: Login, second: Login) -> None:
    in_time, late = approved(asker, second), approved(asker, second)
    assert use(in_time, now=END - MICROSECOND).state == "USED"
    before = approvals()
    with pytest.raises(ApprovalRefused, match="expired"):
        use(late, now=END)
    assert approvals() == before


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("again", [True, False])
def test_nothing_is_decided_twice(asker: Login, second: Login, first: bool, again: bool) -> None:
    third = Login.objects.create_user("contoh.tiga", "a password for tests")
    approval = ask(asker)
    decide_approval(approval_id=approval.pk, approve=first, decided_by=second, now=AT)
    before = approvals()
    for who in (second, third):
        with pytest.raises(ApprovalRefused, match="state"):
            decide_approval(approval_id=approval.pk, approve=again, decided_by=who, now=AT)
    assert approvals() == before
    assert [actor for actor, *_ in refused_lines()] == [f"login:{second.pk}", f"login:{third.pk}"]


def test_two_who_decide_at_once_decide_once(asker: Login, second: Login) -> None:
    third = Login.objects.create_user("contoh.tiga", "a password for tests")
    approval = ask(asker)
    together = threading.Barrier(2)
    said: list[str] = []

    def decide(who: Login, approve: bool) -> None:
        try:
            together.wait(30)
            said.append(decide_approval(approval_id=approval.pk, approve=approve, decided_by=who, now=AT).state)
        except ApprovalRefused as error:
            said.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=decide, args=args) for args in ((second, True), (third, False))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = Approval.objects.get().state
    assert sorted(said) == sorted([state, "approval_refused"]) and state in ("APPROVED", "REFUSED")
    assert len(refused_lines()) == 1


@pytest.mark.parametrize(("verb", "subject"), [("tests.other", SUBJECT), (VERB, "meter:8")])
def test_an_approval_is_for_one_deed(asker: Login, second: Login, verb: str, subject: str) -> None:
    approval = approved(asker, second)
    before = approvals()
    with pytest.raises(ApprovalRefused, match="another deed"):
        use(approval, verb=verb, subject=subject)
    assert approvals() == before


def test_an_approval_is_used_once_and_not_before_it_is_given(asker: Login, second: Login) -> None:
    approval = ask(asker)
    with pytest.raises(ApprovalRefused, match="state"):
        use(approval)
    decide_approval(approval_id=approval.pk, approve=True, decided_by=second, now=AT)
    use(approval)
    before = approvals()
    with pytest.raises(ApprovalRefused, match="state"):
        use(approval)
    assert approvals() == before


def test_an_approval_is_spent_only_if_the_deed_is_done(asker: Login, second: Login) -> None:
    approval = approved(asker, second)
    with pytest.raises(transaction.TransactionManagementError):
        use_approval(approval_id=approval.pk, verb=VERB, subject=SUBJECT, now=AT)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        use_approval(approval_id=approval.pk, verb=VERB, subject=SUBJECT, now=AT)
        raise ZeroDivisionError
    assert Approval.objects.get().state == "APPROVED"


def test_the_entries_raise_inside_a_transaction(asker: Login, second: Login) -> None:
    approval = ask(asker)
    before, said = approvals(), lines()
    with pytest.raises(RuntimeError), transaction.atomic():
        ask(asker)
    with pytest.raises(RuntimeError), transaction.atomic():
        decide_approval(approval_id=approval.pk, approve=True, decided_by=second, now=AT)
    assert approvals() == before and lines() == said
