# SPDX-License-Identifier: Apache-2.0
"""What can go wrong on a DLMS link, on one page.

DlmsError
+-- Malformed        octets that no standard form explains        malformed
|   +-- Incomplete   the octets end too early                     incomplete
|   +-- UnknownApdu  an APDU tag outside what is supported        unknown_apdu
|   +-- BadChecksum  an HDLC check sequence does not match        crc
+-- WrongAddress     addressed to or from a SAP that is not ours  wrong_address
+-- UnknownFraming   octets that no link frame or APDU begins     unknown_framing
+-- KeyMissing       a key that is needed was not given           key_missing
+-- AuthFailed       the GCM tag does not match                   auth_failed
+-- Unprotected      not both encrypted and authenticated         unprotected
+-- OutOfOrder       not now: the association is in another state  out_of_order
+-- Stale            an invocation counter that was used before    stale_counter
+-- Unencodable      we were asked for something with no encoding unencodable
    +-- TooLong      more octets than the bearer carries          too_long

None of them is retryable: the same octets fail the same way.
"""

from __future__ import annotations


class DlmsError(Exception):
    """Any failure of this package; `code` is stable, the text is a sentence."""

    code = "dlms"
    retryable = False


class Malformed(DlmsError):
    """The octets do not follow the standard."""

    code = "malformed"


class Incomplete(Malformed):
    """The octets end before the value does."""

    code = "incomplete"


class UnknownApdu(Malformed):
    """The APDU's tag or choice is none of the supported ones."""

    code = "unknown_apdu"


class BadChecksum(Malformed):
    """A check sequence of the link layer does not match."""

    code = "crc"


class WrongAddress(DlmsError):
    """The wrapper names service access points that do not belong to this link."""

    code = "wrong_address"


class UnknownFraming(DlmsError):
    """The octets begin like no link frame and no APDU."""

    code = "unknown_framing"


class KeyMissing(DlmsError):
    """The key, or the system title, that this protection needs is not there."""

    code = "key_missing"


class AuthFailed(DlmsError):
    """The authentication tag does not match: wrong key, or altered on the way."""

    code = "auth_failed"


class Unprotected(DlmsError):
    """The security control octet asks for less than authenticated encryption."""

    code = "unprotected"


class OutOfOrder(DlmsError):
    """A request or an answer that does not belong to the association's state."""

    code = "out_of_order"


class Stale(DlmsError):
    """The invocation counter was used before: a replay, or a peer that forgot its counter."""

    code = "stale_counter"


class Unencodable(DlmsError):
    """A value that has no encoding: our own mistake, not the peer's."""

    code = "unencodable"


class TooLong(Unencodable):
    """The frame exceeds what its bearer carries."""

    code = "too_long"
