# SPDX-License-Identifier: Apache-2.0
"""How a mobile operator writes his file of records: set by a verb, since a wrong column decides what is released."""

from __future__ import annotations

import codecs
import datetime as dt
from dataclasses import asdict, dataclass, field
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import transaction

from duaarah.audit import operations as audit
from duaarah.people.models import Organisation
from duaarah.sms.models import MessageClass, RecordFormat
from duaarah.sms.package.operations import PackageRefused

_SAMPLE = dt.datetime(2026, 3, 31, 23, 58, 59)  # noqa: DTZ001 - only to try a format


@dataclass(frozen=True, kw_only=True)
class Form:
    """Columns by name, delimiter, time and zone; `classes`: his class -> ours, what is not in it is not compared."""

    delimiter: str = ";"
    encoding: str = "utf-8-sig"
    message_id_column: str = "message_id"
    at_column: str = "time"
    destination_column: str = "destination"
    class_column: str = "class"
    price_column: str = "price"
    at_format: str = "%Y-%m-%d %H:%M:%S"
    zone: str = "Asia/Jakarta"
    classes: dict[str, list[str]] = field(default_factory=dict)


def set_record_format(*, operator: Organisation, form: Form, actor: str, now: dt.datetime) -> RecordFormat:
    """
    Entry: how this operator's records are read from now on; an audit line has the whole of it.

    Raises:
        PackageRefused: not_an_operator, bad_record_format. Audited, nothing moved.
    """
    subject = f"organisation:{operator.code}"
    try:
        _check(operator, form)
    except PackageRefused as refused:
        with transaction.atomic(durable=True):
            audit.record_refusal(
                at=now,
                actor=actor,
                verb="sms.set_record_format",
                subject=subject,
                code=refused.code,
                reason=str(refused),
            )
        raise
    with transaction.atomic(durable=True):
        row, _ = RecordFormat.objects.update_or_create(operator=operator, defaults=asdict(form))
        audit.record(at=now, actor=actor, verb="sms.set_record_format", subject=subject, detail=asdict(form))
    return row


def _check(operator: Organisation, form: Form) -> None:
    if operator.kind != Organisation.Kind.MOBILE_OPERATOR:
        raise PackageRefused("not_an_operator", f"{operator.code} is no mobile operator.")
    columns = [form.message_id_column, form.at_column, form.destination_column, form.price_column]
    columns += [form.class_column] if form.class_column else []
    if not all(columns) or len(set(columns)) != len(columns) or max(map(len, columns)) > 40:
        raise PackageRefused("bad_record_format", "Each column has a name of its own, of at most 40 letters.")
    if len(form.delimiter) != 1 or form.delimiter in '"\r\n':
        raise PackageRefused("bad_record_format", "The delimiter is one character, such as ; or a comma.")
    try:
        codecs.lookup(form.encoding)
        ZoneInfo(form.zone)
    except (LookupError, ValueError, ZoneInfoNotFoundError) as error:
        raise PackageRefused("bad_record_format", "There is no such encoding or time zone.") from error
    if not _tells_the_minute(form.at_format):
        raise PackageRefused("bad_record_format", "The time format must tell date, hour and minute.")
    if unknown := {name for ours in form.classes.values() for name in ours} - set(MessageClass.values):
        raise PackageRefused("bad_record_format", f"No such class of ours: {', '.join(sorted(unknown))}.")


def _tells_the_minute(at_format: str) -> bool:
    try:
        read = dt.datetime.strptime(_SAMPLE.strftime(at_format), at_format)  # noqa: DTZ007 - only to try a format
    except ValueError:
        return False
    return read.replace(second=0, tzinfo=None) == _SAMPLE.replace(second=0)
