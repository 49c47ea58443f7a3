# SPDX-License-Identifier: Apache-2.0
"""
What can go wrong with a message.

bad_mti        not one of the dialect's message types
bad_bitmap     not 16 upper-case hexadecimal digits, or a field that the dialect does not have
short_message  the message ends before its last field does
trailing_bytes something stands behind the last field
bad_field      a length that is no number, a value that is no digit where digits belong, a private field that no layout fits

None is retryable: the same message fails the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duaarah.wire.iso8583.message import Message


class ISOError(Exception):
    """
    A message that cannot be read or written; `code` is stable, the text is a sentence.

    `partial` is there when everything but the inside of fields 48 and 62 could be read: the message with such a field
    as {"raw": ...}, for a server that wants to answer 0030 to the same trace number.
    """

    retryable = False

    def __init__(self, code: str, message: str = "", *, partial: Message | None = None) -> None:
        super().__init__(message or code)
        self.code = code
        self.partial = partial
