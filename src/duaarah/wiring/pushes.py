# SPDX-License-Identifier: Apache-2.0
"""headend's PushReader over the codec: suite 0, authenticated encryption under the meter's own keys."""

from __future__ import annotations

from duaarah import drivers
from duaarah.headend.ports import FrameRefused, MeterKeys, OpenedFrame
from duaarah.headend.push_ports import ProvenPush
from duaarah.wire.dlms import ciphering, notification
from duaarah.wire.dlms.errors import DlmsError
from duaarah.wiring.drivers import HEAD_END_TITLE


class PushFrames:
    """See headend.push_ports.PushReader. The service access points are not judged: the keys say whose a push is."""

    def title(self, apdu: bytes) -> bytes:
        try:
            return ciphering.parse(apdu).system_title
        except DlmsError as error:
            raise FrameRefused(error.code, str(error)) from error

    def prove(self, *, apdu: bytes, keys: MeterKeys) -> ProvenPush:
        counter, plain = _plain(apdu, keys)
        return ProvenPush(counter, notification.confirmed_by(plain))

    def open(self, *, profile: str, apdu: bytes, keys: MeterKeys) -> OpenedFrame:
        counter, plain = _plain(apdu, keys)
        return OpenedFrame(counter, drivers.decode_report(drivers.profile(profile), plain))

    def confirmation(self, *, long_invoke: int, keys: MeterKeys, counter: int) -> bytes:
        return ciphering.protect(
            notification.confirmation(long_invoke),
            keys=drivers.Keys(keys.encryption, keys.authentication),
            system_title=HEAD_END_TITLE,
            counter=counter,
        )


def _plain(apdu: bytes, keys: MeterKeys) -> tuple[int, bytes]:
    try:
        ciphered = ciphering.parse(apdu)
        if ciphered.system_title == HEAD_END_TITLE or not ciphered.counter:
            raise FrameRefused("malformed", "No meter sends under our own title, or under the counter 0.")
        return ciphered.counter, ciphering.unprotect(ciphered, drivers.Keys(keys.encryption, keys.authentication))
    except DlmsError as error:
        raise FrameRefused(error.code, str(error)) from error
