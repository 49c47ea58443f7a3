"""Keys of vending operators: what they are bound to, how many there may be, and what is refused makes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from tests.flows.house import START

from duaarah.audit.models import AuditRecord
from duaarah.people.models import OperatorKey, Organisation, Unit
from duaarah.people.operator_keys import (
    KEYS_MAX,
    OperatorKeyRefused,
    make_operator_key,
    operator_of_key,
    revoke_operator_key,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def organisation(database: str) -> Organisation:
    return Organisation.objects.create(code="PLN", name="PLN", kind="UTILITY")


def make(organisation: Organisation, **changed: Any) -> tuple[OperatorKey, str]:
    wanted = {"unit": None, "name": "till", "scopes": ["sts:issue"], "registers": ["r"], "actor": "test", **changed}
    return make_operator_key(organisation=organisation, now=START, **wanted)


def test_a_key_opens_what_it_is_bound_to_until_it_is_revoked(organisation: Organisation) -> None:
    unit = Unit.objects.create(organisation=organisation, code="JKT", name="JKT")
    key, plain = make(organisation, unit=unit, scopes=["sts:issue", "sts:decode", "sts:issue"], registers=["b", "a"])
    found = operator_of_key(plain)
    assert found is not None
    assert (found.pk, found.unit, found.scopes, found.registers) == (
        key.pk,
        unit,
        ["sts:decode", "sts:issue"],
        ["a", "b"],
    )
    assert operator_of_key("da_" + plain[3:]) is None and operator_of_key(plain + "x" * 80) is None
    assert revoke_operator_key(key_id=key.pk, actor="test", now=START)
    assert operator_of_key(plain) is None
    assert list(AuditRecord.objects.order_by("pk").values_list("verb", "subject")) == [
        ("people.make_operator_key", f"operatorkey:{key.pk}"),
        ("people.revoke_operator_key", f"operatorkey:{key.pk}"),
    ]


@pytest.mark.parametrize(
    "changed",
    [{"name": ""}, {"name": "x" * 61}, {"scopes": []}, {"scopes": ["sts:all"]}, {"registers": []}, {"registers": [""]}],
)
def test_what_is_refused_makes_no_key(organisation: Organisation, changed: dict[str, Any]) -> None:
    with pytest.raises(OperatorKeyRefused):
        make(organisation, **changed)
    assert (OperatorKey.objects.count(), AuditRecord.objects.count()) == (0, 0)


def test_anothers_unit_and_a_key_too_many_are_refused(organisation: Organisation) -> None:
    other = Organisation.objects.create(code="B", name="B", kind="COMPANY")
    with pytest.raises(OperatorKeyRefused):
        make(organisation, unit=Unit.objects.create(organisation=other, code="U", name="U"))
    for _ in range(KEYS_MAX):
        make(organisation)
    with pytest.raises(OperatorKeyRefused):
        make(organisation)
    make(other)
    assert OperatorKey.objects.count() == KEYS_MAX + 1
