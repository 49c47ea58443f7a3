# SPDX-License-Identifier: Apache-2.0
"""The mobile operator on the stage: the chosen meter's SIM, its latest charging records, and the SMSC's faults as buttons."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duaarah.net import jsonport
from duaarah.registry.models import Pairing
from duaarah.stage.page.deeds import Deed, Form, Town

THROTTLED = 5
PLATFORM = "duaarah"
RECORDS_SHOWN = 5
# The SMSC's fault switches in words; a test holds them complete. Values (a number, a spelling) are shown as they are.
SWITCHES = {
    "throttle": gettext_lazy("Refused as too many"),
    "noresp": gettext_lazy("Response lost"),
    "cut": gettext_lazy("Connection cut in the middle"),
    "lose": gettext_lazy("Taken and never delivered"),
    "double": gettext_lazy("Delivered twice"),
    "receipt_lose": gettext_lazy("Receipt lost"),
    "receipt_double": gettext_lazy("Receipt sent twice"),
    "bind_refuse": gettext_lazy("Bind refused"),
    "oversize": gettext_lazy("Oversized PDU"),
    "unknown_tlv": gettext_lazy("Unknown TLV"),
    "unknown_command": gettext_lazy("Unknown command"),
    "enquire_silent": gettext_lazy("No answer to enquire_link"),
    "maintenance": gettext_lazy("Desk closed for maintenance"),
    "desk_lost": gettext_lazy("Desk's answer lost"),
    "cdr_lose": gettext_lazy("Charging record missing"),
    "throttle_status": gettext_lazy("Status of a throttle"),
    "bind_status": gettext_lazy("Status of a refused bind"),
    "response_delay_s": gettext_lazy("Delay of responses (s)"),
    "receipt_delay_s": gettext_lazy("Delay of receipts (s)"),
    "receipt_shuffle": gettext_lazy("Receipts shuffled"),
    "redeliver_s": gettext_lazy("Delivered again after (s)"),
    "desk_delay_s": gettext_lazy("Delay of the desk (s)"),
    "receipts": gettext_lazy("When receipts come"),
    "receipt_form": gettext_lazy("Form of receipts"),
    "ids": gettext_lazy("Spelling of message ids"),
    "chunks": gettext_lazy("How PDUs are cut"),
    "statuses": gettext_lazy("Statuses of the next SMS"),
    "unreachable": gettext_lazy("Numbers out of reach"),
}


def _smsc(op: str, **fields: object) -> dict[str, Any]:
    """Ask the built-in SMSC. Raises ControlFailed, also where the SMSC is not ours."""
    port = getattr(settings, "STAGE_SMSC_PORT", 0)
    if not port:
        raise jsonport.ControlFailed(_("The SMSC is not the built-in one."))
    return jsonport.call(port, {"op": op, **fields}, timeout_s=5)


def panel(pairing: Pairing) -> dict[str, Any] | None:
    """What the operator shows of this meter's SIM; None when it does not answer."""
    number = pairing.sim.msisdn
    try:
        sim, stats, faults = _smsc("sim", sim=number), _smsc("stats"), _smsc("fault")
        records = _smsc("latest", number=number, n=RECORDS_SHOWN)["records"]
    except jsonport.ControlFailed:
        return None
    binds = [bind for bind in stats["binds"] if bind["account"] == PLATFORM]
    return {
        "sim": sim,
        "bound": bool(binds),
        "unanswered": sum(bind["unanswered"] for bind in binds),
        "refused": sum(bind["refused"] for bind in binds),
        "pending": stats["pending"],
        "standing": _in_words(faults["set"]),
        "done": _in_words(faults["done"]),
        "records": [{**r, "at": dt.datetime.fromtimestamp(r["at"], dt.UTC)} for r in records],
    }


def _in_words(switches: dict[str, Any]) -> dict[str, Any]:
    return {str(SWITCHES.get(name, name)): value for name, value in switches.items()}


def _throttle(town: Town, pairing: Pairing, form: Form) -> str:
    _smsc("fault", throttle=THROTTLED)
    return _("The next %(n)d SMS are refused as too many (0x58); they wait and go again.") % {"n": THROTTLED}


def _lose_response(town: Town, pairing: Pairing, form: Form) -> str:
    _smsc("fault", noresp=1)
    return _("The next SMS is taken, but the platform is not told: it is in doubt, and not simply sent again.")


def _unbind(town: Town, pairing: Pairing, form: Form) -> str:
    _smsc("unbind", account=PLATFORM)
    return _("The operator ends the link; the platform binds again, and what waited goes then.")


def _suspend(town: Town, pairing: Pairing, form: Form) -> str:
    """Barred when it is active, active again when it is not."""
    number = pairing.sim.msisdn
    active = _smsc("sim", sim=number)["state"] == "ACTIVE"
    _smsc("sim_suspend" if active else "sim_activate", sim=number, request_id=str(uuid.uuid4()))
    return _("The SIM is barred: no SMS in or out.") if active else _("The SIM is active again.")


DEEDS: dict[str, Deed] = {
    "smsc-padat": Deed(gettext_lazy("Throttle"), _throttle),
    "smsc-diam": Deed(gettext_lazy("Lose a response"), _lose_response),
    "smsc-lepas": Deed(gettext_lazy("Unbind"), _unbind),
    "smsc-sim": Deed(gettext_lazy("Bar / activate the SIM"), _suspend),
}
