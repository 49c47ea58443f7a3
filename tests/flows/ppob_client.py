"""A bank's side of the wire, as small as it can be: one blocking socket, one message after the other."""

from __future__ import annotations

import itertools
import socket
from typing import Any

from duaarah.wire.iso8583 import Deframer, Framing, Message, decode, encode, frame

_TRACES = itertools.count(1)
SENT = "20260216080000"


class Client:
    """`ask` sends and reads one answer; `send` and `read` are its halves."""

    def __init__(self, port: int, *, partner: str = "PYLP001", framing: Framing = Framing.LENGTH2) -> None:
        self.partner, self.framing = partner, framing
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._deframer = Deframer(framing)
        self._read: list[str] = []

    def close(self) -> None:
        self._socket.close()

    def raw(self, octets: bytes) -> None:
        self._socket.sendall(octets)

    def send(self, mti: str, fields: dict[str, Any]) -> None:
        self.raw(frame(encode(mti, fields), self.framing))

    def read(self) -> Message | None:
        """The next answer; None when the other side has closed."""
        while not self._read:
            octets = self._socket.recv(65536)
            if not octets:
                return None
            self._read += self._deframer.feed(octets)
        return decode(self._read.pop(0))

    def ask(self, mti: str, fields: dict[str, Any]) -> Message:
        self.send(mti, fields)
        answer = self.read()
        assert answer is not None, "The host has closed the connection."
        return answer

    def code(self, mti: str, fields: dict[str, Any]) -> str:
        """Field 39 of the answer."""
        return str(self.ask(mti, fields).fields["39"])

    # -- messages ------------------------------------------------------------------------------------------------------

    def network(self, code: str = "001") -> dict[str, Any]:
        return {
            "12": SENT,
            "33": self.partner,
            "40": code,
            "41": "0000000000LOKET1",
            "48": {"switcher_id": self.partner},
        }

    def sign_on(self) -> str:
        return self.code("2800", self.network())

    def about(self, product: str, private: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {
            "2": f"99{product}",
            "11": f"{next(_TRACES):012d}",
            "12": SENT,
            "26": "6021",
            "32": "4510017",
            "33": self.partner,
            "41": "0000000000LOKET1",
            "48": {"switcher_id": self.partner, **private},
            **more,
        }

    def inquiry(self, meter_no: str) -> dict[str, Any]:
        return self.about("502", {"meter_no": meter_no, "idpel": "0" * 12, "id_flag": "0"})

    def purchase(self, found: Message, amount_idr: int = 100_000, option: str = "0") -> dict[str, Any]:
        private = {**found.fields["48"], "option": option}
        return self.about("502", private, **{"4": f"3600{amount_idr:012d}", "62": found.fields["62"]})

    def advice(self, purchase: dict[str, Any]) -> dict[str, Any]:
        names = ("switcher_id", "meter_no", "idpel", "id_flag", "pln_ref", "switcher_ref")
        return {**purchase, "48": {name: purchase["48"][name] for name in names}}
