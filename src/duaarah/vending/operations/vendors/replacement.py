# SPDX-License-Identifier: Apache-2.0
"""
A token in the place of one that its meter can never take. The value moves: the old booking is mirrored, and the money is
pending again for a new token of the same nominal and lines.

A token is 20 digits in somebody's hands: nobody can take them back. So the old one must be dead, and provably so: its own
meter has refused it for good (see FINAL), it was sealed for another decoder key than a key change will ever bring back
(`same_key.revived` holds that), and no key change was between its making and that word. All else is refused with a reason.
"""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

from django.db import transaction

from duaarah.audit import operations as audit
from duaarah.core.sts import STSError
from duaarah.registry.access import pairing_of_meter
from duaarah.registry.models import Meter, Pairing
from duaarah.vending.models import KeyChange, LedgerEntry, Vend
from duaarah.vending.operations.configuration import key_terms
from duaarah.vending.operations.corrections import reverse_entry
from duaarah.vending.operations.issue import TopUpOutcome
from duaarah.vending.operations.same_key import same_key
from duaarah.vending.operations.top_up import Fees, OneWay, TopUpRefused, _KeyWasChanged, _pay, obtain_token
from duaarah.vending.operations.vendors.errors import EngineRefused, MessageUnknown, NotReplaceable, VendorRefused
from duaarah.vending.operations.vendors.messages import allow, claim, message_of, refused, vend_of
from duaarah.vending.ports import TokenSource
from duaarah.vending.vendor_models import Replacement, VendorKey, VendorMessage

VERB = "vending.replace_token"
# The meter's words after which the same digits are refused again and again, as long as its key is what it is:
# not decodable with its key, or older than its key's expiry allows. `old`, `overflow` and `used` say nothing of the kind.
FINAL = frozenset({"crc", "key_expired"})
_SENTENCES = {
    Vend.State.PAID: ("pending", "There is no token yet: ask by advice."),
    Vend.State.ISSUED: (
        "token_still_valid",
        "The meter has not refused this token: it can still be loaded. Print it again instead.",
    ),
    Vend.State.LOADED: ("already_loaded", "The meter has accepted this token."),
    Vend.State.REFUNDED: ("already_refunded", "There was no token; the money went back."),
}


def replace_token(
    *,
    key: VendorKey,
    message_id: str,
    replaces: str,
    meter: Meter | None,
    reason: str,
    token_source: TokenSource,
    now: dt.datetime,
) -> TopUpOutcome:
    """
    Make another token for what `replaces` (a message id of the channel's sale) was paid for, or return it again.

    `meter` is the meter that stands in the place of the old one; None: the same meter, which has another key by now.

    Raises:
        TopUpRefused: NotReplaceable, MessageUnknown and others by their code; nothing moved, an audit line says so.
    """
    try:
        allow(key, VendorKey.Scope.VEND)
        vend, repeated = _move(key, message_id, replaces, meter, reason, now)
    except (TopUpRefused, STSError) as error:
        found = error if isinstance(error, TopUpRefused) else EngineRefused(error.code, str(error))
        refused(key, VERB, f"channel:{key.channel.code}", found, now)
        raise found from error
    outcome = obtain_token(vend=vend, token_source=token_source, now=now)
    return TopUpOutcome(vend=outcome.vend, digits=outcome.digits, repeated=repeated)


def _move(
    key: VendorKey, message_id: str, replaces: str, meter: Meter | None, reason: str, now: dt.datetime
) -> tuple[Vend, bool]:
    """Entry: the old booking mirrored, the new vend with all that decides its digits, and that one stands for the other."""
    content: dict[str, str | int] = {"replaces": replaces, "drn": meter.drn if meter else "", "reason": reason}
    with transaction.atomic(durable=True):
        message, new = claim(
            key=key, message_id=message_id, kind=VendorMessage.Kind.REPLACEMENT, content=content, now=now
        )
        if not new:
            return Vend.objects.get(replaces__message=message), True
        old = _old(key, replaces)
        to = meter or old.meter
        _check(old, to)
        reverse_entry(entry_id=LedgerEntry.objects.get(reference=f"issued:{old.pk}").pk, now=now)
        buyer = pairing_of_meter(meter_id=to.pk, at=now) or OneWay(meter=to)
        vend = _pay_again(buyer, old, message_id, now)
        Replacement.objects.create(message=message, old=old, vend=vend, reason=reason[:200])
        audit.record(
            at=now,
            actor=f"vendorkey:{key.pk}",
            verb=VERB,
            subject=f"meter:{to.pk}",
            reason=reason,
            correlation=vend.correlation,
            detail={"vend": vend.pk, "replaces": old.pk, "was": old.result, "tid": vend.tid},
        )
    return vend, False


def _old(key: VendorKey, replaces: str) -> Vend:
    message = message_of(key, replaces)
    found = vend_of(message) if message is not None and message.kind != VendorMessage.Kind.FREE_ISSUE else None
    if found is None:
        raise MessageUnknown("Nothing was sold under the message id that is to be replaced.")
    # Whoever changes the old meter's key comes before this, and is seen, or after it, and sees the replacement.
    Meter.objects.select_for_update(no_key=True).get(pk=found.meter_id)
    locked = Vend.objects.select_for_update(of=("self",))
    return locked.select_related("meter__customer", "payment__quote", "payment__channel").get(pk=found.pk)


def _check(old: Vend, to: Meter) -> None:
    if Replacement.objects.filter(old=old).exists():
        raise NotReplaceable("already_replaced", "Another token stands in the place of this one.")
    if old.state != Vend.State.REJECTED:
        raise NotReplaceable(*_SENTENCES[Vend.State(old.state)])
    if old.result not in FINAL:
        raise NotReplaceable("not_provable", f"The meter said {old.result}: that does not prove it dead for ever.")
    # A token that was taken before a key change, its answer lost, reads as not decodable after it.
    turned = KeyChange.objects.filter(meter=old.meter).exclude(state=KeyChange.State.WITHDRAWN)
    if turned.filter(closed_at__gte=old.issued_at, ordered_at__lte=old.closed_at).exists():
        raise NotReplaceable("not_provable", "The meter's key was changed while the token was under way.")
    if turned.filter(closed_at=None).exists():
        raise NotReplaceable("not_provable", "A change of the meter's key is under way.")
    assert old.payment is not None
    if old.payment.quote.instalment_sen:
        raise NotReplaceable("instalment_taken", "An instalment of arrears was taken with it; PLN's desk decides.")
    if to.pk == old.meter_id:
        if same_key(key_terms(old), key_terms(to)):
            raise NotReplaceable("same_key", "The meter would refuse a new token as it refused this one.")
    elif to.customer_id is None or to.customer_id != old.meter.customer_id:
        raise NotReplaceable("not_same_customer", "The other meter is not this customer's.")


def _pay_again(buyer: Pairing | OneWay, old: Vend, reference: str, now: dt.datetime) -> Vend:
    """The vend of what an old one was paid for: the same money and lines. No money moves here: it is pending again."""
    paid = old.payment
    assert paid is not None
    fields = [one.attname for one in paid.quote._meta.concrete_fields if not one.primary_key]
    lines: Any = SimpleNamespace(
        nominal_idr=paid.amount_idr, admin_idr=paid.admin_idr, **{name: getattr(paid.quote, name) for name in fields}
    )
    fees = Fees(admin_idr=paid.admin_idr, commission_idr=paid.commission_idr)
    try:
        return _pay(buyer, paid.holder_id, paid.channel, fees, reference, lines, lines, now)
    except _KeyWasChanged:
        raise _Changed("The meter's key was changed just now. Send the same message again.") from None


class _Changed(VendorRefused):
    """The meter's key was changed while the order was looked at; the same message may be sent again."""

    code = "conflict"
