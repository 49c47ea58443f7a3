# SPDX-License-Identifier: Apache-2.0
"""What is known of one PLN reference: its inquiry, the meter, and the payment, vend and token once they are there."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from duaarah.registry.models import Meter
from duaarah.vending.operations.configuration import COLUMNS
from duaarah.vending.operations.ppob import codes
from duaarah.vending.operations.ppob.codes import PPOBRefused
from duaarah.vending.operations.ppob.gate import Gate
from duaarah.vending.operations.ppob.inquiry import Customer
from duaarah.vending.operations.statement import run

REFERENCE = "ppob:"
_READ = {"id", "tariff_group", "region", "contracted_va", "customer_id", *COLUMNS}
# from_db takes values in the order of the model's fields.
_METER = tuple(one.attname for one in Meter._meta.concrete_fields if one.attname in _READ)
_MONEY = ("admin_idr", "stamp_sen", "ppn_sen", "ppj_sen", "instalment_sen", "stroom_sen", "energy_wh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a purchase and its advice say of the inquiry before them."""

    pln_ref: str
    switcher_ref: str
    meter_no: str
    idpel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A sold token as the channel prints it: every rupiah of the nominal, in 1/100 rupiah, and the 20 digits."""

    pln_ref: str
    switcher_ref: str
    receipt_no: str
    customer: Customer
    option: str
    admin_idr: int
    stamp_sen: int
    ppn_sen: int
    ppj_sen: int
    instalment_sen: int
    stroom_sen: int
    energy_wh: int
    digits: str = field(repr=False)


@dataclass(slots=True, kw_only=True)
class Sale:
    """A PLN reference. `vend_id` None: nothing was paid under it. `kept`: its token was given back as unsold."""

    inquiry_id: int
    pln_ref: str
    switcher_ref: str
    partner_id: int
    bank: str
    admin_idr: int
    at: dt.datetime
    voided: bool
    customer: Customer
    meter: Meter
    phone: str
    payment_id: int | None
    amount_idr: int | None
    vend_id: int | None
    vend_state: str | None
    resold: bool
    kept: bool
    money: dict[str, int] | None
    digits: str | None = field(repr=False)

    @property
    def reference(self) -> str:
        """The payment's, in the channel's name."""
        return REFERENCE + self.pln_ref

    def receipt(self) -> Receipt:
        """Raises AttributeError before there is a token."""
        assert self.money is not None and self.digits is not None and self.payment_id is not None
        return Receipt(
            pln_ref=self.pln_ref,
            switcher_ref=self.switcher_ref,
            receipt_no=f"{self.payment_id % 10**8:08d}",
            customer=self.customer,
            option="1" if self.resold else "0",
            digits=self.digits,
            **self.money,
        )


# A payment of an unsold token has no vend of its own. Whoever's payment was given back as unsold has no token any more,
# whatever became of it after.
_LOAD = f"""
SELECT i.id, i.switcher_ref, i.partner_id, i.bank, i.admin_idr, i.at, i.voided_at IS NOT NULL, i.number, i.idpel,
    coalesce(c.name, ''), p.id, p.amount_idr, v.id, v.state, u.id IS NOT NULL,
    EXISTS (SELECT 1 FROM vending_unsoldtoken k WHERE k.vend_id = v.id AND (u.id IS NULL OR k.id > u.id)),
    p.admin_idr, q.stamp_sen, q.ppn_sen, q.ppj_sen, q.instalment_sen, q.stroom_sen, q.energy_wh, t.digits,
    coalesce((SELECT a.phone FROM registry_pairing a WHERE a.meter_id = m.id AND a.valid @> %(now)s::timestamptz), ''),
    {", ".join(f"m.{name}" for name in _METER)}
FROM vending_ppobinquiry i JOIN registry_meter m ON m.id = i.meter_id
LEFT JOIN people_customer c ON c.id = m.customer_id
LEFT JOIN vending_payment p ON p.channel_id = %(channel)s AND p.reference = %(reference)s
LEFT JOIN vending_unsoldtoken u ON u.payment_id = p.id
LEFT JOIN vending_vend v ON v.id = coalesce(u.vend_id, (SELECT w.id FROM vending_vend w WHERE w.payment_id = p.id))
LEFT JOIN vending_token t ON t.vend_id = v.id
LEFT JOIN vending_quote q ON q.payment_id = v.payment_id
WHERE i.pln_ref = %(pln_ref)s AND i.product = '502'
"""


def load(*, gate: Gate, named: Named, now: dt.datetime) -> Sale:
    """
    A PLN reference of this partner, as it was inquired for.

    Raises:
        PPOBRefused: 0098 no such reference of this partner, 0092 another switcher reference, 0097 another meter, idpel
            or bank than the inquiry had.
    """
    found = run(
        _LOAD,
        {
            "pln_ref": named.pln_ref,
            "channel": gate.channel.pk,
            "reference": REFERENCE + named.pln_ref,
            "now": now,
        },
    )
    if found is None or found[2] != gate.partner_id:
        raise PPOBRefused(codes.PLN_REF_INVALID, "No inquiry of this partner has this PLN reference.")
    if found[1] != named.switcher_ref:
        raise PPOBRefused(codes.WRONG_REFERENCE, "The switcher's reference is another than the inquiry's.")
    if (found[7], found[8], found[3]) != (named.meter_no, named.idpel, gate.bank):
        raise PPOBRefused(codes.DIFFERENT, "Meter, idpel or bank is another than the inquiry's.")
    meter = Meter.from_db("default", list(_METER), found[25:])
    return Sale(
        inquiry_id=found[0],
        pln_ref=named.pln_ref,
        switcher_ref=found[1],
        partner_id=found[2],
        bank=found[3],
        admin_idr=found[4],
        at=found[5],
        voided=found[6],
        customer=Customer(
            meter_no=found[7],
            idpel=found[8],
            name=found[9],
            segment=meter.tariff_group,
            contracted_va=meter.contracted_va,
        ),
        meter=meter,
        phone=found[24],
        payment_id=found[10],
        amount_idr=found[11],
        vend_id=found[12],
        vend_state=found[13],
        resold=found[14],
        kept=found[15],
        money=dict(zip(_MONEY, found[16:23], strict=True)) if found[12] is not None else None,
        digits=found[23],
    )
