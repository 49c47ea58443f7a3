# SPDX-License-Identifier: Apache-2.0
"""Verbs of the SMS side."""

from duaarah.sms.operations.decide import FrameNotAgain, NotAmbiguous, WasSent, decide_ambiguous
from duaarah.sms.operations.enqueue import SegmentOrder, enqueue_segments
from duaarah.sms.operations.inbound import book_inbound, claim_inbound, close_inbound, give_up_inbound
from duaarah.sms.operations.long_text import enqueue_text
from duaarah.sms.operations.stale import judge_stale_segments, match_parked_receipts

__all__ = [
    "FrameNotAgain",
    "NotAmbiguous",
    "SegmentOrder",
    "WasSent",
    "book_inbound",
    "claim_inbound",
    "close_inbound",
    "decide_ambiguous",
    "enqueue_segments",
    "enqueue_text",
    "give_up_inbound",
    "judge_stale_segments",
    "match_parked_receipts",
]
