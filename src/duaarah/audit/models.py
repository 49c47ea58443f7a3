# SPDX-License-Identifier: Apache-2.0
"""Records of deeds, and the seals that chain them."""

from __future__ import annotations

from django.db import models


class AuditRecord(models.Model):
    """One deed: who, what, on what, why, and whether it was refused. Append-only (trigger)."""

    at = models.DateTimeField()
    actor = models.CharField(max_length=80)
    verb = models.CharField(max_length=60)
    subject = models.CharField(max_length=120)
    reason = models.CharField(max_length=400, blank=True)
    refused = models.BooleanField()
    code = models.CharField(max_length=60, blank=True)
    correlation = models.UUIDField(null=True)
    detail = models.JSONField()

    class Meta:
        indexes = [
            models.Index(fields=["subject", "id"], name="audit_subject"),
            models.Index(fields=["correlation"], name="audit_correlation"),
        ]


class AuditSeal(models.Model):
    """One link of the chain: hash = SHA-256(previous hash + canonical form of the record). Append-only (trigger)."""

    position = models.BigIntegerField(primary_key=True)
    record = models.OneToOneField(AuditRecord, on_delete=models.PROTECT, related_name="seal")
    hash = models.BinaryField(max_length=32)
