# SPDX-License-Identifier: Apache-2.0
"""New DLMS keys for a whole fleet as a campaign: drawn, kept, sent and proven meter by meter."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from duaarah.core.order import Order, OrderKind
from duaarah.headend.models import Command, KeyRotation
from duaarah.headend.operations.key_rotation import RotationRefused, order_key_rotation
from duaarah.headend.operations.orders import OrderRefused
from duaarah.headend.ports import Driver, KeyMaker, OrderNotForThis
from duaarah.registry.models import Meter

KIND = "rotate_keys"


class RollRefused(OrderRefused):
    """This meter's keys cannot be changed now; `code` is the rotation's."""

    def __init__(self, error: RotationRefused) -> None:
        super().__init__(str(error))
        self.code = error.code


@dataclass(frozen=True)
class KeyRoll:
    """A campaign's deed: its second person's consent covers every meter of it."""

    driver: Driver
    keys: KeyMaker

    @property
    def dangerous(self) -> bool:
        """See Deed."""
        return True

    def fits(self, profile: str) -> bool:
        """See Deed."""
        try:
            self.driver.check_order(profile=profile, order=Order(kind=OrderKind.PUSH_NOW))
        except OrderNotForThis:
            return False
        return True

    def begin(self, *, meter: Meter, request_id: uuid.UUID, reason: str, actor: str, now: dt.datetime) -> int | None:
        """See Deed; None where the keys go over a connection, of which no command tells."""
        try:
            rotation = order_key_rotation(
                meter_id=meter.pk,
                request_id=request_id,
                reason=reason,
                driver=self.driver,
                keys=self.keys,
                actor=actor,
                now=now,
            )
        except RotationRefused as error:
            raise RollRefused(error) from error
        # One that had got no answer goes on, as this campaign's.
        KeyRotation.objects.filter(pk=rotation.pk).exclude(ordered_by=actor).update(ordered_by=actor)
        sent = Command.objects.filter(meter=meter, kind=Command.Kind.ROTATE_KEYS, payload__rotation=rotation.pk)
        return sent.order_by("-pk").values_list("pk", flat=True).first()
