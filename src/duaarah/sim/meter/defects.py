# SPDX-License-Identifier: Apache-2.0
"""Planted defects: faults that real meters had, one by its name, for a bench that must find it by that name.

A defect changes one behaviour of a sound meter from outside; nothing in the meter itself knows of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher as RawCipher
from cryptography.hazmat.primitives.ciphers import algorithms, modes

from duaarah.core.replay import ReplayWindow
from duaarah.core.sts import Entry
from duaarah.core.sts.decode import Result
from duaarah.core.sts.fields import Fields
from duaarah.sim.meter.device import LOAD_PROFILE, Device
from duaarah.sim.meter.objects.base import Value, computed, constant, enum
from duaarah.sim.meter.objects.control import CONNECTED, LIMITER, RELAY
from duaarah.sim.meter.objects.plain import CLOCK, scaler_unit
from duaarah.sim.meter.objects.profile import BY_RANGE
from duaarah.sim.meter.outbound import Outbound
from duaarah.wire.dlms import apdu, axdr, ciphering, hls, wrapper
from duaarah.wire.dlms.acse import Aare, Aarq, Mechanism
from duaarah.wire.dlms.axdr import Data, Tag, octets
from duaarah.wire.dlms.blocks import ActionNext, GetBlock, GetNext, Service
from duaarah.wire.dlms.ciphering import TAG_OCTETS
from duaarah.wire.dlms.datetime import DEVIATION_ANY, DateTime
from duaarah.wire.dlms.errors import AuthFailed, Malformed
from duaarah.wire.dlms.initiate import InitiateRequest
from duaarah.wire.dlms.sealing import Cipher, Style, parse
from duaarah.wire.dlms.serving import Serving
from duaarah.wire.dlms.wrapper import Wrapped

LATE_S = 3_600.0
CREDITED_WH = 10_000


class UnknownDefect(ValueError):
    """No defect has this name."""

    code = "unknown_defect"
    retryable = False


# -- associations ------------------------------------------------------------------------------------------------------


class _Unchecked(Cipher):
    """Deciphers whatever the authentication tag says."""

    def open(self, octets: bytes) -> tuple[bytes, Style]:
        try:
            return super().open(octets)
        except AuthFailed:
            sealed = parse(octets)
            title = self.peer_title or sealed.title or b""
            start = title + sealed.counter.to_bytes(4, "big") + b"\x00\x00\x00\x02"
            stream = RawCipher(algorithms.AES(self.keys.encryption_key), modes.CTR(start)).decryptor()
            plain = stream.update(sealed.protected[:-TAG_OCTETS])
            if not plain or (sealed.plain_tag is not None and plain[0] != sealed.plain_tag):
                raise Malformed("Another service is inside than the ciphered tag says.") from None
            return plain, sealed.style


class _AnyProof(Serving):
    """Takes any pass 3 for a right one."""

    def _prove(self, service: Service) -> Service:
        cipher = self._cipher
        if isinstance(service, apdu.ActionRequest) and cipher is not None:
            proof = hls.answer(self._challenge, keys=cipher.keys, title=cipher.peer_title or b"", counter=1)
            service = dataclasses.replace(service, parameter=octets(proof))
        return super()._prove(service)


class _AnyPassword(Serving):
    """Takes any password."""

    def _on_aarq(self, aarq: Aarq) -> Aare:
        access = self.terms.access.get(self.sap)
        if access is not None and aarq.mechanism is Mechanism.LLS:
            aarq = dataclasses.replace(aarq, authentication=access.password)
        return super()._on_aarq(aarq)


class _Silent(Serving):
    """Says nothing to what it cannot decode."""

    def _answer(self, octets: bytes) -> list[bytes]:
        self.served = False
        answers = super()._answer(octets)
        exception = len(answers) == 1 and answers[0][:1] == bytes((apdu.EXCEPTION_RESPONSE,))
        return [] if exception and not self.served else answers

    def _serve(self, service: Service) -> Service | None:
        self.served = True
        return super()._serve(service)


class _TooBig(Serving):
    """Does not look at what the client can receive."""

    def _accept(self, aarq: Aarq, proposal: InitiateRequest, conformance: Any) -> Aare:
        return super()._accept(aarq, dataclasses.replace(proposal, pdu_max=0), conformance)


class _Disorder(Serving):
    """Numbers its second block as the third, and the third as the second."""

    def _next(self, service: GetNext | ActionNext) -> Service:
        answer = super()._next(service)
        if isinstance(answer, GetBlock) and answer.block.number in (2, 3):
            return dataclasses.replace(answer, block=dataclasses.replace(answer.block, number=5 - answer.block.number))
        return answer


def _takes_all(**made: Any) -> Cipher:
    return Cipher(**{**made, "take_counter": lambda _title, _counter: None})


def _one_counter(**made: Any) -> Cipher:
    """The first counter of the association again and again."""
    used: list[int] = []

    def next_counter() -> int:
        used[:] = used or [made["next_counter"]()]
        return used[0]

    return Cipher(**{**made, "next_counter": next_counter})


# -- objects -----------------------------------------------------------------------------------------------------------


def _deaf(device: Device, class_id: int, obis: Any, number: int) -> None:
    """A write that succeeds and changes nothing."""
    device.objects[(class_id, obis)].attributes[number].write = lambda _value: apdu.SUCCESS


def _limiter_ignored(device: Device, _line: Outbound) -> None:
    """Over a session as by SMS: orders come to the meter itself."""
    meter = device.meter
    sound = meter.perform

    def perform(request: apdu.ActionRequest | apdu.SetRequest, now: datetime) -> int | None:
        if isinstance(request, apdu.SetRequest) and (request.class_id, request.obis) == (71, LIMITER):
            return apdu.SUCCESS
        return sound(request, now)

    meter.perform = perform  # type: ignore[method-assign]


def _ranges(device: Device, change: Callable[[int, Data, Callable[[int, Data], Value]], Value]) -> None:
    attribute = device.objects[(7, LOAD_PROFILE)].attributes[2]
    sound = device.profiles[LOAD_PROFILE].select
    attribute.select = lambda selector, selection: change(selector, selection, sound)


def _off_by_one(selector: int, selection: Data, sound: Callable[[int, Data], Value]) -> Value:
    value = sound(selector, selection)
    if selector != BY_RANGE or isinstance(value, int):
        return value
    rows = axdr.decode(value) if isinstance(value, bytes) else value
    return Data(Tag.ARRAY, rows.value[:-1])


def _profile_off_by_one(device: Device, _line: Outbound) -> None:
    _ranges(device, _off_by_one)


def _ignores_range(device: Device, _line: Outbound) -> None:
    read = device.objects[(7, LOAD_PROFILE)].attributes[2].read
    assert read is not None
    _ranges(device, lambda selector, given, sound: read() if selector == BY_RANGE else sound(selector, given))


def _relay_lies(device: Device, _line: Outbound) -> None:
    relay = device.objects[(70, RELAY)]
    relay.attributes[2], relay.attributes[3] = constant(Data(Tag.BOOLEAN, True)), constant(enum(CONNECTED))


def _wrong_scaler(device: Device, _line: Outbound) -> None:
    (voltage,) = [each for key, each in device.objects.items() if key[0] == 3 and str(key[1]) == "1-0:32.7.0"]
    voltage.attributes[3] = constant(scaler_unit(-2, 35))


def _no_deviation(device: Device, _line: Outbound) -> None:
    def read() -> Data:
        stamp = DateTime.from_octets(device.clock.read().value)
        return octets(dataclasses.replace(stamp, deviation_min=DEVIATION_ANY).to_octets())

    clock = device.objects[(8, CLOCK)].attributes[2]
    device.objects[(8, CLOCK)].attributes[2] = dataclasses.replace(computed(read), write=clock.write)


def _all_public(device: Device, _line: Outbound) -> None:
    for each in device.objects.values():
        each.public = True


# -- tokens ------------------------------------------------------------------------------------------------------------


def _entries(device: Device, change: Callable[[Entry], Entry]) -> None:
    """Every judgement of the decoder goes through `change`."""
    decoder = device.meter._decoder
    sound = decoder._judge
    decoder._judge = lambda *given: change(sound(*given))  # type: ignore[method-assign]


def _any_key(entry: Entry) -> Entry:
    if entry.result is not Result.CRC:
        return entry
    return Entry(Result.ACCEPT, Fields(0, 0, {"rnd": 0, "tid": 0, "field": 0}), CREDITED_WH)


def _double_credit(device: Device, _line: Outbound) -> None:
    device.meter.faults.tid_store_off = True


def _result_lies(device: Device, _line: Outbound) -> None:
    sound = device.meter.enter_token

    def enter(token: str, now: datetime) -> Entry:
        return dataclasses.replace(sound(token, now), result=Result.ACCEPT)

    device.meter.enter_token = enter  # type: ignore[method-assign]


def _no_lockout(device: Device, _line: Outbound) -> None:
    device.meter._decoder._count_wrong = lambda *_given: None  # type: ignore[method-assign]


def _threshold_ignored(device: Device, _line: Outbound) -> None:
    _deaf(device, *device.meter.model.threshold)


def _forgets_credit(device: Device, _line: Outbound) -> None:
    """What tokens brought is gone after a power cut."""
    meter = device.meter
    sound = meter.power_restored

    def restored(now: datetime) -> list[bytes]:
        meter._register.credit_mwh = meter._register.credit_mwh // 2
        return sound(now)

    meter.power_restored = restored  # type: ignore[method-assign]


# -- pushes ------------------------------------------------------------------------------------------------------------


def _stuck_counter(device: Device, _line: Outbound) -> None:
    """Every push under one counter: its first."""
    meter, counters = device.meter, list[int]()
    link, model = meter.link, meter.model

    def seal_sms(plain: bytes) -> bytes:
        counters[:] = counters or [link.present.next_counter()]
        title = meter.config.system_title
        sealed = ciphering.protect(plain, keys=link.keys, system_title=title, counter=counters[0])
        frame = Wrapped(model.server_sap, model.client_sap, sealed)
        return wrapper.wrap(frame) if model.short_order is None else wrapper.wrap_short(frame, model.short_order)

    link.seal_sms = seal_sms  # type: ignore[method-assign]


def _late_push(_device: Device, line: Outbound) -> None:
    line.every_late_s = LATE_S


def _accepts_replay(device: Device, _line: Outbound) -> None:
    """Over a session and over SMS: the windows are empty whenever something comes."""
    link = device.meter.link
    sound = link.open_sms

    def open_sms(payload: bytes) -> tuple[bytes, int]:
        link.present.windows = dict.fromkeys(link.present.windows, ReplayWindow())
        return sound(payload)

    link.open_sms = open_sms  # type: ignore[method-assign]
    device.ciphering = _takes_all


def _serves(serving: type[Serving], device: Device, _line: Outbound) -> None:
    device.serving = serving


def _ciphers(cipher: Callable[..., Cipher], device: Device, _line: Outbound) -> None:
    device.ciphering = cipher


DEFECTS: dict[str, tuple[str, Callable[[Device, Outbound], None]]] = {
    "accepts_replay": ("acts on a request that was sent before", _accepts_replay),
    "no_auth_check": ("deciphers requests and does not check who wrote them", partial(_ciphers, _Unchecked)),
    "accepts_any_proof": ("takes any answer to its HLS challenge", partial(_serves, _AnyProof)),
    "accepts_any_password": ("takes any LLS password", partial(_serves, _AnyPassword)),
    "public_client_reads_all": ("shows everything to a client without a password", _all_public),
    "reuses_counter": ("ciphers several answers under one invocation counter", partial(_ciphers, _one_counter)),
    "silent_on_malformed": ("says nothing to what it cannot decode", partial(_serves, _Silent)),
    "pdu_too_big": ("sends longer APDUs than the client receives", partial(_serves, _TooBig)),
    "blocks_out_of_order": ("numbers the blocks of a long answer wrongly", partial(_serves, _Disorder)),
    "clock_no_deviation": ("tells the time without saying in which zone", _no_deviation),
    "wrong_scaler": ("tells volts with a scaler that is ten times off", _wrong_scaler),
    "profile_off_by_one": ("leaves out the last row of a range", _profile_off_by_one),
    "ignores_range": ("sends all rows whatever range is asked", _ignores_range),
    "double_credit": ("credits a used token again", _double_credit),
    "accepts_wrong_key_token": ("credits a token of another meter's key", lambda d, _: _entries(d, _any_key)),
    "token_result_lies": ("says success to a token that it refused", _result_lies),
    "no_lockout": ("lets wrong tokens be tried without end", _no_lockout),
    "relay_lies": ("says connected while it is disconnected", _relay_lies),
    "limiter_ignored": ("accepts a power limit and does not keep it", _limiter_ignored),
    "threshold_ignored": ("accepts a low-credit threshold and does not keep it", _threshold_ignored),
    "push_counter_stuck": ("sends every push under one invocation counter", _stuck_counter),
    "late_push": ("sends pushes an hour late", _late_push),
    "forgets_credit": ("loses credit in a power cut", _forgets_credit),
}


def plant(name: str, device: Device, line: Outbound) -> None:
    """Give a sound meter this defect. Raises UnknownDefect."""
    if name not in DEFECTS:
        raise UnknownDefect(f"There is no defect {name}; there are {', '.join(DEFECTS)}.")
    DEFECTS[name][1](device, line)
