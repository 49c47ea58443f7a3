# SPDX-License-Identifier: Apache-2.0
"""How a channel writes its file of sales, said once before its first file is compared."""

from __future__ import annotations

import codecs
import datetime as dt
from dataclasses import asdict, dataclass
from zoneinfo import available_timezones

from django.db import transaction

from duaarah.audit import operations as audit
from duaarah.vending.ledger_models import ChannelFileFormat
from duaarah.vending.models import Channel

_SAMPLE = dt.datetime(2026, 11, 23, 18, 40, 59)  # noqa: DTZ001 - only written and read again by a format
VERB = "vending.set_file_format"


class FormatRefused(Exception):
    """Not kept, nothing changed. `code`: delimiter, encoding, columns, at_format, zone."""

    retryable = False

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class FileFormat:
    """The fields of ChannelFileFormat."""

    delimiter: str = ";"
    encoding: str = "utf-8-sig"
    reference_column: str = "reference"
    meter_column: str = "meter"
    amount_column: str = "nominal"
    at_column: str = "time"
    pln_ref_column: str = ""
    at_format: str = "%Y-%m-%d %H:%M:%S"
    zone: str = "Asia/Jakarta"


def set_file_format(*, channel: Channel, form: FileFormat, actor: str, now: dt.datetime) -> ChannelFileFormat:
    """
    Entry: keep the format in place of the one before; the audit record holds both.

    Raises:
        FormatRefused: one audit line.
    """
    subject = f"channel:{channel.code}"
    try:
        with transaction.atomic(durable=True):
            _check(form)
            before = ChannelFileFormat.objects.select_for_update().filter(channel=channel).values().first()
            row, _ = ChannelFileFormat.objects.update_or_create(channel=channel, defaults=asdict(form))
            detail = {"before": before, "after": asdict(form)}
            audit.record(at=now, actor=actor, verb=VERB, subject=subject, detail=detail)
            return row
    except FormatRefused as refused:
        with transaction.atomic(durable=True):
            audit.record_refusal(
                at=now, actor=actor, verb=VERB, subject=subject, code=refused.code, reason=str(refused)
            )
        raise


def _check(form: FileFormat) -> None:
    if len(form.delimiter) != 1 or form.delimiter in '"\r\n' or form.delimiter.isalnum():
        raise FormatRefused("delimiter", "Columns are parted by one sign that is no letter, figure or quote.")
    try:
        text = codecs.lookup(form.encoding)._is_text_encoding
    except LookupError:
        text = False
    if not text or len(form.encoding) > 20:
        raise FormatRefused("encoding", f"There is no encoding {form.encoding!r}.")
    names = [form.reference_column, form.meter_column, form.amount_column, form.at_column]
    names += [form.pln_ref_column] if form.pln_ref_column else []
    if not all(0 < len(name) <= 40 and name == name.strip() for name in names) or len(set(names)) < len(names):
        raise FormatRefused("columns", "Each column has a name of its own, of at most 40 letters.")
    try:
        # A day and a minute at least, or a sale cannot be put on its day.
        read = dt.datetime.strptime(_SAMPLE.strftime(form.at_format), form.at_format)  # noqa: DTZ007
        fine = read.replace(second=0, tzinfo=None) == _SAMPLE.replace(second=0)
    except ValueError:
        fine = False
    if not fine or len(form.at_format) > 40:
        raise FormatRefused("at_format", "The form of the time gives the day and the minute, as in %Y-%m-%d %H:%M.")
    if form.zone not in available_timezones():
        raise FormatRefused("zone", f"There is no time zone {form.zone!r}.")
