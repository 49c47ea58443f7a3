# SPDX-License-Identifier: Apache-2.0
"""headend's Lines over the asyncio DLMS client: one association each, what came of it as a value, no exception."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from duaarah import drivers
from duaarah.core.intent import TransferKeys
from duaarah.core.replay import ReplayWindow
from duaarah.drivers.reports import ACTION_RESULTS
from duaarah.headend.ports import ImageAnswer, KeyUnwrapper, LineAnswer, LineTerms
from duaarah.net import dlms_image
from duaarah.net.dlms import Endpoint, ServiceRefused, Session, SessionFailed, SessionRefused, session
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wiring.drivers import HEAD_END_TITLE

TIMEOUT_S = 20.0
# Less than a line is held for: whoever holds it has let go before somebody else may.
SESSION_S = 240.0
Work = Callable[[Session], Awaitable[None]]


class _Spent(SessionFailed):
    """The session asked for more counters than were kept for it."""


@dataclass
class _Told:
    """What the work has found out, whatever becomes of the session."""

    progress: dlms_image.Progress = field(default_factory=lambda: dlms_image.Progress(0, 0, 0))
    state: str = "sending"
    version: str = ""

    def tell(self, progress: dlms_image.Progress) -> None:
        self.progress = progress

    def answer(self, came: LineAnswer) -> ImageAnswer:
        return ImageAnswer(
            outcome=came.outcome,
            code=came.code,
            window=came.window,
            state=self.state,
            blocks=self.progress.blocks,
            there=self.progress.there,
            sent=self.progress.sent,
            version=self.version,
        )


class MeterLines:
    """Sessions in our own name, as the managing client. `keys` opens what the registry keeps."""

    def __init__(self, keys: KeyUnwrapper, *, timeout_s: float = TIMEOUT_S) -> None:
        self._keys, self._timeout_s = keys, timeout_s

    def greet(self, *, terms: LineTerms) -> LineAnswer:
        """See headend.ports.Lines."""

        async def nothing(_session: Session) -> None:
            return None

        return self._ask(terms, nothing)

    def transfer_keys(self, *, terms: LineTerms, keys: TransferKeys) -> LineAnswer:
        """See headend.ports.Lines."""

        async def work(opened: Session) -> None:
            await opened.act(*drivers.profile(terms.profile).key_transfer, drivers.key_transfer(keys))

        return self._ask(terms, work)

    def begin_image(self, *, terms: LineTerms, identification: bytes, octets: int) -> ImageAnswer:
        """See headend.ports.Lines."""
        told = _Told()

        async def work(opened: Session) -> None:
            told.version = await dlms_image.version(opened)
            await dlms_image.initiate(opened, identification, octets)

        return told.answer(self._ask(terms, work))

    def send_image(self, *, terms: LineTerms, content: bytes, blocks_max: int) -> ImageAnswer:
        """See headend.ports.Lines."""
        told = _Told()

        async def work(opened: Session) -> None:
            progress = await dlms_image.send_missing(opened, content, blocks_max, told.tell)
            if progress.there == progress.blocks:
                await dlms_image.verify(opened)
                told.state = "verified"

        return told.answer(self._ask(terms, work))

    def activate_image(self, *, terms: LineTerms) -> ImageAnswer:
        """See headend.ports.Lines."""
        told = _Told()

        async def work(opened: Session) -> None:
            await dlms_image.activate(opened)
            told.state = "activated"

        return told.answer(self._ask(terms, work))

    def read_version(self, *, terms: LineTerms) -> ImageAnswer:
        """See headend.ports.Lines."""
        told = _Told(state="activated")

        async def work(opened: Session) -> None:
            told.version = await dlms_image.version(opened)

        return told.answer(self._ask(terms, work))

    def _ask(self, terms: LineTerms, work: Work) -> LineAnswer:
        opened: Session | None = None
        counters = iter(range(terms.first_counter, terms.first_counter + terms.counters))

        def next_counter() -> int:
            try:
                return next(counters)
            except StopIteration:
                raise _Spent("No counter is left for this session.") from None

        async def whole() -> None:
            nonlocal opened
            async with session(self._endpoint(terms), next_counter=next_counter, window=terms.window) as opened:
                async with asyncio.timeout(SESSION_S):
                    await work(opened)

        outcome, code = "done", ""
        try:
            asyncio.run(whole())
        except ServiceRefused as error:
            outcome, code = "refused", ACTION_RESULTS.get(error.result, "other_reason")
        except (SessionFailed, SessionRefused, OSError, ValueError) as error:
            # A refused association is no word on what was asked: other keys, another client, a restart.
            outcome, code = "failed", getattr(error, "code", "session_failed")
        window: ReplayWindow = opened.window if opened is not None else terms.window
        return LineAnswer(outcome=outcome, code=code, window=window)

    def _endpoint(self, terms: LineTerms) -> Endpoint:
        keys = self._keys.meter_keys(drn=terms.drn, wrapped=terms.keys_wrapped)
        link = drivers.profile(terms.profile).link
        endpoint = Endpoint(
            host=terms.host,
            port=terms.port,
            client_sap=terms.client_sap,
            server_sap=link.server_sap,
            keys=Keys(keys.encryption, keys.authentication),
            system_title=HEAD_END_TITLE,
            meter_title=terms.system_title,
            timeout_s=self._timeout_s,
        )
        return replace(endpoint, hdlc=True) if terms.hdlc else endpoint
