# SPDX-License-Identifier: Apache-2.0
"""ISO 8583 as PLN speaks it: messages (message.py), framing (framing.py), what response codes mean (codes.py)."""

from duaarah.wire.iso8583.codes import CODES, Phase, Verdict, meaning, verdict
from duaarah.wire.iso8583.dialect import Dialect, DialectInvalid, packaged
from duaarah.wire.iso8583.errors import ISOError
from duaarah.wire.iso8583.framing import Deframer, FrameEmpty, FrameError, FrameTooLong, FrameUnfit, Framing, frame
from duaarah.wire.iso8583.message import Message, decode, encode, shortcomings

__all__ = [
    "CODES",
    "Deframer",
    "Dialect",
    "DialectInvalid",
    "FrameEmpty",
    "FrameError",
    "FrameTooLong",
    "FrameUnfit",
    "Framing",
    "ISOError",
    "Message",
    "Phase",
    "Verdict",
    "decode",
    "encode",
    "frame",
    "meaning",
    "packaged",
    "shortcomings",
    "verdict",
]
