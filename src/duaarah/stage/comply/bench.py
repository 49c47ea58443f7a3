# SPDX-License-Identifier: Apache-2.0
"""Plays a script against a meter: each case in its own connection, judged, weighed; one case's failure stops no other."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from importlib import resources
from typing import Any

from duaarah.core.intent import MeterRegister
from duaarah.core.sts import DecoderKey, Result, decode, issue_electricity_credit, tid_at, tid_not_reserved
from duaarah.drivers import register_value
from duaarah.net.jsonport import ControlFailed, call
from duaarah.stage.comply.probe import Login, Probe, Seen
from duaarah.stage.comply.pushes import Pushes
from duaarah.stage.comply.target import Counter, Failed, NotRun, Target
from duaarah.wire.dlms.acse import Mechanism
from duaarah.wire.dlms.errors import DlmsError

PASS, FAIL, NOT_RUN = "pass", "fail", "not_run"
GRAVE = 5  # the weight of what loses money, keys or supply
VITAL = ("assoc.public", "assoc.hls")  # without them nearly nothing is judged
_WIB = timezone(timedelta(hours=7))
_KEN = 255
_MISSING = {
    "keys": "the meter's encryption and authentication keys are not given",
    "password": "the password of the reading client is not given",
    "sts": "the meter's decoder key is not given",
    "old": "50 tokens were not allowed to be spent",
    "push": "the bench does not listen for pushes",
    "control": "there is no control port: nobody cuts the power or types for us",
    "hdlc": "HDLC was not asked for",
    "sms": "no SMSC is given",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One case of the script. `finds` is the name of the defect that a failure means."""

    id: str
    title: str
    clause: str
    weight: int
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    finds: str | None = None
    bearer: str = "ip"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a case ended, and why, in words. `defect` only when it was judged: not when the meter could not be understood."""

    case: Case
    result: str
    reason: str
    duration_ms: int
    defect: str | None = None
    frames: tuple[str, ...] = ()


@dataclass(slots=True)
class Outcome:
    """A whole run."""

    target: str
    profile: str
    started_at: datetime
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def defects(self) -> list[str]:
        """The names of what was found, each once."""
        return list(dict.fromkeys(v.defect for v in self.verdicts if v.defect))

    @property
    def failed(self) -> list[Verdict]:
        """The cases that failed."""
        return [verdict for verdict in self.verdicts if verdict.result == FAIL]

    @property
    def verdict(self) -> str:
        """fit; remarks: only what costs no money, keys or supply failed; unfit; unknown: nothing was judged."""
        if not any(verdict.result == PASS for verdict in self.verdicts) and not self.failed:
            return "unknown"
        if not self.failed:
            return "fit"
        return "unfit" if any(v.case.weight >= GRAVE or v.case.id in VITAL for v in self.failed) else "remarks"

    @property
    def score(self) -> int:
        """Percent of the weight of what was judged, cut; 0 when nothing was."""
        judged = sum(v.case.weight for v in self.verdicts if v.result != NOT_RUN)
        passed = sum(v.case.weight for v in self.verdicts if v.result == PASS)
        return passed * 100 // judged if judged else 0


def script(text: str | None = None) -> list[Case]:
    """The cases of a script; the shipped one by default. Raises ValueError on what is no case."""
    if text is None:
        text = (resources.files("duaarah.stage.comply") / "script.toml").read_text("utf-8")
    cases = []
    for item in tomllib.loads(text)["case"]:
        item |= {name: tuple(item.get(name, ())) for name in ("needs", "after")}
        try:
            cases.append(Case(**item))
        except TypeError as error:
            raise ValueError(f"Case {item.get('id')}: {error}.") from None
    return cases


class Bench:
    """What the cases use: clients, tokens, pushes, the control port."""

    def __init__(self, target: Target, *, counter: Counter, pushes: Pushes | None = None, sms: Any = None) -> None:
        self.target, self.counter, self.pushes, self.sms = target, counter, pushes, sms
        self.seen = Seen()
        now = datetime.now(_WIB).replace(tzinfo=None)
        self.tid = target.tid if target.tid is not None else tid_at(now, 2014)
        self.notes: dict[str, Any] = {}

    # -- clients ---------------------------------------------------------------------------------------------------

    def public(self) -> Probe:
        """The client without a password."""
        return self._probe(Login(sap=self.target.public_sap))

    def reader(self, password: bytes | None = None) -> Probe:
        """The reading client."""
        secret = password if password is not None else self.target.password or b""
        return self._probe(Login(sap=self.target.reader_sap, mechanism=Mechanism.LLS, password=secret))

    def manager(self) -> Probe:
        """The managing client."""
        login = Login(sap=self.target.manager_sap, mechanism=Mechanism.HLS_GMAC, keys=self.target.keys)
        return self._probe(login)

    def _probe(self, login: Login) -> Probe:
        return Probe(self.target, login, self.counter, self.seen)

    # -- prepayment ------------------------------------------------------------------------------------------------

    def token(self, energy_wh: int, *, uses_up: bool = False) -> str:
        """A token of the meter's key; its TID is fresh, and spent only when it `uses_up` one."""
        tid = tid_not_reserved(self.tid + 1)
        if uses_up:
            self.tid = tid
        return self._issue(self._key, energy_wh, tid, tid % 16)

    def foreign_token(self, energy_wh: int) -> str:
        """A sound token of another meter's key, which the meter's own key surely does not read."""
        key = self._key
        other = DecoderKey(key.ea, bytes(octet ^ 0x5A for octet in key.octets))
        tid = tid_not_reserved(self.tid + 1)
        return next(token for rnd in range(16) if self._unreadable(token := self._issue(other, energy_wh, tid, rnd)))

    def altered_token(self, energy_wh: int) -> str:
        """A token of the meter's key with one digit changed, which the key surely does not read."""
        token = self.token(energy_wh)
        changed = (token[:-2] + str((int(token[-2]) + step) % 10) + token[-1] for step in range(1, 10))
        return next(other for other in changed if self._unreadable(other))

    @property
    def _key(self) -> DecoderKey:
        assert self.target.decoder_key is not None
        return self.target.decoder_key

    def _issue(self, key: DecoderKey, energy_wh: int, tid: int, rnd: int) -> str:
        return issue_electricity_credit(key, energy_wh=energy_wh, tid=tid, rnd=rnd, ken=_KEN).digits

    def _unreadable(self, token: str) -> bool:
        """One in 65536 wrong tokens has a right checksum by chance: it proves nothing."""
        return decode(token, self._key).result is Result.CRC

    async def register(self, probe: Probe, name: MeterRegister) -> int:
        """A register by our name, in its unit."""
        address = self.target.profile.registers[name]
        raw = await probe.get(address.class_id, address.obis, address.attribute)
        return register_value(self.target.profile, name, raw.value)

    async def credit_wh(self, probe: Probe) -> int:
        """The credit left."""
        return await self.register(probe, MeterRegister.CREDIT_LEFT_WH)

    # -- the table -------------------------------------------------------------------------------------------------

    async def control(self, **request: Any) -> dict[str, Any]:
        """One order to the control port."""
        assert self.target.control is not None
        host, port = self.target.control
        try:
            return await asyncio.to_thread(call, port, request, host=host)
        except ControlFailed as error:
            raise NotRun(f"the control port refuses: {error}") from None

    def has(self, need: str) -> bool:
        """Whether the table has what a case needs."""
        target = self.target
        return {
            "keys": target.keys is not None,
            "password": target.password is not None,
            "sts": target.decoder_key is not None,
            "old": target.spends_old,
            "push": self.pushes is not None,
            "control": target.control is not None,
            "hdlc": target.hdlc,
            "sms": self.sms is not None,
        }[need]


Play = Callable[[Bench], Awaitable[str]]


async def run(
    bench: Bench, cases: list[Case], plays: Mapping[str, Play], told: Callable[[Verdict], None] = lambda _verdict: None
) -> Outcome:
    """Play all cases in order; `told` hears each verdict as it falls. A case whose play is unknown raises KeyError."""
    outcome = Outcome(bench.target.name, bench.target.profile.name, datetime.now(_WIB).replace(microsecond=0))
    passed: set[str] = set()
    loop = asyncio.get_running_loop()
    for case in cases:
        play, begun_s = plays[case.id], loop.time()
        bench.seen.frames.clear()
        result, reason, judged = await _judge(bench, case, play, passed)
        if result == PASS:
            passed.add(case.id)
        defect = case.finds if judged and result == FAIL else None
        frames = tuple(bench.seen.frames) if result == FAIL else ()
        verdict = Verdict(case, result, reason, int((loop.time() - begun_s) * 1000), defect, frames)
        outcome.verdicts.append(verdict)
        told(verdict)
    return outcome


async def _judge(bench: Bench, case: Case, play: Play, passed: set[str]) -> tuple[str, str, bool]:
    """Result, reason, and whether the play itself came to it."""
    missing = [need for need in case.needs if not bench.has(need)]
    if missing:
        return NOT_RUN, _MISSING[missing[0]], False
    unmet = [other for other in case.after if other not in passed]
    if unmet:
        return NOT_RUN, f"it builds on {unmet[0]}, which did not pass", False
    try:
        return PASS, await play(bench), True
    except Failed as error:
        return FAIL, str(error), True
    except NotRun as error:
        return NOT_RUN, str(error), True
    except (OSError, TimeoutError) as error:
        return FAIL, f"The meter cannot be reached: {error or 'no answer in time'}.", False
    except (DlmsError, ValueError, TypeError, IndexError, AttributeError, AssertionError) as error:
        return FAIL, f"The meter's answer makes no sense ({type(error).__name__}): {error}", False
