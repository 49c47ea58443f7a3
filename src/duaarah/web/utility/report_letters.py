# SPDX-License-Identifier: Apache-2.0
"""A report as a letter: HTML and plain words, with the same as PDF and XLSX attached, and a link that ends it."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.core import signing
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from duaarah.reports.composing import Attachment, Letter
from duaarah.reports.models import Subscription
from duaarah.web.shared.chart_data import cells_of, head_of
from duaarah.web.shared.charts import chart_parts
from duaarah.web.shared.export import XLSX, Table, workbook_file
from duaarah.web.shared.pdf import Grid, Part, Words, pdf_file
from duaarah.web.utility.report_documents import DOCUMENTS, Document, Section

_SALT = "reports.unsubscribe"


def unsubscribe_token(subscription: Subscription) -> str:
    """What whoever got the letter holds: it ends this one subscription and does nothing else."""
    return signing.dumps(subscription.pk, salt=_SALT)


def subscription_of(token: str) -> Subscription | None:
    """None for a token that was not made here."""
    try:
        number = signing.loads(token, salt=_SALT)
    except signing.BadSignature:
        return None
    return Subscription.objects.filter(pk=number).first()


def compose(subscription: Subscription, due_at: dt.datetime, now: dt.datetime) -> Letter:
    """In the subscriber's language."""
    with translation.override(subscription.language):
        document = DOCUMENTS[subscription.report](subscription.unit, due_at, now)
        end = settings.PUBLIC_URL + reverse("report-unsubscribe", args=[unsubscribe_token(subscription)])
        page = settings.PUBLIC_URL + document.path
        context = {
            "document": document,
            "language": subscription.language,
            "page": page,
            "end": end,
            "files": f"{document.name}.pdf, {document.name}.xlsx",
        }
        return Letter(
            subject=f"{document.title} · {document.under.split(' · ')[0]}",
            text=text_of(document, page, end),
            html=render_to_string("utility/report_letter.html", context),
            attachments=(
                Attachment(name=f"{document.name}.pdf", content=_pdf(document, now), kind="application/pdf"),
                Attachment(name=f"{document.name}.xlsx", content=_xlsx(document), kind=XLSX),
            ),
            # RFC 8058: a mail program may end it by one POST, without opening a page.
            headers={"List-Unsubscribe": f"<{end}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
        )


def text_of(document: Document, page: str, end: str) -> str:
    """The report for a mail program without HTML."""
    lines = [document.title, document.under, ""]
    for section in document.sections:
        lines += [section.title.upper(), *section.sentences]
        for row in section.rows:
            lines.append("- " + "; ".join(f"{head}: {value}" for head, value in zip(section.head, row, strict=True)))
        lines.append("")
    return "\n".join([*lines, f"{_('The page')}: {page}", f"{_('End this report')}: {end}", ""])


def _pdf(document: Document, now: dt.datetime) -> bytes:
    parts: list[Part] = [Words(text=document.title, kind="title"), Words(text=document.under, kind="small")]
    for section in document.sections:
        parts += _parts(section, now)
    with pdf_file(title=document.title, parts=parts) as file:
        return file.read()


def _parts(section: Section, now: dt.datetime) -> list[Part]:
    if section.chart is not None:
        return chart_parts(section.chart, now)
    parts: list[Part] = [Words(text=section.title, kind="head"), *(Words(text=said) for said in section.sentences)]
    if section.rows:
        widths = [1 if number in section.right else 2 for number in range(len(section.head))]
        parts.append(Grid(head=section.head, rows=section.rows, widths=widths, right=section.right))
    return parts


def _xlsx(document: Document) -> bytes:
    """Each table on its sheet, in the reader's words; figures of a chart as numbers."""
    tables = []
    for section in document.sections:
        if section.chart is not None:
            tables.append(Table(name=section.title, head=head_of(section.chart), rows=cells_of(section.chart)))
        elif section.rows:
            tables.append(Table(name=section.title, head=section.head, rows=section.rows))
    tables.append(
        Table(
            name="i",
            head=[document.title, document.under],
            rows=[[said] for s in document.sections for said in s.sentences],
        )
    )
    with workbook_file(tables) as file:
        return file.read()
