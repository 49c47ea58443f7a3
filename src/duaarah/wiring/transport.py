# SPDX-License-Identifier: Apache-2.0
"""headend's Transport over DLMS sessions: associate with HLS-GMAC, do one command, read back, release."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from duaarah import drivers
from duaarah.core.intent import LoadCredit, MeterRegister
from duaarah.core.order import READS, Order, OrderKind
from duaarah.core.replay import ReplayWindow
from duaarah.core.units import UnitError, to_whole
from duaarah.drivers.ip import BY_RANGE, PROFILE_CLASS, ProfileRow
from duaarah.drivers.kinds import IpAccess, Profile, RegisterAddress
from duaarah.drivers.reports import ACCESS_RESULTS, ACTION_RESULTS
from duaarah.headend.ports import Carried, NoSession, SessionCall
from duaarah.net.dlms import Endpoint, ServiceRefused, Session, SessionFailed, SessionRefused, session
from duaarah.wire.dlms import apdu, axdr
from duaarah.wire.dlms.axdr import INTEGER_TAGS, Data, Tag
from duaarah.wire.dlms.blocks import AttributeOf
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.errors import DlmsError
from duaarah.wiring.drivers import HEAD_END_TITLE

TIMEOUT_S = 20.0
# Of a whole session: shorter than the lease of its command, so that no second one begins beside it.
SESSION_S = 120.0
# Items of one GET with list: what also small meters answer in one APDU.
LIST_MAX = 10
_STATUS_ATTRIBUTE = 6  # of the token gateway (class 115): {code, the maker's result number}
_RELAY_KINDS = frozenset({OrderKind.RELAY_OPEN, OrderKind.RELAY_CLOSE, OrderKind.TEMPORARY_DISCONNECT})
_LIMIT_KINDS = frozenset({OrderKind.POWER_LIMIT, OrderKind.TEMPORARY_SUPPLY})


@dataclass
class _Said:
    result: str
    values: dict[str, int] = field(default_factory=dict)
    rows: list[ProfileRow] = field(default_factory=list)


class SessionTransport:
    """See headend.ports.Transport. One session of its own for each call; any thread may call."""

    def carry(self, call: SessionCall) -> Carried:
        """See headend.ports.Transport."""
        kind = drivers.profile(call.profile)
        if kind.ip is None:
            raise NoSession("This kind of meter is not spoken to over a connection.", call.window)
        return asyncio.run(_carry(call, kind, kind.ip))


async def _carry(call: SessionCall, kind: Profile, ip: IpAccess) -> Carried:
    endpoint = Endpoint(
        host=call.host,
        port=call.port,
        client_sap=ip.client_sap,
        server_sap=ip.server_sap,
        keys=Keys(call.keys.encryption, call.keys.authentication),
        system_title=HEAD_END_TITLE,
        meter_title=call.system_title,
        timeout_s=TIMEOUT_S,
    )
    opened: Session | None = None
    try:
        async with (
            asyncio.timeout(SESSION_S),
            session(endpoint, next_counter=_counters(call), window=call.window) as opened,
        ):
            said = await _perform(opened, kind, ip, call)
    except (SessionFailed, SessionRefused, DlmsError, TimeoutError) as error:
        raise NoSession(str(error) or "It takes too long.", _window(opened, call)) from error
    return Carried(result=said.result, window=_window(opened, call), values=said.values, rows=said.rows)


def _window(opened: Session | None, call: SessionCall) -> ReplayWindow:
    return opened.window if opened is not None else call.window


def _counters(call: SessionCall) -> Callable[[], int]:
    left = iter(range(call.first_counter, call.first_counter + call.counters))

    def following() -> int:
        counter = next(left, None)
        if counter is None:
            raise ValueError("The session has used all counters that were kept for it.")
        return counter

    return following


async def _perform(opened: Session, kind: Profile, ip: IpAccess, call: SessionCall) -> _Said:
    intent = call.intent
    if isinstance(intent, LoadCredit):
        return await _token(opened, kind, intent)
    if isinstance(intent, Order) and intent.kind in READS:
        return await (_read if intent.kind is OrderKind.READ_METER else _profile)(opened, kind, ip, intent)
    request = apdu.decode(drivers.encode_command(kind, intent, 0))
    try:
        if isinstance(request, apdu.SetRequest):
            await opened.set(request.class_id, request.obis, request.attribute, request.value)
        elif isinstance(request, apdu.ActionRequest):
            await opened.act(request.class_id, request.obis, request.method, request.parameter)
    except ServiceRefused as refused:
        names = ACCESS_RESULTS if isinstance(request, apdu.SetRequest) else ACTION_RESULTS
        return _Said(names.get(refused.result, "other_reason"))
    return _Said("success", await _read_back(opened, ip, intent))


async def _read_back(opened: Session, ip: IpAccess, intent: object) -> dict[str, int]:
    """What the meter says of the relay and the limit afterwards; nothing where it does not say."""
    if not isinstance(intent, Order):
        return {}
    wanted = {}
    if intent.kind in _RELAY_KINDS | _LIMIT_KINDS and ip.relay is not None:
        wanted["relay_closed"] = ip.relay
    if intent.kind in _LIMIT_KINDS and ip.limit is not None:
        wanted["limit_w"] = ip.limit
    try:
        return await _values(opened, wanted.items())
    except (SessionFailed, ServiceRefused):
        return {}  # the order is done; what is not read back stays unknown


async def _token(opened: Session, kind: Profile, intent: LoadCredit) -> _Said:
    """Enter the token; the energy it brought is the difference of the meter's own register."""
    wanted = [MeterRegister.CREDIT_LEFT_WH, MeterRegister.TOKEN_ENERGY_WH]
    registers = [(name.value, kind.registers[name]) for name in wanted]
    before = await _values(opened, registers)
    gateway = kind.token
    digits = bytes.fromhex(intent.token) if gateway.bcd else intent.token.encode("ascii")
    accepted = True
    try:
        await opened.act(gateway.class_id, gateway.obis, gateway.method, axdr.octets(digits))
    except ServiceRefused:
        accepted = False
    status = await opened.get(gateway.class_id, gateway.obis, _STATUS_ATTRIBUTE)
    result = "accept" if accepted else _token_result(kind, status)
    after = await _values(opened, registers)
    energy = MeterRegister.TOKEN_ENERGY_WH.value
    brought_wh = max(0, after.get(energy, 0) - before.get(energy, 0)) if accepted else 0
    balance_wh = after.get(MeterRegister.CREDIT_LEFT_WH.value, 0)
    return _Said(result, {"energy_wh": brought_wh, "balance_wh": balance_wh})


def _token_result(kind: Profile, status: Data) -> str:
    """The maker's number behind the standard's status code. One that is not known is a lost answer."""
    try:
        number = int(status.value[1].value, 2)
        return kind.results[number]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise SessionFailed("The meter does not say what became of the token.") from None


async def _read(opened: Session, kind: Profile, ip: IpAccess, _order: Order) -> _Said:
    addresses = {name.value: address for name, address in kind.registers.items()} | dict(ip.values)
    values = await _values(opened, addresses.items())
    back = {"relay_closed": ip.relay, "limit_w": ip.limit}
    values |= await _values(opened, ((name, address) for name, address in back.items() if address is not None))
    return _Said("success" if values else "data_unavailable", values)


async def _profile(opened: Session, _kind: Profile, ip: IpAccess, order: Order) -> _Said:
    if ip.load_profile is None or order.from_at is None or order.to_at is None:
        return _Said("object_undefined")
    selection = drivers.range_selection(order.from_at, order.to_at)
    try:
        buffer = await opened.get(PROFILE_CLASS, ip.load_profile.obis, 2, BY_RANGE, selection)
    except ServiceRefused as refused:
        return _Said(ACCESS_RESULTS.get(refused.result, "other_reason"))
    return _Said("success", rows=drivers.profile_rows(ip.load_profile, buffer))


async def _values(opened: Session, wanted: Iterable[tuple[str, RegisterAddress]]) -> dict[str, int]:
    """Registers by name, scaled; those that the meter does not give, or that are no number, are left out."""
    named = list(wanted)
    found: dict[str, int] = {}
    for start in range(0, len(named), LIST_MAX):
        part = named[start : start + LIST_MAX]
        items = tuple(AttributeOf(each.class_id, each.obis, each.attribute) for _, each in part)
        for (name, address), value in zip(part, await opened.get_list(items), strict=True):
            number = _number(value, address.scaler)
            if number is not None:
                found[name] = number
    return found


def _number(value: Data | int, scaler: int) -> int | None:
    if not isinstance(value, Data):
        return None
    if value.tag is Tag.BOOLEAN:
        return int(value.value)
    if value.tag not in INTEGER_TAGS:
        return None
    try:
        return to_whole(int(value.value), scaler)
    except UnitError:
        return None
