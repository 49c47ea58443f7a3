# SPDX-License-Identifier: Apache-2.0
"""A supply tree with many customers, made by statements; interruptions as the outage engine writes them."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from django.db import connection

from duaarah.outages.models import Interruption
from duaarah.people.models import AccountHolder, Organisation, Unit
from duaarah.registry.models import Meter, NetworkNode

JAKARTA = ZoneInfo("Asia/Jakarta")
NOW = dt.datetime(2027, 1, 5, 3, 0, tzinfo=dt.UTC)

_CUSTOMERS = """
INSERT INTO people_customer (idpel, name, holder_id)
SELECT lpad((%(base)s + n)::text, 12, '5'), 'C' || n, %(holder)s FROM generate_series(1, %(n)s) AS n
"""
_METERS = """
INSERT INTO registry_meter (drn, pan, profile, customer_id, transformer_id, zone, tariff_group, region, contracted_va,
    low_credit_threshold_wh, system_title, dlms_keys_wrapped, sts_register, sgc, ti, krn, kt, ken, base_date, dkga, ea)
SELECT lpad((%(base)s + n)::text, 11, '0'), lpad((%(base)s + n)::text, 18, '6'), 'p',
    (SELECT id FROM people_customer WHERE idpel = lpad((%(base)s + n)::text, 12, '5')), %(transformer)s, %(zone)s, 'R-1/TR',
    'JKT', 1300, 5000, decode(lpad(to_hex(%(base)s + n), 16, '0'), 'hex'), '\\x00', 'r', '000001', '01', 1, 2, 255, 2014,
    '04', '07'
FROM generate_series(1, %(n)s) AS n
"""


class Grid:
    """One unit, one substation; feeders and transformers as asked for."""

    def __init__(self) -> None:
        self.utility = Organisation.objects.create(code="PLNX", name="PLN", kind="UTILITY")
        self.unit = Unit.objects.create(organisation=self.utility, code="U1", name="U1")
        self.holder = AccountHolder.objects.create(name="H", kind="HOUSEHOLD", language="id")
        self.substation = NetworkNode.objects.create(code="GI1", kind="SUBSTATION", unit=self.unit)
        self.made = 0

    def transformer(self, customers: int, zone: str = "Asia/Jakarta", feeder: NetworkNode | None = None) -> NetworkNode:
        """A transformer, on its own feeder unless one is given, with so many customers of one meter each."""
        base = self.made
        feeder = feeder or NetworkNode.objects.create(code=f"P{base}", kind="FEEDER", parent=self.substation)
        node = NetworkNode.objects.create(code=f"T{base}-{feeder.pk}", kind="TRANSFORMER", parent=feeder)
        values = {
            "base": 1_000_000 + base,
            "n": customers,
            "holder": self.holder.pk,
            "transformer": node.pk,
            "zone": zone,
        }
        with connection.cursor() as cursor:
            cursor.execute(_CUSTOMERS, values)
            cursor.execute(_METERS, values)
        self.made += customers
        return node


def meters(node: NetworkNode) -> list[int]:
    return list(Meter.objects.filter(transformer=node).order_by("pk").values_list("pk", flat=True))


def off(
    meter_ids: list[int],
    begin: dt.datetime,
    end: dt.datetime | None,
    *,
    cause: str = "UNPLANNED",
    outage: int | None = None,
) -> list[Interruption]:
    return Interruption.objects.bulk_create(
        Interruption(
            meter_id=meter_id,
            outage_id=outage,
            began_at=begin,
            ended_at=end,
            known_at=begin,
            source="LOG",
            cause=cause,
            recorded_at=end or begin,
        )
        for meter_id in meter_ids
    )


def local(text: str, zone: str = "Asia/Jakarta") -> dt.datetime:
    """`2026-03-17 12:12:20` in a zone."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
