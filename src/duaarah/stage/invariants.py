# SPDX-License-Identifier: Apache-2.0
"""What must hold after every flow, and the day's figures. Read only; what meters hold comes from the meters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Count, Sum

from duaarah.headend.models import Command
from duaarah.messaging.models import Message
from duaarah.sms.models import InboundSms, OutboundSegment, PackageEntry
from duaarah.vending.models import LedgerLine, Notification, Payment, Token, Vend

WARNINGS = ("low_credit", "credit_exhausted")


@dataclass(frozen=True)
class FromOutside:
    """What was read from the far ends: energy and counts from meters, segments from the SMSC (None: not ours to ask)."""

    accepted_wh: int
    double_credits: int
    segments: int | None


def figures(outside: FromOutside) -> dict[str, Any]:
    """The record of CONTRACTS.md without seed, meters, ok and broken."""
    energy = {
        row["vend__state"]: row["wh"]
        for row in Token.objects.values("vend__state").annotate(wh=Sum("energy_wh")).order_by()
    }
    states = dict(Vend.objects.values_list("state").annotate(n=Count("pk")).order_by())
    return {
        "warned": Message.objects.filter(template__in=WARNINGS).count(),
        "bought": Payment.objects.count(),
        "bought_elsewhere": Notification.objects.count(),
        "issued": Token.objects.count(),
        "acknowledged": states.get("LOADED", 0),
        "rejected": states.get("REJECTED", 0),
        "pending": states.get("ISSUED", 0),
        # Payments that got no token; one that was taken back after its token was made is in refunded_wh.
        "refunded": Vend.objects.filter(state=Vend.State.REFUNDED, token=None).count(),
        "sms_segments_by_smsc": outside.segments,
        "sms_segments_by_ledger": PackageEntry.objects.filter(kind="SETTLE").count(),
        "sms_per_top_up_max": sms_per_top_up_max(),
        "retries": OutboundSegment.objects.filter(retry=True).count(),
        "ledger_sum_idr": (LedgerLine.objects.aggregate(s=Sum("amount_sen"))["s"] or 0) // 100,
        "issued_wh": sum(energy.values()),
        "accepted_by_meters_wh": outside.accepted_wh,
        "pending_wh": energy.get("ISSUED", 0),
        "rejected_wh": energy.get("REJECTED", 0),
        "refunded_wh": energy.get("REFUNDED", 0),
        "double_credits": outside.double_credits,
    }


_PER_TOP_UP = """
SELECT coalesce(max(n), 0) FROM (
    SELECT v.id, (SELECT count(*) FROM sms_packageentry e
                  WHERE e.kind = 'SETTLE' AND e.counts AND NOT e.retry AND e.correlation = v.correlation)
        -- the push and the warning that led to this purchase
        + (SELECT count(DISTINCT e.message_class) FROM sms_packageentry e
           WHERE e.kind = 'SETTLE' AND e.counts AND NOT e.retry AND e.meter_id = v.meter_id
               AND e.message_class IN ('METER_PUSH', 'WARNING') AND e.at <= v.paid_at) AS n
    FROM vending_vend v WHERE v.state = 'LOADED') AS per_top_up
"""


def sms_per_top_up_max() -> int:
    """The most segments that one loaded top-up took from the package, retries and the customer's own SMS excluded."""
    with connection.cursor() as cursor:
        cursor.execute(_PER_TOP_UP)
        most: int = cursor.fetchone()[0]
    return most


def _exists(query: str, *values: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS ({query})", values)
        found: bool = cursor.fetchone()[0]
    return found


def broken(record: dict[str, Any], *, lease_outlived: bool) -> list[str]:
    """Names of the invariants that do not hold (DESIGN 6.10)."""
    checks = {
        "ledger_zero": record["ledger_sum_idr"] != 0
        or _exists("SELECT 1 FROM vending_ledgerline GROUP BY entry_id HAVING sum(amount_sen) <> 0"),
        "tid_unique": _exists("SELECT 1 FROM vending_vend GROUP BY drn, base_date, tid HAVING count(*) > 1")
        or _exists(
            "SELECT 1 FROM vending_vend v JOIN vending_stsorder o USING (pan, base_date, tid) WHERE v.origin = 'OURS'"
        ),
        "energy_balance": record["issued_wh"]
        != record["accepted_by_meters_wh"] + record["pending_wh"] + record["rejected_wh"] + record["refunded_wh"]
        or record["issued"] != record["bought"] + record["bought_elsewhere"] - record["refunded"],
        "segments_once": not segments_once(record),
        "lease_limit": lease_outlived,
        "refusal_audited": _exists(
            "SELECT 1 FROM sms_inboundsms i WHERE i.state = 'REFUSED' AND NOT EXISTS"
            " (SELECT 1 FROM audit_auditrecord a WHERE a.refused AND a.subject = 'inbound:' || i.id)"
        )
        or _exists(
            "SELECT 1 FROM vending_vend v WHERE v.state IN ('REFUNDED', 'REJECTED') AND NOT EXISTS"
            " (SELECT 1 FROM audit_auditrecord a WHERE a.refused AND a.correlation = v.correlation)"
        ),
    }
    return [name for name, is_broken in checks.items() if is_broken]


def segments_once(record: dict[str, Any]) -> bool:
    """Every segment the network counted is settled once, by our rows and by the SMSC's own count."""
    accepted = OutboundSegment.objects.filter(state__in=["ACCEPTED", "DELIVERED", "FAILED"]).count()
    read = InboundSms.objects.exclude(state="RECEIVED").count()
    settled = record["sms_segments_by_ledger"]
    if settled != accepted + read:
        return False
    return record["sms_segments_by_smsc"] in (None, settled)


def lease_broken(lease_limit_s: int) -> bool:
    """Whether a lease is longer than its limit now, or was not ended long after its time."""
    return (
        _exists(
            "SELECT 1 FROM headend_command WHERE state = 'SENT' AND"
            " (lease_until_at > leased_at + %s * interval '1 second'"
            "  OR clock_timestamp() > lease_until_at + %s * interval '1 second')",
            lease_limit_s,
            lease_limit_s,
        )
        or _exists(
            "SELECT 1 FROM sms_outboundsegment WHERE state = 'SUBMITTING'"
            " AND clock_timestamp() > lease_until_at + %s * interval '1 second'",
            lease_limit_s,
        )
        or Command.objects.filter(state="SENT", lease_until_at=None).exists()
    )
