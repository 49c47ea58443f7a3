# SPDX-License-Identifier: Apache-2.0
"""
The meter's side: a decoder key, a store of TIDs, key changes put together in any order, and a keypad that locks.

No clock of its own: `now_s` is any monotonic count of seconds. `state()` and `MeterDecoder.restore()` carry a meter
over a restart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from duaarah.core.sts.amounts import decode_steps
from duaarah.core.sts.decode import Result, decode
from duaarah.core.sts.decoder_key import DecoderKey
from duaarah.core.sts.errors import STSError
from duaarah.core.sts.fields import KEY_CHANGE, TRANSFER_CREDIT, Fields

TID_STORE_SIZE = 50
WRONG_ENTRIES_MAX = 3
LOCKOUT_S = 300
KEY_CHANGE_TIMEOUT_S = 3 * 3600
WH_PER_STEP = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """What came of one entry: the result, its fields where readable, the energy added (class 0.0, Wh)."""

    result: Result
    fields: Fields | None = None
    energy_wh: int = 0
    key_changed: bool = False


class MeterDecoder:
    """Judges and applies tokens. `tid_store_on=False` plants a known defect for tests of those who rely on the store."""

    def __init__(
        self, key: DecoderKey, *, kt: int = 2, ken: int = 255, register_max_wh: int = 10**9, tid_store_on: bool = True
    ) -> None:
        self.key = key
        self.kt = kt
        self.ken = ken
        self.krn: int | None = None
        self.ti: int | None = None
        self.sgc: int | None = None
        self.tid_store_on = tid_store_on
        self.register_max_wh = register_max_wh
        self.accepted_count = 0
        self._tids: list[int] = []
        self._sections: dict[int, dict[str, int]] = {}
        self._sections_at_s = 0
        self._wrong = 0
        self._locked_until_s = 0

    def enter(self, token: str, *, now_s: int, credit_wh: int = 0, by_keypad: bool = False) -> Entry:
        """
        Enter 20 digits. `credit_wh` is what the register holds, for the overflow check. Digits that are no token at all
        are refused as `crc`, like any other wrong entry: a keypad knows no better word.
        """
        if by_keypad and now_s < self._locked_until_s:
            return Entry(Result.LOCKOUT)
        entry = self._judge(token, now_s, credit_wh)
        if by_keypad:
            self._count_wrong(entry.result, now_s)
        return entry

    def _judge(self, token: str, now_s: int, credit_wh: int) -> Entry:
        try:
            decoded = decode(
                token,
                self.key,
                kt=self.kt,
                ken=self.ken,
                tid_store=self._tids if self.tid_store_on else None,
                oldest_tid=self._tids[0] if self.tid_store_on and len(self._tids) >= TID_STORE_SIZE else None,
            )
        except STSError:
            return Entry(Result.CRC)
        if decoded.result is not Result.ACCEPT or decoded.fields is None:
            return Entry(decoded.result, decoded.fields)
        fields = decoded.fields
        if fields.kind in KEY_CHANGE:
            return Entry(Result.ACCEPT, fields, key_changed=self._take_section(fields, now_s))
        energy_wh = decode_steps(fields.values["field"]) * WH_PER_STEP if fields.kind == (0, 0) else 0
        if credit_wh + energy_wh > self.register_max_wh:
            return Entry(Result.OVERFLOW, fields)
        if fields.tid is not None:
            self._tids = sorted({*self._tids, fields.tid})[-TID_STORE_SIZE:]
            self.accepted_count += fields.kind in TRANSFER_CREDIT
        return Entry(Result.ACCEPT, fields, energy_wh)

    def _take_section(self, fields: Fields, now_s: int) -> bool:
        """Keep one section of a key change; change the key when all are there. A set that dawdles starts anew."""
        if self._sections and now_s - self._sections_at_s > KEY_CHANGE_TIMEOUT_S:
            self._sections.clear()
        self._sections_at_s = now_s
        self._sections[fields.subclass] = dict(fields.values)
        wanted = (3, 4) if self.key.ea == "07" and not {8, 9} & set(self._sections) else (3, 4, 8, 9)
        if any(section not in self._sections for section in wanted):
            return False
        first, second = self._sections[3], self._sections[4]
        parts = [first["nkho"], second["nklo"]]
        if len(wanted) == 4:
            third, fourth = self._sections[8], self._sections[9]
            parts[1:1] = [third["nkmo2"], fourth["nkmo1"]]
            self.sgc = fourth["sgcho"] << 12 | third["sgclo"]
        octets = b"".join(part.to_bytes(4, "big") for part in parts)
        self.key = DecoderKey("11" if len(wanted) == 4 else "07", octets)
        self.kt, self.krn, self.ti = first["kt"], first["krn"], second["ti"]
        self.ken = first["kenho"] << 4 | second["kenlo"]
        if first["ro"]:
            self._tids.clear()
        self._sections.clear()
        return True

    def _count_wrong(self, result: Result, now_s: int) -> None:
        self._wrong = 0 if result is not Result.CRC else self._wrong + 1
        if self._wrong >= WRONG_ENTRIES_MAX:
            self._wrong = 0
            self._locked_until_s = now_s + LOCKOUT_S

    @property
    def tids(self) -> tuple[int, ...]:
        """The TIDs in store, oldest first."""
        return tuple(self._tids)

    def state(self) -> dict[str, Any]:
        """Everything that must survive a power cut, as plain values. It holds the decoder key: keep it as a secret."""
        return {
            "ea": self.key.ea,
            "key": self.key.octets.hex(),
            "kt": self.kt,
            "ken": self.ken,
            "krn": self.krn,
            "ti": self.ti,
            "sgc": self.sgc,
            "tids": list(self._tids),
            "sections": {str(k): dict(v) for k, v in self._sections.items()},
            "sections_at_s": self._sections_at_s,
            "wrong": self._wrong,
            "locked_until_s": self._locked_until_s,
            "accepted_count": self.accepted_count,
            "tid_store_on": self.tid_store_on,
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> MeterDecoder:
        """The meter that `state()` described."""
        key = DecoderKey(state["ea"], bytes.fromhex(state["key"]))
        meter = cls(key, kt=state["kt"], ken=state["ken"], tid_store_on=state["tid_store_on"])
        meter.krn, meter.ti, meter.sgc = state["krn"], state["ti"], state["sgc"]
        meter._tids = list(state["tids"])
        meter._sections = {int(k): dict(v) for k, v in state["sections"].items()}
        meter._sections_at_s = state["sections_at_s"]
        meter._wrong, meter._locked_until_s = state["wrong"], state["locked_until_s"]
        meter.accepted_count = state["accepted_count"]
        return meter
