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
from duaarah.core.sts.fields import CLEAR_CREDIT, KEY_CHANGE, POWER, TRANSFER_CREDIT, WATER_FACTOR, Fields
from duaarah.core.sts.tid import ken_allows

TID_STORE_SIZE = 50
WRONG_ENTRIES_MAX = 3
LOCKOUT_S = 300
KEY_CHANGE_TIMEOUT_S = 3 * 3600
WH_PER_STEP = 100
ALL_REGISTERS = 0xFFFF
# Class 0 subclasses that a meter of each service takes: by amount, and in currency.
ELECTRICITY, WATER, GAS, TIME = (frozenset({subclass}) for subclass in range(4))
SECTIONS = {"07": (3, 4), "11": (3, 4, 8, 9)}
_SETTINGS = {
    (2, 0): ("power_limit_w", True),
    (2, 2): ("tariff_rate", False),
    (2, 6): ("phase_unbalance_limit_w", True),
    (2, 7): ("water_factor", False),
}
_WATER_SUBCLASSES = frozenset({1, 5})
_ELECTRICITY_SUBCLASSES = frozenset({0, 4})


@dataclass(frozen=True, slots=True)
class Entry:
    """
    What came of one entry: the result, its fields where readable, the energy added (class 0.0, Wh), and the credit
    register to clear (class 2.1; ALL_REGISTERS = every one).
    """

    result: Result
    fields: Fields | None = None
    energy_wh: int = 0
    key_changed: bool = False
    clear_register: int | None = None


class MeterDecoder:
    """
    Judges and applies tokens.

    `credits` are the class 0 subclasses that this meter takes (0 electricity, 1 water, 2 gas, 3 time; 4-7 the same in
    currency); any other is `unsupported`. `new_key_ea` is the algorithm of the key that a key change brings, own by
    default: an EA07 meter that is to become EA11 must know to wait for four sections. `tid_store_on=False` plants a known
    defect for tests of those who rely on the store.
    """

    def __init__(
        self,
        key: DecoderKey,
        *,
        kt: int = 2,
        ken: int = 255,
        register_max_wh: int = 10**9,
        tid_store_on: bool = True,
        credits: frozenset[int] = ELECTRICITY,
        new_key_ea: str | None = None,
    ) -> None:
        self.key = key
        self.kt = kt
        self.ken = ken
        self.krn: int | None = None
        self.ti: int | None = None
        self.sgc: int | None = None
        self.tid_store_on = tid_store_on
        self.register_max_wh = register_max_wh
        self.credits = credits
        self.new_key_ea = new_key_ea or key.ea
        self.settings: dict[str, int] = {}
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
            return self._take_section(fields, now_s)
        refusal = self._not_for_this_meter(fields)
        if refusal is not None:
            return Entry(refusal, fields)
        energy_wh = decode_steps(fields.values["field"]) * WH_PER_STEP if fields.kind == (0, 0) else 0
        if credit_wh + energy_wh > self.register_max_wh:
            return Entry(Result.OVERFLOW, fields)
        if fields.tid is not None:
            self._tids = sorted({*self._tids, fields.tid})[-TID_STORE_SIZE:]
            self.accepted_count += fields.kind in TRANSFER_CREDIT
        if fields.kind in _SETTINGS:
            name, is_power = _SETTINGS[fields.kind]
            value = fields.values["field"]
            self.settings[name] = decode_steps(value) if is_power else value
        cleared = fields.values["field"] if fields.kind == CLEAR_CREDIT else None
        return Entry(Result.ACCEPT, fields, energy_wh, clear_register=cleared)

    def _not_for_this_meter(self, fields: Fields) -> Result | None:
        """A token of another service, or a register that this meter does not have."""
        if fields.token_class == 0 and fields.subclass not in self.credits:
            return Result.UNSUPPORTED
        if fields.kind == CLEAR_CREDIT and fields.values["field"] not in {*self.credits, ALL_REGISTERS}:
            return Result.RANGE
        if fields.kind in POWER and not self.credits & _ELECTRICITY_SUBCLASSES:
            return Result.UNSUPPORTED
        if fields.kind == WATER_FACTOR and not self.credits & _WATER_SUBCLASSES:
            return Result.UNSUPPORTED
        return None

    def _take_section(self, fields: Fields, now_s: int) -> Entry:
        """
        Keep one section of a key change; change the key when all are there. A set that dawdles starts anew, and so does
        one of which a section comes again with other content: that is another set. (A section carries no set number: two
        sets of which no section comes twice cannot be told apart but by the time-out.)
        """
        wanted = SECTIONS[self.new_key_ea]
        if fields.subclass not in wanted or fields.values.get("kct"):
            return Entry(Result.UNSUPPORTED, fields)
        if self._sections and now_s - self._sections_at_s > KEY_CHANGE_TIMEOUT_S:
            self._sections.clear()
        section = dict(fields.values)
        if self._sections.get(fields.subclass, section) != section:
            self._sections.clear()
        self._sections_at_s = now_s
        self._sections[fields.subclass] = section
        if any(part not in self._sections for part in wanted):
            return Entry(Result.ACCEPT, fields)
        return self._change_key(fields)

    def _change_key(self, fields: Fields) -> Entry:
        """All sections are there. A key that is expired already, by the TIDs in store, is refused whole."""
        first, second = self._sections[3], self._sections[4]
        ken = first["kenho"] << 4 | second["kenlo"]
        if not first["ro"] and self._tids and not ken_allows(self._tids[-1], ken):
            self._sections.clear()
            return Entry(Result.KEY_EXPIRED, fields)
        parts = [first["nkho"], second["nklo"]]
        if self.new_key_ea == "11":
            third, fourth = self._sections[8], self._sections[9]
            parts[1:1] = [third["nkmo2"], fourth["nkmo1"]]
            self.sgc = fourth["sgcho"] << 12 | third["sgclo"]
        self.key = DecoderKey(self.new_key_ea, b"".join(part.to_bytes(4, "big") for part in parts))
        self.kt, self.krn, self.ti, self.ken = first["kt"], first["krn"], second["ti"], ken
        if first["ro"]:
            self._tids.clear()
        self._sections.clear()
        return Entry(Result.ACCEPT, fields, key_changed=True)

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
            "credits": sorted(self.credits),
            "new_key_ea": self.new_key_ea,
            "settings": dict(self.settings),
            "register_max_wh": self.register_max_wh,
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> MeterDecoder:
        """The meter that `state()` described."""
        key = DecoderKey(state["ea"], bytes.fromhex(state["key"]))
        meter = cls(
            key,
            kt=state["kt"],
            ken=state["ken"],
            tid_store_on=state["tid_store_on"],
            # A state of an earlier version lacks what follows.
            register_max_wh=state.get("register_max_wh", 10**9),
            credits=frozenset(state.get("credits", ELECTRICITY)),
            new_key_ea=state.get("new_key_ea"),
        )
        meter.settings = dict(state.get("settings", {}))
        meter.krn, meter.ti, meter.sgc = state["krn"], state["ti"], state["sgc"]
        meter._tids = list(state["tids"])
        meter._sections = {int(k): dict(v) for k, v in state["sections"].items()}
        meter._sections_at_s = state["sections_at_s"]
        meter._wrong, meter._locked_until_s = state["wrong"], state["locked_until_s"]
        meter.accepted_count = state["accepted_count"]
        return meter
