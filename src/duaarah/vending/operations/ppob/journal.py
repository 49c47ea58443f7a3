# SPDX-License-Identifier: Apache-2.0
"""The journal of messages, written in groups: as they were on the wire, but for the 20 digits of a token."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import transaction

from duaarah.vending.operations.statement import run

TEXT_MAX = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One message. `text` holds no token: whoever makes a line masks it."""

    at: dt.datetime
    partner_id: int | None
    peer: str
    incoming: bool
    kind: str
    trace: str = ""
    pln_ref: str = ""
    code: str = ""
    text: str = field(default="", repr=False)


_KEEP = """
INSERT INTO vending_ppobmessage (at, partner_id, peer, direction, kind, trace, pln_ref, code, text)
SELECT * FROM unnest(%s::timestamptz[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
    %s::text[])
"""


def keep_lines(lines: Sequence[Line]) -> None:
    """
    Entry: all of them in one statement, in their order, on the disk when this returns.

    So is everything that was committed before it, also where the host's other transactions do not wait for the disk.
    """
    if not lines:
        return
    columns = zip(
        *(
            (
                line.at,
                line.partner_id,
                line.peer[:60],
                "IN" if line.incoming else "OUT",
                line.kind[:40],
                line.trace[:12],
                line.pln_ref[:32],
                line.code[:4],
                line.text[:TEXT_MAX],
            )
            for line in lines
        ),
        strict=True,
    )
    with transaction.atomic(durable=True):
        run("SET LOCAL synchronous_commit = on")
        run(_KEEP, [list(column) for column in columns])
