# SPDX-License-Identifier: Apache-2.0
"""Who may ask for what now: partner, bank, switcher, product, access time and cut-off window, read anew each time."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
from dataclasses import dataclass

from duaarah.vending.models import Channel
from duaarah.vending.operations.policy import WIB
from duaarah.vending.operations.ppob import codes
from duaarah.vending.operations.ppob.codes import PPOBRefused
from duaarah.vending.operations.statement import run
from duaarah.vending.ppob_models import PPOBPartner


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """What a message says of its sender. `partner` field 33, `bank` 32, `switcher` of 48, `product` the last of 2."""

    partner: str
    switcher: str
    bank: str = ""
    product: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A partner that may go on, and the data of the day. `cut_off`: nothing new is sold at this moment."""

    partner_id: int
    partner: str
    bank: str
    channel: Channel
    cut_off: bool
    inquiries_max: int
    block_s: int
    inquiry_valid_s: int
    unit_phone: str
    footer: str
    network_codes: dict[str, str]


_GATE = """
SELECT p.id, p.state, p.switchers, p.banks, p.products, p.networks, p.access_from, p.access_until,
    c.id, c.code, c.name, c.kind, c.active,
    l.cutoff_from, l.cutoff_until,
    o.network_codes::text, o.inquiries_max, o.block_s, o.inquiry_valid_s, o.unit_phone, o.footer
FROM (SELECT %(partner)s::text AS code) AS asked
LEFT JOIN vending_ppobpartner p ON p.code = asked.code
LEFT JOIN vending_channel c ON c.id = p.channel_id
CROSS JOIN LATERAL (SELECT * FROM vending_ledgerpolicy
    WHERE from_date <= %(day)s::date ORDER BY from_date DESC LIMIT 1) l
CROSS JOIN LATERAL (SELECT * FROM vending_ppobpolicy
    WHERE from_date <= %(day)s::date ORDER BY from_date DESC LIMIT 1) o
"""


def admit(caller: Caller, *, phase: str, now: dt.datetime, signed_on: bool = True, address: str | None = None) -> Gate:
    """
    Let a message of `phase` (network, inquiry, purchase, advice, reversal) in. A cut-off stops new business only: who asks
    what became of a purchase, takes one back, or says a purchase again that was paid, is answered: its verb looks at
    `Gate.cut_off` once it knows that there is no payment yet. `address` is the peer's, where it is to be checked.

    Raises:
        PPOBRefused: 0032, 0006, 0009, 0011, 0008, 0033, 0031, 0090, the first that applies, in this order.
    """
    local = now.astimezone(WIB)
    found = run(_GATE, {"partner": caller.partner, "day": local.date()})
    if found is None:
        raise PPOBRefused(codes.OTHER, "No policy of the host is in force.")
    if found[0] is None:
        raise PPOBRefused(codes.UNKNOWN_SWITCHER, "There is no partner of this id.")
    state, switchers, banks, products, networks, access_from, access_until = found[1:8]
    channel = Channel(pk=found[8], code=found[9], name=found[10], kind=found[11], active=found[12])
    _check_partner(caller, state, switchers, networks, address)
    if not channel.active:
        raise PPOBRefused(codes.INACTIVE, "The partner's channel is not active.")
    if not signed_on:
        raise PPOBRefused(codes.SIGN_ON_FIRST, "This connection has not signed on.")
    if access_from is not None and not within(local.time(), access_from, access_until):
        raise PPOBRefused(codes.OUTSIDE_ACCESS, "Outside the partner's access time.")
    if phase != "network":
        if caller.product not in products:
            raise PPOBRefused(codes.UNKNOWN_PRODUCT, "This partner does not sell this product.")
        if banks and caller.bank not in banks:
            raise PPOBRefused(codes.UNKNOWN_BANK, "This partner has no bank of this code.")
    cut_off = within(local.time(), found[13], found[14])
    if phase == "inquiry":
        check_cut_off(cut_off)
    return Gate(
        partner_id=found[0],
        partner=caller.partner,
        bank=caller.bank,
        channel=channel,
        cut_off=cut_off,
        network_codes=json.loads(found[15]),
        **dict(zip(_POLICY, found[16:], strict=True)),
    )


_POLICY = ("inquiries_max", "block_s", "inquiry_valid_s", "unit_phone", "footer")


def _check_partner(caller: Caller, state: str, switchers: list[str], networks: list[str], address: str | None) -> None:
    if state == PPOBPartner.State.BLOCKED:
        raise PPOBRefused(codes.PARTNER_BLOCKED, "The partner is blocked.")
    if caller.switcher != caller.partner and caller.switcher not in switchers:
        raise PPOBRefused(codes.UNKNOWN_SWITCHER, "The partner has no switcher of this id.")
    if address is not None and networks:
        peer = ipaddress.ip_address(address)
        if not any(peer in ipaddress.ip_network(network) for network in networks):
            raise PPOBRefused(codes.UNKNOWN_SWITCHER, "The partner does not connect from this address.")


def check_cut_off(cut_off: bool) -> None:
    """Whether something new may be sold. Raises PPOBRefused 0090."""
    if cut_off:
        raise PPOBRefused(codes.CUT_OFF, "The day of money is being closed.")


def within(at: dt.time, begin: dt.time, end: dt.time) -> bool:
    """Whether a time of day lies in [begin, end), which may pass midnight."""
    return begin <= at < end if begin <= end else at >= begin or at < end
