# SPDX-License-Identifier: Apache-2.0
"""Reading the audit chain."""

from __future__ import annotations

from collections.abc import Iterator

from duaarah.audit.models import AuditRecord, AuditSeal


def chain() -> Iterator[AuditSeal]:
    """Every seal with its record, first position first; a seal whose record is gone comes too (a join would hide it)."""
    return AuditSeal.objects.prefetch_related("record").order_by("position").iterator(chunk_size=1000)


def unsealed_count() -> int:
    """Length of the tail that no seal covers yet."""
    return AuditRecord.objects.filter(seal=None).count()
