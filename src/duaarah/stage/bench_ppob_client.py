# SPDX-License-Identifier: Apache-2.0
"""The banks of `bench ppob`: messages as text, made by cutting, so that the client costs little of what it measures."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from duaarah.wire.iso8583 import Deframer, Framing, decode, encode, frame

BANK = "4510017"
SENT = "20260216080000"
_PURCHASE_BITMAP = "5030004180810004"
_OK = "0000"
FIRST_FIELD = 20


@dataclass
class Measured:
    """What was bought in how long; answer times as the client saw them."""

    purchases: int = 0
    seconds: float = 0.0
    inquiry_ms: list[float] = field(default_factory=list)
    purchase_ms: list[float] = field(default_factory=list)


class _Line:
    """One partner's connection; answers are matched by their trace number."""

    def __init__(self, partner: str) -> None:
        self.partner = partner
        self._waiting: dict[str, asyncio.Future[str]] = {}
        self._deframer = Deframer(Framing.LENGTH2)
        self._traces = itertools.count(1)

    async def open(self, host: str, port: int) -> None:
        self._reader, self._writer = await asyncio.open_connection(host, port)
        fields = {"12": SENT, "33": self.partner, "40": "001", "41": "0" * 16, "48": {"switcher_id": self.partner}}
        self._writer.write(frame(encode("2800", fields), Framing.LENGTH2))
        answer = decode(self._deframer.feed(await self._reader.read(4096))[0])
        if answer.fields["39"] != _OK:
            raise AssertionError(f"The sign-on was answered {answer.fields['39']}.")
        self._task = asyncio.create_task(self._read())

    async def close(self) -> None:
        self._writer.close()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self) -> None:
        while octets := await self._reader.read(65536):
            for text in self._deframer.feed(octets):
                at = 43 if text.startswith("2210") else 27
                self._waiting.pop(text[at : at + 12]).set_result(text)
        for future in self._waiting.values():
            future.set_exception(ConnectionError("The host has closed the connection."))

    async def ask(self, make: Callable[[str], str]) -> str:
        """Send what `make` gives for a trace number; the answer."""
        trace = f"{next(self._traces):012d}"
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[trace] = future
        self._writer.write(frame(make(trace), Framing.LENGTH2))
        return await future


class Banks:
    """Partners that buy the same nominal for one meter after the other."""

    def __init__(self, host: str, port: int, partners: list[str], meters: list[str], *, nominal_idr: int) -> None:
        self._host, self._port, self._partners = host, port, partners
        self._meters = itertools.cycle(meters)
        self._amount = f"3600{nominal_idr:012d}"
        self._inquiries: dict[str, tuple[str, str]] = {}

    async def at_full_speed(self, seconds: int, *, in_flight: int) -> Measured:
        """As many as are answered while `in_flight` buy at once."""
        lines = await self._open()
        measured = Measured()
        begun_s = time.monotonic()

        async def buyer(line: _Line) -> None:
            while time.monotonic() - begun_s < seconds:
                await self._buy(line, Measured())
                measured.purchases += 1

        await asyncio.gather(*(buyer(lines[number % len(lines)]) for number in range(in_flight)))
        measured.seconds = time.monotonic() - begun_s
        await self._close(lines)
        return measured

    async def paced(self, seconds: int, *, per_s: int) -> Measured:
        """One purchase is due each 1/per_s, whatever became of those before it."""
        lines = await self._open()
        measured = Measured()
        begun_s = time.monotonic()
        tasks = []
        for number in range(seconds * per_s):
            await asyncio.sleep(max(0.0, begun_s + number / per_s - time.monotonic()))
            tasks.append(asyncio.create_task(self._buy(lines[number % len(lines)], measured)))
        await asyncio.gather(*tasks)
        measured.purchases, measured.seconds = len(tasks), time.monotonic() - begun_s
        await self._close(lines)
        return measured

    async def _buy(self, line: _Line, measured: Measured) -> None:
        meter_no = next(self._meters)
        begun_s = time.perf_counter()
        found = await line.ask(lambda trace: self._inquiry(line, trace, meter_no))
        inquired_s = time.perf_counter()
        if _code(found) != _OK:
            raise AssertionError(f"An inquiry was answered {_code(found)}.")
        sold = await line.ask(lambda trace: self._purchase(found, trace))
        if _code(sold) != _OK:
            raise AssertionError(f"A purchase was answered {_code(sold)}.")
        measured.inquiry_ms.append((inquired_s - begun_s) * 1000)
        measured.purchase_ms.append((time.perf_counter() - inquired_s) * 1000)

    def _inquiry(self, line: _Line, trace: str, meter_no: str) -> str:
        if line.partner not in self._inquiries:
            private = {"switcher_id": line.partner, "meter_no": "8" * 11, "idpel": "0" * 12, "id_flag": "0"}
            fields = {"2": "99502", "11": "7" * 12, "12": SENT, "26": "6021", "32": BANK, "33": line.partner}
            text = encode("2100", {**fields, "41": "0" * 16, "48": private})
            before, _, rest = text.partition("7" * 12)
            middle, _, after = rest.partition("8" * 11)
            self._inquiries[line.partner] = before, middle + "\0" + after
        before, rest = self._inquiries[line.partner]
        return before + trace + rest.replace("\0", meter_no)

    def _purchase(self, found: str, trace: str) -> str:
        """The inquiry's answer with amount, trace and option instead of the response code."""
        # 4 MTI, 16 bitmap, 7 field 2, 12 trace; 12 and 26: 18; 32 and 33: 9 each; 39: 4; 41: 16; then 48 and 62.
        head, times = found[FIRST_FIELD : FIRST_FIELD + 7], found[39:57]
        codes, terminal = found[57:75], found[79:95]
        private, phone = found[98:242], found[242:]
        return f"2200{_PURCHASE_BITMAP}{head}{self._amount}{trace}{times}{codes}{terminal}145{private}0{phone}"

    async def _open(self) -> list[_Line]:
        lines = [_Line(partner) for partner in self._partners]
        for line in lines:
            await line.open(self._host, self._port)
        return lines

    async def _close(self, lines: list[_Line]) -> None:
        for line in lines:
            await line.close()


def _code(answer: str) -> str:
    """Field 39: behind 12, 26, 32 and 33."""
    at = 91 if answer.startswith("2210") else 75
    return answer[at : at + 4]
