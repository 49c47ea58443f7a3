# SPDX-License-Identifier: Apache-2.0
"""headend's Driver port over the profiles of `drivers`."""

from __future__ import annotations

from collections.abc import Sequence

from duaarah import drivers
from duaarah.core.intent import Command
from duaarah.core.order import Order
from duaarah.headend.ports import FrameRefused, MeterKeys, OpenedFrame, OrderNotForThis
from duaarah.wire.dlms.errors import DlmsError

# The head end's own system title: one half of every nonce towards meters, known to each meter from provisioning.
HEAD_END_TITLE = b"DUAHES01"
INVOKE_MASK = 0x0F


class DriverDirectory:
    """Every kind of meter, by the name of its profile."""

    def build(self, *, profile: str, intent: Command, keys: MeterKeys, counter: int) -> bytes:
        """See headend.ports.Driver. Raises UnknownProfile."""
        kind = drivers.profile(profile)
        return drivers.frame(
            kind,
            drivers.encode_command(kind, intent, counter & INVOKE_MASK),
            keys=drivers.Keys(keys.encryption, keys.authentication),
            system_title=HEAD_END_TITLE,
            counter=counter,
            to_meter=True,
        )

    def bundle(self, *, profile: str, intents: Sequence[Command], keys: MeterKeys, counter: int) -> tuple[bytes, int]:
        """See headend.ports.Driver. Raises UnknownProfile."""
        return drivers.bundled_frame(
            drivers.profile(profile),
            intents,
            keys=drivers.Keys(keys.encryption, keys.authentication),
            system_title=HEAD_END_TITLE,
            counter=counter,
        )

    def wake_up(self, *, profile: str, keys: MeterKeys, counter: int) -> bytes | None:
        """See headend.ports.Driver."""
        kind = drivers.profile(profile)
        if kind.ip is None or kind.ip.wake is None:
            return None
        return drivers.frame(
            kind,
            drivers.wake_up(kind.ip.wake),
            keys=drivers.Keys(keys.encryption, keys.authentication),
            system_title=HEAD_END_TITLE,
            counter=counter,
            to_meter=True,
        )

    def check_read(self, *, profile: str) -> None:
        """See headend.ports.Driver."""
        if drivers.profile(profile).ip is None:
            raise OrderNotForThis("This kind of meter is not read over a connection.")

    def check_order(self, *, profile: str, order: Order) -> None:
        """See headend.ports.Driver. Raises UnknownProfile."""
        try:
            drivers.encode_order(drivers.profile(profile), order, 0)
        except drivers.OrderUnsupported as error:
            raise OrderNotForThis(str(error)) from error

    def open(self, *, profile: str, payload: bytes, keys: MeterKeys, system_title: bytes) -> OpenedFrame:
        """See headend.ports.Driver."""
        kind = drivers.profile(profile)
        try:
            protected = drivers.unframe(kind, payload)
            if protected.system_title != system_title:
                raise FrameRefused("wrong_meter", "The frame names another meter than the one paired with this SIM.")
            plain = drivers.open_frame(protected, keys=drivers.Keys(keys.encryption, keys.authentication))
        except DlmsError as error:
            raise FrameRefused(error.code, str(error)) from error
        return OpenedFrame(protected.counter, drivers.decode_report(kind, plain))

    def explain(self, *, profile: str, payload: bytes, keys: MeterKeys | None) -> drivers.Explained:
        """A meter's SMS for people, as far as it can be read; never raises for what the SMS holds."""
        opened = None if keys is None else drivers.Keys(keys.encryption, keys.authentication)
        return drivers.explain(drivers.profile(profile), payload, keys=opened)
