# SPDX-License-Identifier: Apache-2.0
"""The meter's end of its link: unwrap, authenticate, refuse replays; cipher and wrap what it sends.

A frame that fails any test raises Dropped, is counted by the meter and never answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from duaarah.core.replay import COUNTER_MAX, Replayed, ReplayWindow
from duaarah.sim.meter.models import MeterModel
from duaarah.wire.dlms import ciphering, wrapper
from duaarah.wire.dlms.ciphering import Keys
from duaarah.wire.dlms.errors import DlmsError, Stale
from duaarah.wire.dlms.wrapper import Wrapped

CLIENTS_MAX = 8


class Dropped(Exception):
    """A frame the meter will not act on; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__("The meter drops this frame.")
        self.code = code


@dataclass(slots=True)
class KeySet:
    """Global keys and all that is counted under them: each client's counters, and the meter's own."""

    keys: Keys
    windows: dict[bytes, ReplayWindow]
    sent_counter: int = 0

    def next_counter(self) -> int:
        """The meter's next own counter, used by this call."""
        if self.sent_counter >= COUNTER_MAX:
            raise Dropped("counter_exhausted")
        self.sent_counter += 1
        return self.sent_counter

    def take_counter(self, title: bytes, counter: int) -> None:
        """A client's counter, proven before; Stale when it was used, or when the meter knows too many clients."""
        window = self.windows.get(title)
        if window is None and len(self.windows) >= CLIENTS_MAX:
            raise Stale("The meter keeps the counters of so many clients only.")
        try:
            self.windows[title], _ = (window or ReplayWindow()).take(counter)
        except (Replayed, ValueError):
            raise Stale(f"The invocation counter {counter} was used before.") from None


class MeterLink:
    """Both directions' invocation counters and the replay window of every client the meter knows."""

    def __init__(self, model: MeterModel, keys: Keys, system_title: bytes, client_titles: tuple[bytes, ...]) -> None:
        if system_title in client_titles:
            raise ValueError("A client with the meter's own system title would repeat its nonces.")
        self._model = model
        self._system_title = system_title
        self.present = KeySet(keys, {title: ReplayWindow() for title in client_titles})
        self._keys_changed = False

    @property
    def sent_counter(self) -> int:
        """The latest invocation counter the meter used."""
        return self.present.sent_counter

    @property
    def keys(self) -> Keys:
        """The global keys that count now."""
        return self.present.keys

    @property
    def received_counter(self) -> int:
        """The highest invocation counter taken from any client."""
        return max((window.highest for window in self.present.windows.values()), default=0)

    def change_keys(self, keys: Keys) -> None:
        """
        New global keys: all counters, both ways, begin anew; an association goes on under the set that it began with.
        The keys that it has already are no new ones: their counters go on, or frames could be played again.
        """
        if keys == self.present.keys:
            return
        self.present, self._keys_changed = KeySet(keys, dict.fromkeys(self.present.windows, ReplayWindow())), True

    def open_sms(self, payload: bytes) -> tuple[bytes, int]:
        """The plain APDU of an SMS and the invocation counter it came under."""
        order = self._model.short_order
        try:
            frame = wrapper.unwrap(payload) if order is None else wrapper.unwrap_short(payload, order)
        except DlmsError as error:
            raise Dropped(error.code) from None
        return self._open(frame)

    def open_tcp(self, payload: bytes) -> tuple[bytes, int]:
        """The plain APDU of one wrapped request, and its counter."""
        try:
            frame = wrapper.unwrap(payload)
        except DlmsError as error:
            raise Dropped(error.code) from None
        return self._open(frame)

    def _open(self, frame: Wrapped) -> tuple[bytes, int]:
        if (frame.source, frame.destination) != (self._model.client_sap, self._model.server_sap):
            raise Dropped("wrong_address")
        try:
            ciphered = ciphering.parse(frame.apdu)
            window = self.present.windows.get(ciphered.system_title)
            if window is None:
                raise Dropped("unknown_client")
            plain = ciphering.unprotect(ciphered, self.keys)
            self.present.windows[ciphered.system_title], _ = window.take(ciphered.counter)
        except (DlmsError, Replayed) as error:
            raise Dropped(error.code) from None
        except ValueError:  # counter 0 is never valid
            raise Dropped("malformed") from None
        return plain, ciphered.counter

    def seal_sms(self, plain: bytes) -> bytes:
        """The payload of one SMS to the head end."""
        frame = self._seal(plain)
        order = self._model.short_order
        return wrapper.wrap(frame) if order is None else wrapper.wrap_short(frame, order)

    def seal_tcp(self, plain: bytes) -> bytes:
        """One wrapped answer."""
        return wrapper.wrap(self._seal(plain))

    def seal_tcp_long(self, plain: bytes) -> bytes:
        """One wrapped push of any length that the header can say."""
        frame = self._seal(plain)
        head = (wrapper.VERSION, frame.source, frame.destination, len(frame.apdu))
        return b"".join(number.to_bytes(2, "big") for number in head) + frame.apdu

    def _seal(self, plain: bytes) -> Wrapped:
        counter = self.present.next_counter()
        apdu = ciphering.protect(plain, keys=self.keys, system_title=self._system_title, counter=counter)
        return Wrapped(self._model.server_sap, self._model.client_sap, apdu)

    def state(self) -> dict[str, Any]:
        """What the meter keeps over a power failure, as JSON values."""
        windows = {title.hex(): [window.highest, window.bitmap] for title, window in self.present.windows.items()}
        state: dict[str, Any] = {"sent_counter": self.sent_counter, "windows": windows}
        if self._keys_changed:
            state["keys"] = [self.keys.encryption_key.hex(), self.keys.authentication_key.hex()]
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a former `state()`. Never lowers the sent counter: that would repeat a nonce."""
        if "keys" in state:
            keys = Keys(*(bytes.fromhex(key) for key in state["keys"]))
            if keys != self.keys:
                self.present = KeySet(keys, self.present.windows)
            self._keys_changed = True
        self.present.sent_counter = max(self.present.sent_counter, state["sent_counter"])
        for title, (highest, bitmap) in state["windows"].items():
            if bytes.fromhex(title) != self._system_title:
                self.present.windows[bytes.fromhex(title)] = ReplayWindow(highest, bitmap)
