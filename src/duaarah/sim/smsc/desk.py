# SPDX-License-Identifier: Apache-2.0
"""The operator's JSON verbs, with the faults of a real one: maintenance, slow answers, answers lost after the deed."""

from __future__ import annotations

import asyncio
import time
from itertools import islice
from typing import TYPE_CHECKING, Any

from duaarah.net.jsonport import Handler
from duaarah.sim.smsc import operator

if TYPE_CHECKING:
    from duaarah.sim.smsc.server import SMSC

ORDERS = ("sim_stock", "sim_activate", "sim_suspend", "package_register", "package_renew")
RECORDS_A_PAGE = 5_000
SIMS_A_PAGE = 1_000
# Longer than any client waits.
LOST_S = 60


def handlers(smsc: SMSC) -> dict[str, Handler]:
    """Orders need a `request_id`; `sim` names an ICCID or an MSISDN."""

    async def order(request: dict[str, Any]) -> dict[str, Any]:
        if smsc.faults.falls("maintenance"):
            raise operator.Maintenance("Maintenance until later; nothing was done.")
        answer = smsc.order(request)
        await asyncio.sleep(smsc.faults.number("desk_delay_s"))
        if smsc.faults.falls("desk_lost"):
            await asyncio.sleep(LOST_S)
        return answer

    async def sim(request: dict[str, Any]) -> dict[str, Any]:
        return smsc.operator.shown(smsc.operator.sim(request["sim"]), time.time())

    async def sims(request: dict[str, Any]) -> dict[str, Any]:
        """`state`, and `heard` false for those that never sent: an active SIM without a modem."""
        now = time.time()
        found = (
            smsc.operator.shown(card, now)
            for card in smsc.operator.sims.values()
            if request.get("state", card.state) == card.state
            and request.get("heard", card.heard_at is not None) == (card.heard_at is not None)
        )
        start = int(request.get("offset", 0))
        return {"sims": list(islice(found, start, start + SIMS_A_PAGE))}

    async def cdr(request: dict[str, Any]) -> dict[str, Any]:
        """The charging records after number `since`, 5,000 a page, as CSV; `next` is the `since` of the next page."""
        since = int(request.get("since", 0))
        found = list(islice((r for r in smsc.operator.records if r.number > since), RECORDS_A_PAGE))
        return {"csv": operator.csv_of(found), "records": len(found), "next": found[-1].number if found else since}

    async def latest(request: dict[str, Any]) -> dict[str, Any]:
        """The newest records of one number, newest first."""
        of, n = request["number"], min(int(request.get("n", 5)), 100)
        mine = (r for r in reversed(smsc.operator.records) if of in (r.source, r.destination))
        return {"records": [operator.asdict(r) for r in islice(mine, n)]}

    return {**dict.fromkeys(ORDERS, order), "sim": sim, "sims": sims, "cdr": cdr, "latest": latest}
