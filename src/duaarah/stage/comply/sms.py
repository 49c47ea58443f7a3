# SPDX-License-Identifier: Apache-2.0
"""The bench as a head end over SMS: one ESME under a short code, frames out, pushes in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from duaarah.core.intent import Command, SettingResult, TokenResult
from duaarah.drivers import Profile, encode_command, frame
from duaarah.net.esme import ESME, ESMEConfig
from duaarah.stage.comply.pushes import Push, Pushes
from duaarah.stage.comply.target import Counter, Failed, Target
from duaarah.wire.dlms import wrapper
from duaarah.wire.dlms.errors import DlmsError
from duaarah.wire.smpp.pdu import PDU

DATA_CODING_BINARY = 4
VALIDITY_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SmsAccount:
    """The bench's account at an SMSC, the short code that meters answer to, the SIM of the meter on the table."""

    host: str
    port: int
    system_id: str
    password: str = field(repr=False)
    short_code: str
    msisdn: str


class SmppLine:
    """An ESMEHandler: `send` submits a payload to the meter, `arrive` hears what the meter sent."""

    def __init__(self, account: SmsAccount, arrive: Callable[[bytes], None]) -> None:
        self._account, self._arrive = account, arrive
        config = ESMEConfig(
            host=account.host,
            port=account.port,
            system_id=account.system_id,
            password=account.password,
            address_range=f"^{account.short_code}$",
            bind_refusals_max=1,
        )
        self.esme = ESME(config, self)
        self._bound = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.why_down = ""

    async def open(self, timeout_s: float) -> None:
        """Bind. Raises OSError with the reason."""
        self._task = asyncio.create_task(self.esme.run())
        bound = asyncio.create_task(self._bound.wait())
        await asyncio.wait({bound, self._task}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        bound.cancel()
        if not self._bound.is_set():
            raise OSError(f"The SMSC does not bind us: {self.why_down or 'no answer in time'}.")

    async def close(self) -> None:
        """Unbind."""
        await self.esme.stop()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._task

    def send(self, payload: bytes) -> None:
        """One SMS to the meter."""
        if not self.esme.free:
            raise OSError("The SMSC is not there.")
        self.esme.submit(
            None,
            source=self._account.short_code,
            destination=self._account.msisdn,
            short_message=payload,
            data_coding=DATA_CODING_BINARY,
            validity_s=VALIDITY_S,
            registered=False,
        )

    # -- ESMEHandler -----------------------------------------------------------------------------------------------

    def on_bound(self) -> None:
        self._bound.set()

    def on_response(self, token: object, status: int, message_id: str) -> None:
        if status:
            self.why_down = f"it refuses a message with status 0x{status:08X}"

    def on_ambiguous(self, token: object) -> None:
        pass

    def on_deliver(self, pdu: PDU) -> None:
        if pdu.text.get("source_addr") == self._account.msisdn:
            self._arrive(bytes(pdu.payload))
        self.esme.ack(pdu)

    def on_down(self, reason: str) -> None:
        self.why_down = reason


def arrived(profile: Profile, pushes: Pushes) -> Callable[[bytes], None]:
    """Takes a meter's SMS off its wrapper and into `pushes`; what is no frame is a push that cannot be read."""

    def arrive(payload: bytes) -> None:
        order = profile.link.short_order
        try:
            framed = wrapper.unwrap(payload) if order is None else wrapper.unwrap_short(payload, order)
        except DlmsError:
            pushes.put(payload)
            return
        pushes.put(framed.apdu)

    return arrive


class SmsTalk:
    """Orders to the meter and its answers, over any line that carries SMS."""

    def __init__(self, target: Target, counter: Counter, pushes: Pushes, send: Callable[[bytes], None]) -> None:
        self.target, self.counter, self.pushes, self._send = target, counter, pushes, send
        self._invoke = 0

    def framed(self, command: Command) -> tuple[bytes, int]:
        """The SMS of a command, and the counter under which it goes."""
        counter, keys = self.counter.next(), self.target.keys
        assert keys is not None
        self._invoke = (self._invoke + 1) % 16
        plain = encode_command(self.target.profile, command, self._invoke)
        title = self.target.own_title
        payload = frame(self.target.profile, plain, keys=keys, system_title=title, counter=counter, to_meter=True)
        return payload, counter

    async def answer(self, payload: bytes, wanted: Callable[[Push], bool], *, timeout_s: float) -> Push | None:
        """Send it and wait for what is wanted."""
        since = len(self.pushes.all)
        self._send(payload)
        return await self.pushes.wait(wanted, since, timeout_s)

    async def token(self, command: Command) -> TokenResult:
        """A token's result; Failed when none comes."""
        payload, counter = self.framed(command)

        def wanted(push: Push) -> bool:
            return isinstance(push.report, TokenResult) and push.report.command_counter == counter

        push = await self.answer(payload, wanted, timeout_s=self.target.push_s)
        if push is None or not isinstance(push.report, TokenResult):
            raise Failed(f"No result of the token within {self.target.push_s:g} s.")
        return push.report

    async def order(self, command: Command) -> str:
        """The meter's answer to a confirmed order; Failed when none comes."""
        payload, _ = self.framed(command)
        invoke = self._invoke

        def wanted(push: Push) -> bool:
            return isinstance(push.report, SettingResult) and push.report.invoke_id == invoke

        push = await self.answer(payload, wanted, timeout_s=self.target.push_s)
        if push is None or not isinstance(push.report, SettingResult):
            raise Failed(f"No answer to the order within {self.target.push_s:g} s.")
        return push.report.result
