# SPDX-License-Identifier: Apache-2.0
"""How an operator writes his records, said once before his first file is compared."""

from __future__ import annotations

import codecs
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from zoneinfo import ZoneInfo, available_timezones

from django.db import transaction

from duaarah.audit import operations as audit
from duaarah.people.models import Organisation
from duaarah.sms.models import MessageClass, RecordFormat

_SAMPLE = dt.datetime(2026, 11, 23, 18, 40, 59)  # noqa: DTZ001 - only written and read again by a format


class FormatRefused(Exception):
    """
    Not kept, nothing changed. `code`: not_an_operator, delimiter, encoding, columns, at_format, zone, classes.
    """

    retryable = False

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Format:
    """The fields of RecordFormat; `classes`: his class -> those of ours that it may be."""

    delimiter: str = ";"
    encoding: str = "utf-8-sig"
    message_id_column: str = "message_id"
    at_column: str = "time"
    destination_column: str = "destination"
    class_column: str = "class"
    price_column: str = "price"
    at_format: str = "%Y-%m-%d %H:%M:%S"
    zone: str = "Asia/Jakarta"
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)


def set_record_format(*, operator: Organisation, form: Format, actor: str, now: dt.datetime) -> RecordFormat:
    """
    Entry: keep the format in place of the one before; the audit record holds both.

    Raises:
        FormatRefused: one audit line.
    """
    subject, verb = f"operator:{operator.code}", "sms.set_record_format"
    try:
        with transaction.atomic(durable=True):
            _check(operator, form)
            before = RecordFormat.objects.select_for_update().filter(operator=operator).values().first()
            row, _ = RecordFormat.objects.update_or_create(operator=operator, defaults=asdict(form))
            audit.record(
                at=now, actor=actor, verb=verb, subject=subject, detail={"before": before, "after": asdict(form)}
            )
            return row
    except FormatRefused as refused:
        with transaction.atomic(durable=True):
            audit.record_refusal(
                at=now, actor=actor, verb=verb, subject=subject, code=refused.code, reason=str(refused)
            )
        raise


def _check(operator: Organisation, form: Format) -> None:
    if operator.kind != Organisation.Kind.MOBILE_OPERATOR:
        raise FormatRefused("not_an_operator", "Records are a mobile operator's.")
    if len(form.delimiter) != 1 or form.delimiter in '"\r\n' or form.delimiter.isalnum():
        raise FormatRefused("delimiter", "Columns are parted by one sign that is no letter, figure or quote.")
    try:
        text = codecs.lookup(form.encoding)._is_text_encoding
    except LookupError:
        text = False
    if not text or len(form.encoding) > 20:
        raise FormatRefused("encoding", "This encoding is not known.")
    columns = [form.message_id_column, form.at_column, form.destination_column, form.price_column]
    columns += [form.class_column] if form.class_column else []
    if not all(0 < len(name) <= 40 for name in columns) or len(set(columns)) != len(columns):
        raise FormatRefused("columns", "Each column has a name of its own, of at most 40 letters.")
    _check_time(form)
    named = [ours for of in form.classes.values() for ours in of]
    if any(ours not in MessageClass.values for ours in named) or not all(form.classes.values()):
        raise FormatRefused("classes", "His classes lead to classes that we have.")


def _check_time(form: Format) -> None:
    try:
        written = _SAMPLE.replace(tzinfo=dt.UTC).strftime(form.at_format)
        read = dt.datetime.strptime(written, form.at_format)  # noqa: DTZ007 - the zone is his format's
        whole = read.replace(tzinfo=None) == _SAMPLE and len(form.at_format) <= 40
    except ValueError:
        whole = False
    if not whole:
        raise FormatRefused("at_format", "A time is read to the second, in the signs of strptime.")
    if form.zone not in available_timezones() or not ZoneInfo(form.zone):
        raise FormatRefused("zone", "This time zone is not known.")
