# SPDX-License-Identifier: Apache-2.0
"""Refusals of the STS interface. Each leaves one audit line, and nothing has moved."""

from __future__ import annotations

from typing import Any


class STSRefused(Exception):
    """No token for this request. `code` is stable; `limit` names the limit where one is reached."""

    code = "sts_refused"
    limit: dict[str, Any] | None = None


class ScopeRefused(STSRefused):
    """The key may not ask for this."""

    code = "scope_refused"


class RegisterRefused(STSRefused):
    """The key is not bound to this key register."""

    code = "register_refused"


class MessageIDReused(STSRefused):
    """The caller used this message id for another request."""

    code = "message_id_reused"


class MessageUnknown(STSRefused):
    """The caller never used this message id."""

    code = "message_unknown"


class ConfigurationConflict(STSRefused):
    """The registry knows the meter by another key configuration than the request."""

    code = "configuration_conflict"


class LimitMissing(STSRefused):
    """Nobody has set how much this operator may issue."""

    code = "limit_missing"


class LimitReached(STSRefused):
    """One token more would pass a limit."""

    code = "limit_reached"

    def __init__(self, message: str, limit: dict[str, Any]) -> None:
        super().__init__(message)
        self.limit = limit


class OrderRefused(STSRefused):
    """The engine or the keys refuse: its code and sentence are theirs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
