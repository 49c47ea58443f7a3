"""
A worker of the platform that kills itself (SIGKILL) at a named point, once, when a test has armed that point.

`python -m tests.flows.killable links|headend|messenger|sweeper` is the real worker; `application` below is the real WSGI
application. Nothing else is changed: a point only surrounds one call of the code that ships.
"""

from __future__ import annotations

import functools
import importlib
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = "DUAARAH_TEST_KILL_FOLDER"


@dataclass(frozen=True)
class Point:
    """
    `arrow` of DESIGN 5; the process; the call `module:name` (as the caller looks it up); whether the process dies before
    the call or after it. A call that returned nothing to do (0, None, "") is not counted where `busy` is set.
    """

    arrow: str
    process: str
    call: str
    when: str
    busy: bool = False
    purchase: str = "sms"

    @property
    def name(self) -> str:
        return self.arrow.replace(" ", "-")


POINTS = (
    # 1, 2: an SMS asks, T1 takes the money, the token is obtained, T2 issues it
    Point("code spent and nothing bought", "messenger", "duaarah.texting.conversation:top_up", "before"),
    Point("T1 before its commit", "messenger", "duaarah.vending.operations.top_up:book", "after"),
    Point("T1 committed", "messenger", "duaarah.vending.operations.top_up:obtain_token", "before"),
    Point("token obtained and not recorded", "messenger", "duaarah.vending.operations.top_up:record_outcome", "before"),
    Point("T2 before its commit", "messenger", "duaarah.vending.operations.issue:queue_command", "after"),
    Point("T2 committed", "messenger", "duaarah.vending.operations.top_up:record_outcome", "after"),
    Point("SMS answered and not closed", "messenger", "duaarah.texting.conversation:close_inbound", "after"),
    # 4: T3
    Point("T3 before its commit", "headend", "duaarah.headend.operations.send:enqueue_segments", "after"),
    Point("T3 committed", "headend", "duaarah.workers.headend:claim_and_send", "after", busy=True),
    # 5: the link
    Point("segment claimed and not written", "links", "duaarah.net.esme:ESME.submit", "before"),
    Point("segment written and not answered", "links", "duaarah.workers.links:Link._write", "after"),
    Point("response read and not committed", "links", "duaarah.workers.links:Link.on_response", "after"),
    Point("delivery read and not committed", "links", "duaarah.workers.links:Link.on_deliver", "after"),
    Point("delivery committed and not acknowledged", "links", "duaarah.net.esme:ESME.ack", "before"),
    Point("delivery acknowledged", "links", "duaarah.workers.links:Link._acknowledge", "after"),
    # 6, 7: T4
    Point("frame claimed", "headend", "duaarah.workers.headend:take_frame", "before"),
    Point("T4 before its commit", "headend", "duaarah.notices.operations:record_delivery", "after"),
    Point("T4 committed", "headend", "duaarah.workers.headend:take_frame", "after"),
    # 8: the receipt
    Point(
        "message handed over before its commit", "messenger", "duaarah.messaging.operations:enqueue_segments", "after"
    ),
    Point("message handed over", "messenger", "duaarah.workers.messenger:hand_over", "after", busy=True),
    # a token bought elsewhere
    Point(
        "notification before its commit",
        "web",
        "duaarah.vending.operations.notification:send_to_meter",
        "after",
        purchase="atm",
    ),
    Point(
        "notification committed and not answered",
        "web",
        "duaarah.web.api.urls:take_notification",
        "after",
        purchase="atm",
    ),
    # the sweeper, which mends what the others left
    Point("sweeper before it obtains", "sweeper", "duaarah.vending.operations.sweep:obtain_token", "before"),
    Point("sweeper after it obtained", "sweeper", "duaarah.vending.operations.sweep:obtain_token", "after"),
    Point("leases ended", "sweeper", "duaarah.workers.sweeper:end_leases", "after", busy=True),
)


def arm(folder: Path, point: Point) -> None:
    """The next time a process comes to this point it dies."""
    (folder / point.name).write_text("armed")


def fired(folder: Path, point: Point) -> bool:
    return (folder / f"{point.name}.fired").exists()


def _die(folder: Path, point: Point) -> None:
    try:
        (folder / point.name).rename(folder / f"{point.name}.fired")
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def _surrounded(call: Callable[..., Any], folder: Path, points: list[Point]) -> Callable[..., Any]:
    @functools.wraps(call)
    def surrounded(*args: Any, **kwargs: Any) -> Any:
        for point in points:
            if point.when == "before":
                _die(folder, point)
        result = call(*args, **kwargs)
        for point in points:
            if point.when == "after" and (result or not point.busy):
                _die(folder, point)
        return result

    return surrounded


def surround(process: str) -> None:
    """Put every point of this process around its call."""
    folder = Path(os.environ[FOLDER])
    calls: dict[str, list[Point]] = {}
    for point in POINTS:
        if point.process == process:
            calls.setdefault(point.call, []).append(point)
    for call, points in calls.items():
        module, _, path = call.partition(":")
        owner: Any = importlib.import_module(module)
        *outer, attribute = path.split(".")
        for name in outer:
            owner = getattr(owner, name)
        setattr(owner, attribute, _surrounded(getattr(owner, attribute), folder, points))


def main() -> int:
    from duaarah.project.start import setup

    name = sys.argv[1]
    setup(f"worker-{name}")
    module = importlib.import_module(f"duaarah.workers.{name}")
    surround(name)
    status: int = module.main()
    return status


if __name__ == "__main__":
    sys.exit(main())
