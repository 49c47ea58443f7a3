# SPDX-License-Identifier: Apache-2.0
"""The meter's end of its link: unwrap, authenticate, refuse replays; cipher and wrap what it sends.

A frame that fails any test raises Dropped, is counted by the meter and never answered.
"""

from __future__ import annotations

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


class MeterLink:
    """Both directions' invocation counters and the replay window of every client the meter knows."""

    def __init__(self, model: MeterModel, keys: Keys, system_title: bytes, client_titles: tuple[bytes, ...]) -> None:
        if system_title in client_titles:
            raise ValueError("A client with the meter's own system title would repeat its nonces.")
        self._model = model
        self._keys = keys
        self._system_title = system_title
        self._windows = {title: ReplayWindow() for title in client_titles}
        self._sent_counter = 0
        self._keys_changed = False

    @property
    def sent_counter(self) -> int:
        """The latest invocation counter the meter used."""
        return self._sent_counter

    @property
    def keys(self) -> Keys:
        """The global keys that count now."""
        return self._keys

    @property
    def received_counter(self) -> int:
        """The highest invocation counter taken from any client."""
        return max((window.highest for window in self._windows.values()), default=0)

    def change_keys(self, keys: Keys) -> None:
        """New global keys: the clients' counters begin anew, the meter's own goes on. Kept by `state()`."""
        self._keys, self._keys_changed = keys, True
        self._windows = dict.fromkeys(self._windows, ReplayWindow())

    def next_counter(self) -> int:
        """The meter's next own counter, used by this call."""
        if self._sent_counter >= COUNTER_MAX:
            raise Dropped("counter_exhausted")
        self._sent_counter += 1
        return self._sent_counter

    def take_counter(self, title: bytes, counter: int) -> None:
        """A client's counter, proven before; Stale when it was used, or when the meter knows too many clients."""
        window = self._windows.get(title)
        if window is None and len(self._windows) >= CLIENTS_MAX:
            raise Stale("The meter keeps the counters of so many clients only.")
        try:
            self._windows[title], _ = (window or ReplayWindow()).take(counter)
        except (Replayed, ValueError):
            raise Stale(f"The invocation counter {counter} was used before.") from None

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
            window = self._windows.get(ciphered.system_title)
            if window is None:
                raise Dropped("unknown_client")
            plain = ciphering.unprotect(ciphered, self._keys)
            self._windows[ciphered.system_title], _ = window.take(ciphered.counter)
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
        counter = self.next_counter()
        apdu = ciphering.protect(plain, keys=self._keys, system_title=self._system_title, counter=counter)
        return Wrapped(self._model.server_sap, self._model.client_sap, apdu)

    def state(self) -> dict[str, Any]:
        """What the meter keeps over a power failure, as JSON values."""
        windows = {title.hex(): [window.highest, window.bitmap] for title, window in self._windows.items()}
        state: dict[str, Any] = {"sent_counter": self._sent_counter, "windows": windows}
        if self._keys_changed:
            state["keys"] = [self._keys.encryption_key.hex(), self._keys.authentication_key.hex()]
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a former `state()`. Never lowers the sent counter: that would repeat a nonce."""
        self._sent_counter = max(self._sent_counter, state["sent_counter"])
        if "keys" in state:
            self._keys, self._keys_changed = Keys(*(bytes.fromhex(key) for key in state["keys"])), True
        for title, (highest, bitmap) in state["windows"].items():
            if bytes.fromhex(title) != self._system_title:
                self._windows[bytes.fromhex(title)] = ReplayWindow(highest, bitmap)
