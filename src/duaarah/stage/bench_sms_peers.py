# SPDX-License-Identifier: Apache-2.0
"""The far ends of `bench sms`: the SMSC, with its own counts and its own clock, and everybody's telephone."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duaarah
from duaarah.net.esme import ESME, ESMEConfig
from duaarah.project.node import NodeUnavailable, installed, node
from duaarah.project.supervisor import die_with_parent
from duaarah.stage.processes import HOST, Processes
from duaarah.wire.smpp.pdu import PDU


@dataclass(frozen=True, kw_only=True)
class FarEnd:
    """node-smpp (`process`), or the built-in SMSC of `processes`."""

    port: int
    user: str
    password: str
    processes: Processes
    process: subprocess.Popen[str] | None

    @property
    def name(self) -> str:
        return "built-in" if self.process is None else "node-smpp"

    @property
    def handsets_user(self) -> str:
        return "town" if self.process is None else self.user

    def _ask(self, op: str, **fields: object) -> dict[str, Any]:
        if self.process is None:
            return self.processes.smsc(op, **fields)
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps({"op": op, **fields}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def most_in_flight(self) -> int:
        """The most that our bind had unanswered, as the SMSC counted; node-smpp: since it started."""
        stats = self._ask("stats")
        if self.process is not None:
            return int(stats["most_in_flight"])
        return max(bind["unanswered_max"] for bind in stats["binds"] if bind["account"] == self.user)

    def arrivals(self, *, on: bool) -> list[tuple[str, int]]:
        """(message id, Unix ms at which its submit_sm was read) of what came while `on`; from now on noted if `on`."""
        return [(message_id, at_ms) for message_id, at_ms in self._ask("arrivals", on=on)["arrivals"]]

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def far_end(processes: Processes) -> FarEnd:
    """node-smpp where a checkout has it installed, else the built-in SMSC; a line on stderr says why not."""
    folder = Path(duaarah.__file__).parents[2] / "tests" / "interop"
    if (folder / "smsc.js").exists():
        try:
            modules = installed(folder, folder.parents[1] / ".cache" / "interop")
        except NodeUnavailable as missing:
            print(f"bench: not against node-smpp: {missing}", file=sys.stderr, flush=True)
        else:
            process = subprocess.Popen(
                [str(node()), str(folder / "smsc.js"), "both", processes.smsc_password],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "NODE_PATH": str(modules)},
                preexec_fn=die_with_parent,
            )
            assert process.stdout is not None
            port: int = json.loads(process.stdout.readline())["port"]
            password = processes.smsc_password
            return FarEnd(port=port, user="both", password=password, processes=processes, process=process)
    place = processes.open_smsc()
    return FarEnd(port=place.port, user=place.user, password=place.password, processes=processes, process=None)


class Handsets:
    """Everybody's telephone: acknowledges what is delivered, sends what it is told to; a thread of its own."""

    def __init__(self, far: FarEnd, window: int) -> None:
        config = ESMEConfig(
            host=HOST,
            port=far.port,
            system_id=far.handsets_user,
            password=far.password,
            address_range="^62",
            window=window,
        )
        self._esme = ESME(config, self)
        self._to_send = 0
        self.sent = 0
        self._leaving: asyncio.Task[None] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        await self._esme.run()
        # `run` ends while `stop` still waits: the loop stays for both.
        if self._leaving is not None:
            await self._leaving

    def send(self, count: int) -> None:
        """So many SMS to 3123, each with words of its own, as fast as the window lets."""
        self._to_send += count
        self._loop.call_soon_threadsafe(self._fill)

    def _fill(self) -> None:
        while self.sent < self._to_send and self._esme.free:
            self.sent += 1
            self._esme.submit(
                self.sent,
                source="628110000001",
                destination="3123",
                short_message=f"SALDO {self.sent}".encode(),
                data_coding=0,
                validity_s=600,
                registered=False,
            )

    def on_bound(self) -> None: ...
    def on_ambiguous(self, token: object) -> None: ...
    def on_down(self, reason: str) -> None: ...

    def on_response(self, token: object, status: int, message_id: str) -> None:
        self._fill()

    def on_deliver(self, pdu: PDU) -> None:
        self._esme.ack(pdu)

    def close(self) -> None:
        def leave() -> None:
            self._leaving = self._loop.create_task(self._esme.stop())

        self._loop.call_soon_threadsafe(leave)
        self._thread.join(5)
