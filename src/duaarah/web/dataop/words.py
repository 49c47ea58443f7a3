# SPDX-License-Identifier: Apache-2.0
"""Names that the protocol gives to codes, and texts without what only their reader should have."""

from __future__ import annotations

import re

from django.utils.translation import gettext_lazy as _

# command_status, SMPP v3.4 section 5.1.3: those that SMSCs send; any other is shown as its number.
STATUS_NAMES = {
    0x00000001: "ESME_RINVMSGLEN",
    0x00000003: "ESME_RINVCMDID",
    0x00000004: "ESME_RINVBNDSTS",
    0x00000005: "ESME_RALYBND",
    0x00000008: "ESME_RSYSERR",
    0x0000000A: "ESME_RINVSRCADR",
    0x0000000B: "ESME_RINVDSTADR",
    0x0000000D: "ESME_RBINDFAIL",
    0x0000000E: "ESME_RINVPASWD",
    0x0000000F: "ESME_RINVSYSID",
    0x00000014: "ESME_RMSGQFUL",
    0x00000045: "ESME_RSUBMITFAIL",
    0x00000058: "ESME_RTHROTTLED",
    0x00000061: "ESME_RINVSCHED",
    0x00000062: "ESME_RINVEXPIRY",
    0x00000064: "ESME_RX_T_APPN",
}
# message_state, SMPP v3.4 section 5.2.28.
RECEIPT_STATES = {
    1: _("still under way"),
    2: _("delivered"),
    3: _("expired in the network"),
    4: _("deleted in the network"),
    5: _("could not be delivered"),
    6: _("accepted by hand at the SMSC"),
    7: _("state unknown to the SMSC"),
    8: _("rejected by the network"),
}
_DIGITS = re.compile(r"\b(?:\d{4}[ -]?){4}(\d{4})\b")


def status_name(status: int | None) -> str:
    """`ESME_RTHROTTLED`, or `0x00000400` for a vendor's own; empty without a status or for 0."""
    return STATUS_NAMES.get(status, f"0x{status:08X}") if status else ""


def receipt_state(state: int) -> str:
    """A receipt's message_state in words."""
    return str(RECEIPT_STATES.get(state, state))


def without_tokens(text: str) -> str:
    """A text whose 20 digits are hidden but for the last four: they are money, and their reader's."""
    return _DIGITS.sub(r"···· ···· ···· ···· \1", text)
