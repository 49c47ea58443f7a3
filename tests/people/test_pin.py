"""The PIN: six digits, kept as a salted hash; three wrong ones lock it for an hour of business time."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
from django.db import connection, transaction

from duaarah.audit.models import AuditRecord
from duaarah.people.models import AccountHolder
from duaarah.people.operations import PIN_LOCK_S, PINLocked, PINRefused, check_pin, set_pin

pytestmark = pytest.mark.slow
AT = dt.datetime(2026, 2, 16, 8, 0, tzinfo=dt.timezone(dt.timedelta(hours=7)))
UNLOCKED = AT + dt.timedelta(seconds=PIN_LOCK_S)
MICROSECOND = dt.timedelta(microseconds=1)
RIGHT, WRONG = "123456", "654321"


@pytest.fixture
def holder(database: str) -> AccountHolder:
    made = AccountHolder.objects.create(name="Contoh 001", kind="HOUSEHOLD", language="id")
    set_pin(holder=made, pin=RIGHT)
    return made


def refused(holder: AccountHolder, pin: str = WRONG, now: dt.datetime = AT) -> str:
    """The code of the refusal."""
    with pytest.raises(PINRefused) as error:
        check_pin(holder=holder, pin=pin, now=now)
    assert pin not in str(error.value) or not pin
    return error.value.code


def state(holder: AccountHolder) -> tuple[int, dt.datetime | None]:
    row = AccountHolder.objects.get(pk=holder.pk)
    return row.pin_failures, row.pin_locked_until_at


def codes() -> list[str]:
    return list(AuditRecord.objects.filter(refused=True).order_by("pk").values_list("code", flat=True))


def test_the_right_pin_passes_and_leaves_no_trace(holder: AccountHolder) -> None:
    check_pin(holder=holder, pin=RIGHT, now=AT)
    assert state(holder) == (0, None) and AuditRecord.objects.count() == 0


def test_the_pin_is_kept_as_a_salted_hash(holder: AccountHolder) -> None:
    other = AccountHolder.objects.create(name="Contoh 002", kind="HOUSEHOLD", language="id")
    set_pin(holder=other, pin=RIGHT)
    assert RIGHT not in holder.pin_hash and holder.pin_hash != other.pin_hash


@pytest.mark.parametrize(
    "pin", ["", "12345", "1234567", "12345a", " 12345", "12 456", "-12345", "１２３４５６", "١٢٣٤٥٦"]
)
def test_a_pin_is_six_digits(holder: AccountHolder, pin: str) -> None:
    before = holder.pin_hash
    with pytest.raises(ValueError, match="six digits"):
        set_pin(holder=holder, pin=pin)
    assert AccountHolder.objects.get(pk=holder.pk).pin_hash == before


@pytest.mark.parametrize("pin", [WRONG, "", "12345", "123456 ", "1234567"])
def test_a_wrong_pin_is_refused_counted_and_recorded_without_the_pin(holder: AccountHolder, pin: str) -> None:
    assert refused(holder, pin) == "pin_refused"
    assert state(holder) == (1, None)
    line = AuditRecord.objects.get()
    assert (line.verb, line.actor, line.subject, line.code, line.refused) == (
        "people.check_pin",
        f"holder:{holder.pk}",
        f"holder:{holder.pk}",
        "pin_refused",
        True,
    )
    assert (line.reason, line.detail) == ("", {})


def test_without_a_pin_nothing_passes(database: str) -> None:
    nobody = AccountHolder.objects.create(name="Contoh 003", kind="HOUSEHOLD", language="id")
    assert [refused(nobody, pin) for pin in ("", RIGHT)] == ["pin_refused"] * 2


def test_a_right_pin_forgets_the_wrong_ones(holder: AccountHolder) -> None:
    for _ in range(2):
        assert [refused(holder), refused(holder)] == ["pin_refused"] * 2
        check_pin(holder=holder, pin=RIGHT, now=AT)
        assert state(holder) == (0, None)


def test_three_wrong_pins_lock_it_for_an_hour_of_business_time(holder: AccountHolder) -> None:
    assert [refused(holder) for _ in range(3)] == ["pin_refused", "pin_refused", "pin_locked"]
    assert state(holder) == (0, UNLOCKED)

    assert refused(holder, RIGHT) == "pin_locked"
    assert refused(holder, RIGHT, UNLOCKED - MICROSECOND) == "pin_locked"
    assert state(holder) == (0, UNLOCKED)
    assert codes() == ["pin_refused", "pin_refused", "pin_locked", "pin_locked", "pin_locked"]

    check_pin(holder=holder, pin=RIGHT, now=UNLOCKED)
    assert len(codes()) == 5


def test_wrong_pins_within_the_lock_do_not_make_it_longer(holder: AccountHolder) -> None:
    for _ in range(3):
        refused(holder)
    for _ in range(5):
        assert refused(holder, WRONG, AT + dt.timedelta(minutes=30)) == "pin_locked"
    assert state(holder) == (0, UNLOCKED)


def test_after_the_lock_there_are_three_tries_again(holder: AccountHolder) -> None:
    for _ in range(3):
        refused(holder)
    assert [refused(holder, WRONG, UNLOCKED) for _ in range(3)] == ["pin_refused", "pin_refused", "pin_locked"]
    assert state(holder) == (0, UNLOCKED + dt.timedelta(seconds=PIN_LOCK_S))


def test_the_lock_is_one_holders(holder: AccountHolder) -> None:
    other = AccountHolder.objects.create(name="Contoh 002", kind="HOUSEHOLD", language="id")
    set_pin(holder=other, pin=WRONG)
    for _ in range(3):
        refused(holder)
    check_pin(holder=other, pin=WRONG, now=AT)


def test_a_new_pin_unlocks(holder: AccountHolder) -> None:
    for _ in range(3):
        refused(holder)
    set_pin(holder=holder, pin=WRONG)
    check_pin(holder=holder, pin=WRONG, now=AT)
    assert state(holder) == (0, None)


def test_a_count_cannot_be_rolled_back_by_the_caller(holder: AccountHolder) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        check_pin(holder=holder, pin=WRONG, now=AT)
    assert state(holder) == (0, None)


def test_guesses_at_once_are_all_counted(holder: AccountHolder) -> None:
    """Five guesses at the same moment get no more than three tries; the right PIN among the late ones is refused."""
    together = threading.Barrier(5)
    said: list[str] = []

    def guess(number: int) -> None:
        try:
            together.wait(30)
            check_pin(holder=holder, pin=f"00000{number}", now=AT)
            said.append("passed")
        except PINLocked:
            said.append("pin_locked")
        except PINRefused:
            said.append("pin_refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["pin_locked"] * 3 + ["pin_refused"] * 2
    assert state(holder) == (0, UNLOCKED)
    assert refused(holder, RIGHT) == "pin_locked"
