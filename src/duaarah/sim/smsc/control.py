# SPDX-License-Identifier: Apache-2.0
"""The SMSC's JSON port: counters, fault switches, and texts as phones send them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from duaarah.net.jsonport import Handler
from duaarah.sim.smsc import concat
from duaarah.sim.smsc.message import Message

if TYPE_CHECKING:
    from duaarah.sim.smsc.server import SMSC


def handlers(smsc: SMSC) -> dict[str, Handler]:
    """By `op`. Each answers {"ok": true} unless it says more; `account` limits drop and unbind to one account's binds."""

    async def stats(_: dict[str, Any]) -> dict[str, Any]:
        return {
            "segments": {name: smsc.counts[name] for name in smsc.accounts},
            "lost": smsc.faults.done["lose"],
            "expired": smsc.expired,
            "pending": smsc.pending,
            "bound": [link.account for link in smsc.links],
            "binds": [{"account": link.account, "kind": link.kind, **link.counters.shown()} for link in smsc.links],
        }

    async def arrivals(request: dict[str, Any]) -> dict[str, Any]:
        """[message id, Unix ms] of every submit_sm that came while it was `on`; noted from now on if `on`."""
        noted, smsc.arrivals = smsc.arrivals or [], [] if request.get("on") else None
        return {"arrivals": noted}

    async def fault(request: dict[str, Any]) -> dict[str, Any]:
        values = {name: value for name, value in request.items() if name not in ("op", "reset")}
        if request.get("reset"):
            smsc.faults.reset()
        smsc.faults.set(values)
        return smsc.faults.shown()

    async def next_n(request: dict[str, Any]) -> dict[str, Any]:
        """`throttle` and `noresp` as verbs of their own."""
        smsc.faults.set({request["op"]: int(request["n"])})
        return {"ok": True}

    async def drop(request: dict[str, Any]) -> dict[str, Any]:
        for link in list(smsc.links):
            if request.get("account", link.account) == link.account:
                link.out.abort()
        return {"ok": True}

    async def unbind(request: dict[str, Any]) -> dict[str, Any]:
        asked = [link for link in smsc.links if request.get("account", link.account) == link.account]
        for link in asked:
            link.unbind()
        return {"ok": True, "binds": len(asked)}

    async def lose(request: dict[str, Any]) -> dict[str, Any]:
        smsc.faults.lose_to(request["destination"], int(request["n"]))
        return {"ok": True}

    async def mo(request: dict[str, Any]) -> dict[str, Any]:
        return send_mo(smsc, request)

    return {
        "stats": stats,
        "arrivals": arrivals,
        "fault": fault,
        "throttle": next_n,
        "noresp": next_n,
        "drop": drop,
        "unbind": unbind,
        "lose": lose,
        "mo": mo,
    }


def send_mo(smsc: SMSC, request: dict[str, Any]) -> dict[str, Any]:
    """
    `text` (or `hex` with `coding`) from a phone; `concat` one of udh8, udh16, sar, by `reference`; `order`: part
    numbers as they are to come, each as often as it stands there.
    """
    coding, payload = (
        (int(request.get("coding", 4)), bytes.fromhex(request["hex"]))
        if "hex" in request
        else concat.encoded(request["text"])
    )
    cut: list[concat.Part] = [(0, payload, ())]
    if "concat" in request:
        reference = int(request.get("reference", 1))
        cut = concat.parts(payload, data_coding=coding, way=request["concat"], reference=reference)
    order = [int(number) for number in request.get("order", range(1, len(cut) + 1))]
    chosen = [cut[number - 1] if 0 < number <= len(cut) else None for number in order]
    if None in chosen:
        raise concat.ConcatRefused(f"order names parts from 1 to {len(cut)}.")
    sent = 0
    for esm_class, octets, tlvs in (part for part in chosen if part is not None):
        sms = Message(smsc.next_number(), "", request["from"], request["to"], esm_class, coding, octets, tlvs=tlvs)
        sent += smsc.originate(sms)
    return {"parts": len(cut), "sent": sent}
