# SPDX-License-Identifier: Apache-2.0
"""Verbs of the SMS side."""

from duaarah.sms.operations.binds import (
    BindChangedMeanwhile,
    BindRefused,
    DraftGone,
    TrialRefused,
    ask_trial,
    confirm_draft,
    forget_old_drafts,
    propose_bind,
)
from duaarah.sms.operations.decide import (
    FrameNotAgain,
    NotAmbiguous,
    RecordTaken,
    WasSent,
    decide_ambiguous,
    decide_segment,
)
from duaarah.sms.operations.enqueue import SegmentOrder, enqueue_segments
from duaarah.sms.operations.inbound import book_inbound, claim_inbound, close_inbound, give_up_inbound
from duaarah.sms.operations.long_text import enqueue_text
from duaarah.sms.operations.stale import judge_stale_segments, match_parked_receipts

__all__ = [
    "BindChangedMeanwhile",
    "BindRefused",
    "DraftGone",
    "FrameNotAgain",
    "NotAmbiguous",
    "RecordTaken",
    "SegmentOrder",
    "TrialRefused",
    "WasSent",
    "ask_trial",
    "book_inbound",
    "claim_inbound",
    "close_inbound",
    "confirm_draft",
    "decide_ambiguous",
    "decide_segment",
    "enqueue_segments",
    "enqueue_text",
    "forget_old_drafts",
    "give_up_inbound",
    "judge_stale_segments",
    "match_parked_receipts",
    "propose_bind",
]
