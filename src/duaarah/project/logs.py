# SPDX-License-Identifier: Apache-2.0
"""
Structured logs: one JSON object a line on stderr, redacted before they are formatted.

A line carries the `correlation` id of the purchase it belongs to (from payment to the meter's answer) when the caller
gives one by `extra`. Phone numbers keep three digits; tokens, keys, PINs and reply codes keep none.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import sys

_TOKEN = re.compile(r"(?<!\d)(?:\d{20}|\d{4}(?:[ -]\d{4}){4})(?!\d)")
_KEY = re.compile(
    r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{2}){16,}(?![0-9A-Fa-f])|(?<![0-9A-Fa-f])[0-9A-Fa-f]{16}(?![0-9A-Fa-f])"
)
_PHONE = re.compile(r"(?<!\d)(?:\+?62|0)8\d{5,11}(\d{3})(?!\d)")
_ISI = re.compile(r"(?i)\b((?:ISI|BELI)\b(?:\s+\S+){0,2}?\s+[\d.]+(?:rb)?)\s+\S+")
_NAMED = re.compile(r"(?i)\b(pin|code|password|passphrase|secret|vending_key|ek|ak)\b(\W{1,4})(\w{3,})")


def redact(text: str) -> str:
    """The text without anything that may spend money, open a meter or name a person."""
    text = _TOKEN.sub("[token]", text)
    text = _ISI.sub(r"\1 [code]", text)
    text = _PHONE.sub(r"[phone ...\1]", text)
    text = _KEY.sub("[key]", text)
    return _NAMED.sub(r"\1\2[hidden]", text)


class RedactingFilter(logging.Filter):
    """Rewrites every record's message before any handler formats it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = redact(record.getMessage())
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True


class JSONFormatter(logging.Formatter):
    """at, level, process, logger, message, and correlation where known."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self.process = process

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self.process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        correlation = getattr(record, "correlation", None)
        if correlation is not None:
            line["correlation"] = str(correlation)
        if record.exc_text:
            line["trace"] = record.exc_text
        return json.dumps(line, ensure_ascii=False)


def install(process: str, level: str = "INFO") -> None:
    """Replace the root handlers by one that redacts and writes JSON lines to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RedactingFilter())
    handler.setFormatter(JSONFormatter(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # It tells every command that it was imported.
    logging.getLogger("procrastinate.blueprints").setLevel(logging.WARNING)
