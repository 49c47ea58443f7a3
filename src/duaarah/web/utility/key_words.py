# SPDX-License-Identifier: Apache-2.0
"""Why a key change was refused, in sentences."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from duaarah.vending.operations.key_change import KeyChangeRefused

REFUSALS = {
    "key_change_under_way": _("A change of this meter's key is under way. Nothing was changed."),
    "parts_remembered": _(
        "The meter may still remember a part of the set that failed; try again three hours after it. Nothing was changed."
    ),
    "tokens_pending": _(
        "Tokens of the old key wait to be keyed in by hand; with a new key they would be lost. Nothing was changed."
    ),
    "meter_does_not_talk": _("This meter has no modem now; it cannot be told. Nothing was changed."),
    "tokens_replaced": _(
        "With this key the meter would take a token that another stands in the place of. Nothing was changed."
    ),
    "same_key": _("The meter has this key already. Nothing was changed."),
    "configuration_changed": _("The meter's key is no longer the one that was to be left. Nothing was changed."),
    "not_withdrawable": _("The last part is out: only the meter can say now which key it has. Nothing was changed."),
    "new_ken_expired": _("The new key is expired: its KEN lies behind today. Nothing was changed."),
}


def refusal_words(error: KeyChangeRefused) -> str:
    """The sentence of a refusal; one without its own says what the engine said."""
    return str(REFUSALS.get(error.code) or error)
