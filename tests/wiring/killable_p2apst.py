# ruff: noqa: E402 - Django is set up before its models are imported
"""A process that obtains one vend's token from P2APST and stops at a point, to be killed there: `POINT REQUEST PORT FRAMING`."""

from __future__ import annotations

import os
import sys
import time
import uuid
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "duaarah.project.settings")

import django

django.setup()

from duaarah.clock.queries import now
from duaarah.net.iso8583 import Line
from duaarah.vending.models import Vend
from duaarah.vending.operations.configuration import key_terms
from duaarah.vending.operations.p2apst import P2APSTTasks
from duaarah.vending.ports import TokenRequest
from duaarah.wire.iso8583 import Framing
from duaarah.wiring.p2apst import P2APSTSource, P2APSTTerms


def stop(point: str) -> None:
    """Say so, and wait for the end."""
    if sys.argv[1] == point:
        print(point, flush=True)
        time.sleep(600)


class Stopping(Line):
    """Stops around the purchase."""

    purchased = False

    def send(self, mti: str, fields: Any) -> None:
        if mti == "2200":
            stop("before sending")
        super().send(mti, fields)
        self.purchased = mti == "2200"

    def receive(self, wanted: Any) -> Any:
        if self.purchased:
            stop("after sending")
        answer = super().receive(wanted)
        if answer is not None and answer.mti == "2110":
            stop("before the row")
        if answer is not None and answer.mti == "2210":
            stop("before the end")
        return answer


def main() -> None:
    _, _, request_id, port, framing = sys.argv
    vend = Vend.objects.get(request_id=uuid.UUID(request_id))
    terms = P2APSTTerms(
        host="127.0.0.1",
        port=int(port),
        partner="PYLP001",
        bank="4510017",
        terminal="DUAARAH",
        framing=Framing(framing),
        timeout_s=5,
    )

    def opened(_: P2APSTTerms) -> Line:
        return Stopping(terms.host, terms.port, framing=terms.framing, timeout_s=terms.timeout_s)

    request = TokenRequest(
        request_id=vend.request_id,
        pan=vend.pan,
        keys=key_terms(vend),
        tid=vend.tid,
        rnd=vend.rnd,
        energy_wh=vend.requested_wh,
    )
    P2APSTSource(terms, P2APSTTasks(), now, line=opened).obtain(request)


if __name__ == "__main__":
    main()
