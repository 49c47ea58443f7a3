# SPDX-License-Identifier: Apache-2.0
"""What a living town keeps beside its database, so that the next start goes on where this one stopped."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import importlib
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from duaarah.sim.town.world import World

# 2: its meters have packages and reporting plans, its key file the next register.
# 3: its supply tree has places, plates, phases, units and total meters, its past outages and readings.
FORMAT = 3
# What runs, for the page: [name, runs, restarts] of each process.
PROCESSES = "processes.json"


@dataclass(frozen=True)
class SavedTown:
    """
    `digest` names the world and its past; the passphrase opens the demo's own made-up keys, the SMSC's password its
    own accounts. `seen_at` is the latest business instant that anybody lived through.
    """

    seed: int
    meters: int
    digest: str
    passphrase: str
    smsc_password: str
    seen_at: str | None = None
    format: int = FORMAT

    @classmethod
    def new(cls, seed: int, meters: int, digest: str) -> SavedTown:
        """For a town that is about to be founded."""
        return cls(seed, meters, digest, secrets.token_urlsafe(24), secrets.token_hex(4))

    @classmethod
    def read(cls, folder: Path) -> SavedTown | None:
        """The town in this folder; None where there is none, or one of another format or broken off half-way."""
        try:
            saved = cls(**json.loads((folder / "town.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return saved if saved.format == FORMAT and saved.seen_at is not None else None

    def write(self, folder: Path) -> None:
        """Whole, under another name first; readable by its owner only."""
        written = folder / "town.json.new"
        descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(dataclasses.asdict(self), file)
        written.replace(folder / "town.json")

    def seen(self, folder: Path, at: dt.datetime) -> SavedTown:
        """Note that business time has come this far."""
        later = dataclasses.replace(self, seen_at=at.isoformat())
        later.write(folder)
        return later


def town_digest(world: World) -> str:
    """Names a town: a version of the simulator that would make another world or past has another digest."""
    digest = hashlib.sha256(repr(world).encode())
    for name in ("load", "metered", "network", "past", "past_outages", "past_theft", "planned"):
        digest.update(Path(importlib.import_module(f"duaarah.sim.town.{name}").__file__ or "").read_bytes())
    return digest.hexdigest()[:32]
