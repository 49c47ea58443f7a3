"""A shop for tests: operator, data operator, the seed's package, and ledger lines made by the real verbs."""

from __future__ import annotations

import datetime as dt
import uuid

from django.db import connection, transaction

from duaarah.people.models import Organisation
from duaarah.registry.models import Meter
from duaarah.sms.models import Bind, InboundSms, PackagePlan, PackageTerms
from duaarah.sms.operations import SegmentOrder, book_inbound, enqueue_segments
from duaarah.sms.package.operations import Share, Terms, set_terms

WIB = dt.timezone(dt.timedelta(hours=7))
NOW = dt.datetime(2026, 3, 5, 9, 0, tzinfo=WIB)
MONTH = dt.date(2026, 3, 1)


class Shop:
    """One operator's package of 28 SMS; `share_margin` of the Rp200 goes to the data operator."""

    def __init__(self) -> None:
        self.operator = Organisation.objects.create(code="OPX", name="Opsel", kind="MOBILE_OPERATOR")
        self.data_operator = Organisation.objects.create(code="DOX", name="Data", kind="DATA_OPERATOR")
        self.plan = self.new_plan("P28", "BASE")
        self.bind = Bind.objects.create(
            name="shop",
            operator=self.operator,
            host="127.0.0.1",
            port=1,
            system_id="x",
            password_wrapped=b"",
            short_codes=["3123"],
        )
        self._meters = 0

    def new_plan(self, code: str, slot: str) -> PackagePlan:
        return PackagePlan.objects.create(
            code=code, name=code, slot=slot, operator=self.operator, data_operator=self.data_operator
        )

    def shares(self, margin_to_data_operator: int = 7_500) -> list[Share]:
        return [
            Share(of="SMS", party=self.operator, parts=10_000),
            Share(of="MARGIN", party=self.operator, parts=10_000 - margin_to_data_operator),
            Share(of="MARGIN", party=self.data_operator, parts=margin_to_data_operator),
            Share(of="EXTRA", party=self.operator, parts=10_000),
            Share(of="INQUIRY", party=self.operator, parts=6_667),
            Share(of="INQUIRY", party=self.data_operator, parts=3_333),
        ]

    def terms(self, plan: PackagePlan | None = None, *, since: dt.date = MONTH, **values: object) -> PackageTerms:
        return set_terms(
            plan=plan or self.plan,
            valid_from_date=since,
            terms=Terms(**values),  # type: ignore[arg-type]
            shares=self.shares(),
            actor="test",
            now=NOW,
        )

    def meter(self) -> Meter:
        self._meters += 1
        number = self._meters
        return Meter.objects.create(
            drn=f"9{number:010d}",
            pan=f"9{number:017d}",
            profile="single-phase-modem",
            tariff_group="R-1",
            region="Depok",
            contracted_va=1300,
            low_credit_threshold_wh=5_000,
            system_title=number.to_bytes(8, "big"),
            dlms_keys_wrapped=b"",
            sts_register="test",
            sgc="999901",
            ti="01",
            krn=1,
            kt=2,
            ken=255,
            base_date=2014,
            dkga="04",
            ea="07",
        )

    def send(
        self,
        meter: Meter,
        message_class: str = "RECEIPT",
        count: int = 1,
        at: dt.datetime = NOW,
        destination: str = "6281200000001",
    ) -> list[int]:
        order = SegmentOrder(
            bind_id=self.bind.pk,
            meter_id=meter.pk,
            message_class=message_class,
            priority=0,
            retry=False,
            source="3123",
            destination=destination,
            data_coding=0,
            payload=b"x",
            validity_s=60,
            registered=False,
            correlation=uuid.uuid4(),
        )
        with transaction.atomic():
            return enqueue_segments([order] * count, now=at)

    def outcome(self, kind: str, ids: list[int]) -> None:
        """As the links worker books it."""
        from duaarah.workers import links_sql

        with connection.cursor() as cursor:
            cursor.execute(links_sql.BOOK.format(kind=kind, moved="= ANY(%(ids)s)"), {"ids": ids})

    def receive(self, meter: Meter, message_class: str, count: int = 1, at: dt.datetime = NOW) -> None:
        for _ in range(count):
            inbound = InboundSms.objects.create(
                bind=self.bind,
                kind="BINARY",
                source="6281100000001",
                destination="3123",
                data_coding=4,
                esm_class=0,
                payload=b"x",
                digest=bytes(32),
                received_at=at,
                arrived_at=at,
                state="DONE",
            )
            with transaction.atomic():
                book_inbound(
                    inbound_id=inbound.pk, meter_id=meter.pk, message_class=message_class, correlation=None, now=at
                )
