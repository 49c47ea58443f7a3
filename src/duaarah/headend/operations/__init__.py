# SPDX-License-Identifier: Apache-2.0
"""Verbs of the head end: queue a command (joins), claim and send (T3), accept a frame and close (join T4), end leases."""

from duaarah.headend.operations.commands import (
    cancel_queued,
    close_command,
    end_leases,
    hurry_commands,
    queue_command,
    reopen_command,
    shelve_command,
    supersede,
)
from duaarah.headend.operations.frames import AcceptedFrame, accept_frame, answered_together
from duaarah.headend.operations.key_rotation import (
    forget_old_keys,
    judge_silent_rotations,
    order_key_rotation,
    record_key_transfer,
    request_key_rotation,
    rotate_keys,
    rotate_near_end,
    withdraw_rotation,
)
from duaarah.headend.operations.line_rotation import rotate_next_on_line
from duaarah.headend.operations.lines import set_line
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
    "forget_old_keys",
    "hurry_commands",
    "judge_silent_rotations",
    "order_key_rotation",
    "place_order",
    "queue_command",
    "record_key_transfer",
    "record_order",
    "reopen_command",
    "request_key_rotation",
    "request_order",
    "rotate_keys",
    "rotate_near_end",
    "rotate_next_on_line",
    "set_line",
    "shelve_command",
    "supersede",
    "withdraw_order",
    "withdraw_rotation",
]
