# SPDX-License-Identifier: Apache-2.0
"""Verbs of the head end: queue a command (joins), claim and send (T3), accept a frame and close (join T4), end leases."""

from duaarah.headend.operations.commands import cancel_queued, close_command, end_leases, queue_command, supersede
from duaarah.headend.operations.frames import AcceptedFrame, accept_frame, answered_together
from duaarah.headend.operations.orders import (
    carry_out,
    check_order,
    place_order,
    record_order,
    request_order,
    withdraw_order,
)
from duaarah.headend.operations.send import claim_and_send

__all__ = [
    "AcceptedFrame",
    "accept_frame",
    "answered_together",
    "cancel_queued",
    "carry_out",
    "check_order",
    "claim_and_send",
    "close_command",
    "end_leases",
    "place_order",
    "queue_command",
    "record_order",
    "request_order",
    "supersede",
    "withdraw_order",
]
