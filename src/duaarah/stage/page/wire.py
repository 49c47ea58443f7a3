# SPDX-License-Identifier: Apache-2.0
"""The live wire: each SMS as it went, and what is inside: PDU fields, the DLMS frame, the token's bits."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from functools import lru_cache

from django.conf import settings

from duaarah import drivers
from duaarah.core import gsm7
from duaarah.headend.models import Attempt, MeterEvent
from duaarah.sim.town.world import TownMeter, World, make_world
from duaarah.sms.models import InboundSms, OutboundSegment
from duaarah.stage.page.token import Explained, explained
from duaarah.wire.dlms import apdu, ciphering, wrapper
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.errors import DlmsError

LISTED = 16


@lru_cache(maxsize=1)
def world() -> World:
    """The seeded town of this demo: the stage knows its meters' keys, as their makers do."""
    return make_world(settings.STAGE_SEED, settings.STAGE_METERS)


@lru_cache(maxsize=1)
def _by_sim() -> dict[str, TownMeter]:
    return {meter.msisdn: meter for meter in world().meters}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One SMS in the list; `way` is `out` (from us) or `in`."""

    way: str
    row: int
    at: dt.datetime
    kind: str
    number: str
    text: str
    octets: int
    state: str
    mine: bool


def lines(numbers: set[str]) -> list[Line]:
    """The latest SMS of the town, newest first; `mine` marks those of the meter and phone one looks at."""
    sent = OutboundSegment.objects.order_by("-id")[:LISTED]
    came = InboundSms.objects.order_by("-id")[:LISTED]
    found = [
        Line(
            way="out",
            row=s.pk,
            at=s.created_at,
            kind=s.get_message_class_display(),
            number=s.destination,
            text=_words(bytes(s.payload), s.data_coding),
            octets=len(s.payload),
            state=s.get_state_display(),
            mine=s.destination in numbers,
        )
        for s in sent
    ] + [
        Line(
            way="in",
            row=i.pk,
            at=i.arrived_at,
            kind=i.get_kind_display(),
            number=i.source,
            text=_words(bytes(i.payload), i.data_coding),
            octets=len(i.payload),
            state=i.outcome or i.get_state_display(),
            mine=i.source in numbers,
        )
        for i in came
    ]
    return sorted(found, key=lambda line: (line.at, line.row), reverse=True)[:LISTED]


def _words(payload: bytes, coding: int) -> str:
    if coding == 8:
        return payload.decode("utf-16-be", errors="replace")
    return gsm7.decode(payload) if coding == 0 else ""


@dataclass
class Detail:
    """An SMS opened: facts as (name, value), in the order of the layers."""

    title: str
    pdu: list[tuple[str, object]] = field(default_factory=list)
    dlms: list[tuple[str, object]] = field(default_factory=list)
    token: Explained | None = None
    text: str = ""


def outbound(row: OutboundSegment) -> Detail:
    """One that left."""
    detail = Detail("submit_sm", text=_words(bytes(row.payload), row.data_coding))
    detail.pdu = [
        ("source_addr", row.source),
        ("destination_addr", row.destination),
        ("data_coding", row.data_coding),
        ("priority", row.priority),
        ("validity_s", row.validity_s),
        ("message_id", row.smsc_message_id or "-"),
        ("short_message", bytes(row.payload).hex(" ")),
    ]
    meter = _by_sim().get(row.destination)
    if meter is not None and not detail.text:
        _open(detail, meter, bytes(row.payload))
        attempt = Attempt.objects.filter(segment=row).select_related("command").first()
        if attempt is not None:
            detail.dlms.append(("command", f"{attempt.command.kind} · {attempt.command.state}"))
    return detail


def inbound(row: InboundSms) -> Detail:
    """One that came."""
    detail = Detail("deliver_sm", text=_words(bytes(row.payload), row.data_coding))
    detail.pdu = [
        ("source_addr", row.source),
        ("destination_addr", row.destination),
        ("data_coding", row.data_coding),
        ("short_message", bytes(row.payload).hex(" ")),
    ]
    meter = _by_sim().get(row.source)
    if meter is not None and not detail.text:
        _open(detail, meter, bytes(row.payload))
        event = MeterEvent.objects.filter(inbound=row).first()
        if event is not None:
            detail.dlms.append(("meaning", f"{event.get_kind_display()} {event.data}"))
    return detail


def _open(detail: Detail, meter: TownMeter, payload: bytes) -> None:
    link = drivers.profile(meter.profile).link
    try:
        order = link.short_order
        wrapped = wrapper.unwrap(payload) if order is None else wrapper.unwrap_short(payload, order)
        ciphered = ciphering.parse(wrapped.apdu)
        plain = ciphering.unprotect(ciphered, Keys(meter.ek, meter.ak))
    except DlmsError as error:
        detail.dlms.append(("frame", f"{error.code}: {error}"))
        return
    detail.dlms += [
        ("general-glo-ciphering", ciphered.system_title.hex(" ")),
        ("security control", f"0x{ciphered.security_control:02X} (encrypted, authenticated)"),
        ("invocation counter", ciphered.counter),
        ("plain APDU", plain.hex(" ")),
    ]
    request = apdu.decode(plain)
    detail.dlms.append(("service", type(request).__name__))
    if isinstance(request, apdu.ActionRequest) and request.parameter is not None:
        octets: bytes = request.parameter.value
        detail.token = explained(octets.hex() if len(octets) == 10 else octets.decode("latin-1"), meter.drn)
