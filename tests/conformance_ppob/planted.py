"""
Bugs of the purchase protocol that somebody could make, each a patch of one named function or statement, and the
invariants that may find it. `MACHINE` are found by playing the protocol in any order, `WIRE` by the conformance table.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F

from duaarah.vending.models import Channel, Deposit, Vend
from duaarah.vending.operations import ppob
from duaarah.vending.operations.books import PENDING, book, deposit_account
from duaarah.vending.operations.tids import next_tid
from duaarah.vending.ports import Refused, Unknown
from duaarah.vending.ppob_models import PPOBInquiry, Registration, UnsoldToken
from tests.conformance_ppob.world import module

Plant = Callable[[pytest.MonkeyPatch], None]
top_up, issue, purchase, unsold = (module(name) for name in ("top_up", "issue", "ppob.purchase", "ppob.unsold"))
sweep, bills = module("sweep"), module("ppob.bills")


def _fresh_tid(vend: Vend, now: Any) -> int:
    with transaction.atomic(durable=True):
        return next_tid(meter_id=vend.meter_id, base_date=vend.base_date, ken=vend.ken, now=now)


def new_tid_on_retry(patch: pytest.MonkeyPatch) -> None:
    real = top_up.obtain_token

    def obtain_token(*, vend: Vend, token_source: Any, now: Any) -> Any:
        if vend.state == Vend.State.PAID and vend.obtain_attempts:
            vend.tid = _fresh_tid(vend, now)
        return real(vend=vend, token_source=token_source, now=now)

    for where in (top_up, purchase, sweep):
        patch.setattr(where, "obtain_token", obtain_token)


def refund_on_unknown(patch: pytest.MonkeyPatch) -> None:
    """A time-out taken for a failure: the money goes back, and the answer that comes late finds no purchase."""
    real = issue.record_outcome

    def record_outcome(*, vend_id: int, answer: Any, now: Any) -> Any:
        if isinstance(answer, Unknown) and Vend.objects.get(pk=vend_id).obtain_attempts:
            answer = Refused("timeout", "No answer came in time.")
        return real(vend_id=vend_id, answer=answer, now=now)

    patch.setattr(top_up, "record_outcome", record_outcome)


def refund_after_a_late_answer(patch: pytest.MonkeyPatch) -> None:
    """A refusal that arrives after another worker has issued the token still gives the money back."""
    real = issue.record_outcome

    def record_outcome(*, vend_id: int, answer: Any, now: Any) -> Any:
        vend = Vend.objects.get(pk=vend_id)
        if isinstance(answer, Unknown) and vend.state == Vend.State.ISSUED:
            with transaction.atomic(durable=True):
                vend = Vend.objects.select_related("payment").get(pk=vend_id)
                issue.refund_paid(vend, Refused("late", "No answer came in time."), now)
            return issue.TopUpOutcome(vend=vend, digits=None, repeated=False)
        return real(vend_id=vend_id, answer=answer, now=now)

    patch.setattr(top_up, "record_outcome", record_outcome)


def ledger_after_the_reply(patch: pytest.MonkeyPatch) -> None:
    """The sale is booked when the next message comes, not in the transaction of the token."""
    real, waiting = issue.book, []

    def later(**said: Any) -> None:
        waiting.append(said)

    def admit(*args: Any, **said: Any) -> Any:
        with transaction.atomic(durable=True):
            while waiting:
                real(**waiting.pop())
        return admitted(*args, **said)

    admitted = ppob.admit
    patch.setattr(issue, "book", later)
    patch.setattr(ppob, "admit", admit)


def advice_buys_again(patch: pytest.MonkeyPatch) -> None:
    """Asked for a purchase whose token it does not have, the host buys another one."""
    real = ppob.advise

    def advise(**said: Any) -> Any:
        try:
            return real(**said)
        except ppob.PPOBRefused as error:
            if error.response not in ("0063", "0068"):
                raise
            sale = purchase.load(gate=said["gate"], named=said["named"], now=said["now"])
            try:
                vend, _ = top_up.take_payment(
                    pairing=top_up.OneWay(meter=sale.meter),
                    amount_idr=said["amount_idr"],
                    channel=said["gate"].channel,
                    reference=f"{sale.reference}:again",
                    now=said["now"],
                )
            except top_up.TopUpRefused:
                raise error from None
            return purchase._obtained(sale, vend, said["token_source"], said["now"])

    patch.setattr(ppob, "advise", advise)


def second_token_to_a_duplicate(patch: pytest.MonkeyPatch) -> None:
    real = purchase._outcome

    def outcome(sale: Any, token_source: Any, now: Any) -> Any:
        receipt = real(sale, token_source, now)
        vend = Vend.objects.get(pk=sale.vend_id)
        request = top_up.TokenRequest(
            request_id=Vend._meta.get_field("request_id").to_python("0" * 31 + "1"),
            pan=vend.pan,
            keys=top_up.key_terms(vend),
            tid=_fresh_tid(vend, now),
            rnd=vend.rnd,
            energy_wh=vend.requested_wh,
        )
        made = token_source.keys.obtain(request)
        return dataclasses.replace(receipt, digits=made.digits)

    patch.setattr(purchase, "_outcome", outcome)


def debit_twice(patch: pytest.MonkeyPatch) -> None:
    """A repeated 2200 takes the deposit again before it is known for what it is."""
    real = purchase._check_same

    def check_same(sale: Any, amount_idr: int, option: str) -> None:
        channel = Channel.objects.get(partner__id=sale.partner_id)
        Deposit.objects.filter(channel=channel).update(balance_sen=F("balance_sen") - amount_idr * 100)
        real(sale, amount_idr, option)

    patch.setattr(purchase, "_check_same", check_same)


def money_not_held(patch: pytest.MonkeyPatch) -> None:
    """Unknown gives the money back, but the purchase stays open: the token that comes late is for nothing."""
    real = issue.record_outcome

    def record_outcome(*, vend_id: int, answer: Any, now: Any) -> Any:
        vend = Vend.objects.select_related("payment").get(pk=vend_id)
        if isinstance(answer, Unknown) and vend.state == Vend.State.PAID and not vend.obtain_attempts:
            assert vend.payment is not None
            total_sen = (vend.payment.amount_idr + vend.payment.admin_idr) * 100
            with transaction.atomic(durable=True):
                Deposit.objects.filter(channel=vend.payment.channel).update(balance_sen=F("balance_sen") + total_sen)
                book(
                    kind="REFUND",
                    reference=f"refund:{vend.pk}",
                    at=now,
                    vend_id=vend.pk,
                    lines_sen={PENDING: total_sen, deposit_account(vend.payment.channel_id): -total_sen},
                )
        return real(vend_id=vend_id, answer=answer, now=now)

    patch.setattr(top_up, "record_outcome", record_outcome)


def unsold_sold_twice(patch: pytest.MonkeyPatch) -> None:
    """A sold token stays in the list of unsold ones."""

    class Every:
        """All kept tokens, those that were sold too."""

        def __getattr__(self, name: str) -> Any:
            return getattr(UnsoldToken.objects, name)

        def select_for_update(self, **_said: Any) -> Any:
            return self

        def select_related(self, *_names: str) -> Any:
            return self

        def filter(self, **said: Any) -> Any:
            if said.get("payment", self) is None:
                del said["payment"]
            return UnsoldToken.objects.filter(**said).select_related("vend__payment__quote", "vend__token")

    inquiry = module("ppob.inquiry")
    patch.setattr(inquiry, "_BY_METER", inquiry._BY_METER.replace("AND u.payment_id IS NULL", ""))
    patch.setattr(unsold, "UnsoldToken", type("Unsold", (), {"objects": Every()}))


def cut_off_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(module("ppob.gate"), "within", lambda at, begin, end: False)


def commission_twice(patch: pytest.MonkeyPatch) -> None:
    real = issue.issued_lines_sen

    def issued_lines_sen(*args: Any, commission_idr: int, **said: Any) -> dict[str, int]:
        return real(*args, commission_idr=2 * commission_idr, **said)

    patch.setattr(issue, "issued_lines_sen", issued_lines_sen)


def balance_apart_from_the_ledger(patch: pytest.MonkeyPatch) -> None:
    """The deposit's row is written in a transaction of its own, after the purchase's."""
    real_take, real_debit, waiting = top_up.take_payment, top_up.debit_channel, []

    def debit_channel(channel: Channel, **said: Any) -> None:
        waiting.append((channel, said))

    def take_payment(**said: Any) -> Any:
        waiting.clear()
        taken = real_take(**said)
        for channel, debit in waiting:
            with transaction.atomic(durable=True):
                real_debit(channel, **debit)
        return taken

    patch.setattr(top_up, "debit_channel", debit_channel)
    patch.setattr(purchase, "take_payment", take_payment)


def refused_without_a_void(patch: pytest.MonkeyPatch) -> None:
    """An advice says "no such payment", and the purchase that arrives after it is sold."""
    patch.setattr(purchase, "_void", lambda sale, gate, now: True)


def token_before_the_payment_is_committed(patch: pytest.MonkeyPatch) -> None:
    """What decides the 20 digits is drawn when the source is asked, not stored with the payment."""
    real = top_up.TokenRequest
    drawn = itertools.count(1)

    def request(**said: Any) -> Any:
        return real(**{**said, "rnd": next(drawn) % 16})

    patch.setattr(top_up, "TokenRequest", request)


def month_cap_unlocked(patch: pytest.MonkeyPatch) -> None:
    """The cap of the month is looked at for one purchase only, not for what was bought before."""
    patch.setattr(
        purchase, "_BOUGHT", purchase._BOUGHT.replace("v.paid_at >= %(month)s", "v.paid_at > %(month)s AND false")
    )


def reversal_forgets_the_bill(patch: pytest.MonkeyPatch) -> None:
    """A reversed payment's bill stays paid."""
    real = bills._reverse

    def reverse(gate: Any, inquiry: Any, payment: Any, *rest: Any) -> None:
        numbers = list(payment.registrations.values_list("pk", flat=True))
        real(gate, inquiry, payment, *rest)
        Registration.objects.filter(pk__in=numbers).update(paid=payment)

    patch.setattr(bills, "_reverse", reverse)


def late_payment_after_its_reversal(patch: pytest.MonkeyPatch) -> None:
    """A reversal that overtakes its payment leaves no trace."""
    patch.setattr(bills, "_void", lambda gate, inquiry, now: None)


def prepaid_reversal(patch: pytest.MonkeyPatch) -> None:
    """A reversal of a prepaid purchase finds no bill and says that nothing was paid."""
    products = {one.name: one for one in PPOBInquiry.Product} | {"PREPAID": ""}
    patch.setattr(
        bills, "PPOBInquiry", SimpleNamespace(objects=PPOBInquiry.objects, Product=SimpleNamespace(**products))
    )


MACHINE: dict[str, tuple[Plant, set[str]]] = {
    "new TID on retry": (new_tid_on_retry, {"request_never_changes"}),
    "rnd drawn when asked": (token_before_the_payment_is_committed, {"request_never_changes"}),
    "refund on a time-out": (refund_on_unknown, {"no_refund_of_an_issued_token", "no_refund_of_the_unknown"}),
    "refund after a late answer": (
        refund_after_a_late_answer,
        {"refunded_has_no_token", "no_refund_of_an_issued_token", "money_held", "no_refusal_after_a_token"},
    ),
    "ledger after the reply": (ledger_after_the_reply, {"money_held", "stroom_is_booked", "commission_once"}),
    "advice buys again": (advice_buys_again, {"one_reference_one_payment", "told_is_booked", "never_two_tokens"}),
    "second token to a duplicate": (second_token_to_a_duplicate, {"never_two_tokens", "told_is_booked"}),
    "debit twice": (debit_twice, {"balance_is_ledger"}),
    "money not held on Unknown": (money_not_held, {"money_held", "deposit_pays_what_is_sold"}),
    "unsold token sold twice": (unsold_sold_twice, {"token_sold_once", "told_is_booked", "one_payment_one_vend"}),
    "cut-off ignored": (cut_off_ignored, {"cut_off_sells_nothing"}),
    "commission booked twice": (commission_twice, {"commission_once"}),
    "balance apart from the ledger": (balance_apart_from_the_ledger, {"balance_is_ledger"}),
    "no void after an advice": (refused_without_a_void, {"no_token_after_a_refund", "refused_means_not_held"}),
    "cap of one purchase only": (month_cap_unlocked, {"cap_of_the_month"}),
    "reversal forgets the bill": (reversal_forgets_the_bill, {"bill_knows_its_payment"}),
    "payment after its reversal": (late_payment_after_its_reversal, {"reversed_stays_reversed"}),
    "prepaid reversal says 0063": (prepaid_reversal, {"void_is_not_paid", "refused_means_not_held"}),
}
