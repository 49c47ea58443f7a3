# SPDX-License-Identifier: Apache-2.0
"""What can go wrong on an SMPP link, on one page.

SmppError
+-- Malformed       octets that SMPP 3.4 does not explain              smpp_malformed
+-- Unencodable     a field that has no encoding: our own mistake      smpp_unencodable
+-- NotText         the payload is binary, no text                     smpp_not_text
+-- BadReceipt      a delivery receipt that names no message           smpp_bad_receipt
+-- NotAllowed      the session's state forbids what we asked          smpp_not_allowed
    +-- WindowFull  as many requests are open as the window holds      smpp_window_full

What the peer does wrong is never raised at its own session's caller: it becomes an event, or an answer with a status.
"""

from __future__ import annotations


class SmppError(Exception):
    """Any failure of this package; `code` is stable, the text is a sentence."""

    code = "smpp"
    retryable = False


class Malformed(SmppError):
    """The octets do not follow the standard; `status` is the command_status that tells the peer."""

    code = "smpp_malformed"

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Unencodable(SmppError):
    """A value that does not fit its field."""

    code = "smpp_unencodable"


class NotText(SmppError):
    """The data_coding says 8-bit data."""

    code = "smpp_not_text"


class BadReceipt(SmppError):
    """Neither a TLV nor the text says which message the receipt is for."""

    code = "smpp_bad_receipt"


class NotAllowed(SmppError):
    """The request is not valid in this state or for this role, or nobody waits for this response."""

    code = "smpp_not_allowed"


class WindowFull(NotAllowed):
    """Wait for a response first."""

    code = "smpp_window_full"
    retryable = True
