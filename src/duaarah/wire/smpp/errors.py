# SPDX-License-Identifier: Apache-2.0
"""The one error of the codec, and the two of the session (we broke the rules; the peer did)."""

from __future__ import annotations


class SMPPError(Exception):
    """Any failure of this package."""

    code = "smpp"
    retryable = False


class MalformedPDU(SMPPError):
    """Octets that are no PDU. `sequence` is known when the header was readable."""

    code = "malformed_pdu"

    def __init__(self, message: str, sequence: int = 0) -> None:
        super().__init__(message)
        self.sequence = sequence


class LocalProtocolError(SMPPError):
    """We asked for something that the session's state or window does not allow."""

    code = "local_protocol"


class RemoteProtocolError(SMPPError):
    """The peer broke the framing; the connection must be closed."""

    code = "remote_protocol"
