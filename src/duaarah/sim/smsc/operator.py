# SPDX-License-Identifier: Apache-2.0
"""The mobile operator behind the SMSC: SIMs, packages, and a charging record for each segment."""

from __future__ import annotations

import csv
import io
from collections import deque
from dataclasses import asdict as asdict
from dataclasses import dataclass
from typing import Any

from duaarah.sim.smsc.message import utc

STOCK, ACTIVE, SUSPENDED = "STOCK", "ACTIVE", "SUSPENDED"
RECORDS_KEPT = 200_000
ANSWERS_KEPT = 10_000
DAY_S = 86_400
CODES = {"3123": "premium", "8123": "social"}
PRICES_IDR = {"m2m": 350, "mobile": 350, "short": 350, "premium": 1_000, "social": 0}


class OperatorRefused(Exception):
    """The operator says no, and nothing has changed. The JSON port answers with the class's name."""

    code = "operator_refused"


class UnknownSIM(OperatorRefused):
    code = "unknown_sim"


class SIMExists(OperatorRefused):
    code = "sim_exists"


class AlreadyActive(OperatorRefused):
    code = "already_active"


class NotActive(OperatorRefused):
    code = "not_active"


class UnknownPackage(OperatorRefused):
    code = "unknown_package"


class PackageRunning(OperatorRefused):
    code = "package_running"


class NoPackage(OperatorRefused):
    code = "no_package"


class RequestReused(OperatorRefused):
    code = "request_reused"


class Maintenance(OperatorRefused):
    """Try again later."""

    code = "maintenance"


@dataclass(frozen=True, slots=True)
class Package:
    segments: int
    days: int
    price_idr: int


PACKAGES = {"TWO_WAY_28": Package(28, 30, 10_000)}


@dataclass(slots=True)
class SIM:
    """`heard_at` (Unix seconds) is its latest SMS; an ACTIVE one without it has no modem yet. `used` counts in this period."""

    iccid: str
    msisdn: str
    state: str = STOCK
    package: str = ""
    until_at: float = 0.0
    used: int = 0
    heard_at: float | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A charging record; `number` counts records, not messages."""

    number: int
    message_id: str
    at: float
    source: str
    destination: str
    kind: str
    price_idr: int


def csv_of(records: list[Record]) -> str:
    """With a head line; times in UTC."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(["message_id", "time", "source", "destination", "class", "price_idr"])
    for r in records:
        out.writerow(
            [r.message_id, utc(r.at).isoformat(timespec="seconds"), r.source, r.destination, r.kind, r.price_idr]
        )
    return text.getvalue()


class Operator:
    """What it holds; times are passed in as Unix seconds."""

    def __init__(self) -> None:
        self.sims: dict[str, SIM] = {}
        self._by_msisdn: dict[str, SIM] = {}
        self.records: deque[Record] = deque(maxlen=RECORDS_KEPT)
        self._record = 0
        self.answers: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}

    # -- the traffic -------------------------------------------------------------------------------------------------

    def kind_of(self, source: str, destination: str) -> str:
        """m2m (a SIM of the stock at either end), premium or social by the short code, short, mobile."""
        if source in self._by_msisdn or destination in self._by_msisdn:
            return "m2m"
        if CODES.get(source) == "social":
            return "social"
        return CODES.get(destination) or ("short" if len(destination) <= 6 else "mobile")

    def barred(self, msisdn: str) -> bool:
        """A SIM of the stock that is not active neither sends nor receives."""
        sim = self._by_msisdn.get(msisdn)
        return sim is not None and sim.state != ACTIVE

    def charge(self, message_id: str, source: str, destination: str, *, now: float, lost: bool = False) -> Record:
        """One segment was taken. `lost`: it counts, but its record is missing from the export."""
        sender = self._by_msisdn.get(source)
        if sender is not None:
            sender.heard_at = now
        sim = sender or self._by_msisdn.get(destination)
        if sim is not None and sim.until_at > now:
            sim.used += 1
        kind = self.kind_of(source, destination)
        self._record += 1
        record = Record(self._record, message_id, now, source, destination, kind, PRICES_IDR[kind])
        if not lost:
            self.records.append(record)
        return record

    def remember(self, record: Record) -> None:
        """One of an earlier life; counting goes on behind it."""
        self.records.append(record)
        self._record = record.number

    def touched(self, *names: str) -> list[SIM]:
        """The SIMs among these ICCIDs and numbers."""
        found = (self.sims.get(name) or self._by_msisdn.get(name) for name in names)
        return [sim for sim in found if sim is not None]

    # -- the desk ----------------------------------------------------------------------------------------------------

    def sim(self, name: str) -> SIM:
        """By ICCID or MSISDN. Raises UnknownSIM."""
        found = self.sims.get(name) or self._by_msisdn.get(name)
        if found is None:
            raise UnknownSIM(f"No SIM {name}.")
        return found

    def shown(self, sim: SIM, now: float) -> dict[str, Any]:
        package = PACKAGES.get(sim.package)
        return {**asdict(sim), "live": sim.until_at > now, "segments": package.segments if package else 0}

    def do(self, request: dict[str, Any], *, now: float) -> dict[str, Any]:
        """
        One order, once per `request_id`: asked again it gives the first answer. A refusal is not kept; it may pass later.

        Raises:
            OperatorRefused: one of its classes; KeyError: a field is missing.
        """
        request_id = str(request["request_id"])
        known = self.answers.get(request_id)
        if known is not None:
            if known[0] != request:
                raise RequestReused(f"Request {request_id} asked for something else.")
            return known[1]
        answer = {"request_id": request_id, **getattr(self, f"_{request['op']}")(request, now)}
        self.answers[request_id] = (request, answer)
        if len(self.answers) > ANSWERS_KEPT:
            del self.answers[next(iter(self.answers))]
        return answer

    def _sim_stock(self, request: dict[str, Any], now: float) -> dict[str, Any]:
        """`sims`: [[iccid, msisdn], ...]; all of them or none. `state` STOCK or ACTIVE."""
        state = request.get("state", STOCK)
        new = [SIM(iccid, msisdn, state) for iccid, msisdn in request["sims"]]
        iccids, numbers = {sim.iccid for sim in new}, {sim.msisdn for sim in new}
        if len(iccids) != len(new) or len(numbers) != len(new) or iccids & self.sims.keys():
            raise SIMExists("An ICCID or number stands there twice.")
        if numbers & self._by_msisdn.keys() or state not in (STOCK, ACTIVE):
            raise SIMExists("A number is taken, or the state is neither STOCK nor ACTIVE.")
        for sim in new:
            self.add(sim)
        return {"added": len(new)}

    def add(self, sim: SIM) -> None:
        self.sims[sim.iccid] = self._by_msisdn[sim.msisdn] = sim

    def _sim_activate(self, request: dict[str, Any], now: float) -> dict[str, Any]:
        """From stock, or back from suspension."""
        sim = self.sim(request["sim"])
        if sim.state == ACTIVE:
            raise AlreadyActive(f"SIM {sim.iccid} is active.")
        sim.state = ACTIVE
        return self.shown(sim, now)

    def _sim_suspend(self, request: dict[str, Any], now: float) -> dict[str, Any]:
        sim = self._active(request)
        sim.state = SUSPENDED
        return self.shown(sim, now)

    def _active(self, request: dict[str, Any]) -> SIM:
        sim = self.sim(request["sim"])
        if sim.state != ACTIVE:
            raise NotActive(f"SIM {sim.iccid} is {sim.state}.")
        return sim

    def _package_register(self, request: dict[str, Any], now: float) -> dict[str, Any]:
        sim = self._active(request)
        package = PACKAGES.get(request["package"])
        if package is None:
            raise UnknownPackage(f"Packages are {', '.join(PACKAGES)}.")
        if sim.until_at > now:
            raise PackageRunning(f"{sim.package} runs on SIM {sim.iccid}; it can be renewed.")
        sim.package, sim.until_at, sim.used = request["package"], now + package.days * DAY_S, 0
        return {**self.shown(sim, now), "price_idr": package.price_idr}

    def _package_renew(self, request: dict[str, Any], now: float) -> dict[str, Any]:
        """Another period behind the one that runs, or from now when it has ended; counting begins anew."""
        sim = self._active(request)
        package = PACKAGES.get(sim.package)
        if package is None:
            raise NoPackage(f"SIM {sim.iccid} has no package.")
        sim.until_at, sim.used = max(now, sim.until_at) + package.days * DAY_S, 0
        return {**self.shown(sim, now), "price_idr": package.price_idr}
