# SPDX-License-Identifier: Apache-2.0
"""What a comparison with a channel's file says, in a reader's language."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duaarah.vending.ledger_models import ChannelReconciliationLine
from duaarah.vending.operations.corrections import CorrectionRefused

LISTS = {
    "OURS_ONLY": gettext_lazy("Ours only"),
    "THEIRS_ONLY": gettext_lazy("Theirs only"),
    "DIFFERENT": gettext_lazy("Different"),
    "ERROR": gettext_lazy("Not readable"),
}
HOW = {
    "EXPLAINED": gettext_lazy("Explained"),
    "REFUND": gettext_lazy("Returned to the deposit"),
    "WRITE_OFF": gettext_lazy("Written off"),
}
CODES = {
    "amount": gettext_lazy("another amount"),
    "meter": gettext_lazy("another meter"),
    "date": gettext_lazy("another settlement day"),
    "refunded": gettext_lazy("returned by us"),
}
# Of a row that cannot be read.
ERRORS = {
    "columns": gettext_lazy("not as many columns as the head"),
    "reference": gettext_lazy("no reference, or too long a one"),
    "duplicate": gettext_lazy("the same reference twice"),
    "meter": gettext_lazy("no meter, or too long a one"),
    "amount": gettext_lazy("its amount is no whole number of rupiah"),
    "time": gettext_lazy("its time cannot be read"),
}
FILE_ERRORS = {
    "empty": gettext_lazy("The file is empty."),
    "too_large": gettext_lazy("A file has at most 64 MB."),
    "too_long": gettext_lazy("The file has too many lines."),
    "encoding": gettext_lazy("The file is written in another encoding than this channel's files."),
    "head": gettext_lazy("The first line does not name the columns of this channel's files."),
}


def codes_words(line: ChannelReconciliationLine) -> str:
    """What differs, or what is wrong with the row."""
    known = ERRORS if line.list == "ERROR" else CODES
    return ", ".join(str(known.get(code, code)) for code in line.codes.split(",") if code)


def refusal_words(error: CorrectionRefused) -> str:
    """Why a line was not resolved or a claim not written off."""
    words = {
        "reason": _("Say why, in at most 400 letters."),
        "resolved": _("This was resolved before."),
        "nothing_to_return": _("The books took no more than the channel says: there is nothing to return."),
        "no_deposit": _("This channel keeps no deposit to return money to."),
        "how": _("Choose what is to be done."),
        "not_a_claim": _("Only what somebody owes can be written off."),
        "amount": _("The account does not hold that much."),
    }
    return words.get(error.code, str(error))
